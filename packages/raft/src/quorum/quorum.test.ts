import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jointCommittedIndex, jointVoteResult } from "./joint.ts";
import { committedIndex, voteResult } from "./majority.ts";

const ids = fc.integer({ min: 1, max: 9 });
const voters = fc.uniqueArray(ids, { maxLength: 7 }).map((list) => new Set(list));
const indexes = fc.array(fc.nat({ max: 20 }), { minLength: 10, maxLength: 10 }).map((list) => ({
  acked: (id: number) => list[id] as number,
}));
const votes = fc
  .array(fc.option(fc.boolean(), { nil: undefined }), { minLength: 10, maxLength: 10 })
  .map((list) => new Map(list.flatMap((vote, id) => (vote === undefined ? [] : [[id, vote] as const]))));

const majority = (set: ReadonlySet<number>, has: (id: number) => boolean) =>
  [...set].filter(has).length > Math.floor(set.size / 2);

describe("a majority", () => {
  test("has the committed index, and has no higher one", () => {
    fc.assert(
      fc.property(voters, indexes, (set, progress) => {
        const index = committedIndex(set, progress);
        if (set.size === 0) return index === Number.POSITIVE_INFINITY;
        return majority(set, (id) => progress.acked(id) >= index) && !majority(set, (id) => progress.acked(id) > index);
      }),
    );
  });

  test("wins when more than half are for it, loses when that can't be any more, and waits otherwise", () => {
    fc.assert(
      fc.property(voters, votes, (set, cast) => {
        const result = voteResult(set, cast);
        if (set.size === 0) return result === "won";
        const won = majority(set, (id) => cast.get(id) === true);
        const possible = majority(set, (id) => cast.get(id) !== false);
        return result === (won ? "won" : possible ? "pending" : "lost");
      }),
    );
  });

  test("of two that both have won, one voter at least is in both", () => {
    fc.assert(
      fc.property(voters, votes, votes, (set, a, b) => {
        fc.pre(set.size > 0 && voteResult(set, a) === "won" && voteResult(set, b) === "won");
        expect([...set].some((id) => a.get(id) === true && b.get(id) === true)).toBe(true);
      }),
    );
  });
});

describe("a joint quorum", () => {
  test("commits what both halves have, whichever comes first", () => {
    fc.assert(
      fc.property(voters, voters, indexes, (a, b, progress) => {
        const index = jointCommittedIndex(a, b, progress);
        expect(index).toBe(Math.min(committedIndex(a, progress), committedIndex(b, progress)));
        expect(index).toBe(jointCommittedIndex(b, a, progress));
      }),
    );
  });

  test("with an empty half, or with the same half twice, is the other half alone", () => {
    fc.assert(
      fc.property(voters, indexes, votes, (set, progress, cast) => {
        for (const other of [new Set<number>(), set]) {
          expect(jointCommittedIndex(set, other, progress)).toBe(committedIndex(set, progress));
          expect(jointVoteResult(set, other, cast)).toBe(voteResult(set, cast));
        }
      }),
    );
  });

  test("is won when both halves are, lost when one is, and open otherwise", () => {
    fc.assert(
      fc.property(voters, voters, votes, (a, b, cast) => {
        const results = [voteResult(a, cast), voteResult(b, cast)];
        const expected = results.includes("lost") ? "lost" : results.includes("pending") ? "pending" : "won";
        expect(jointVoteResult(a, b, cast)).toBe(expected);
      }),
    );
  });
});
