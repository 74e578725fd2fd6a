import { describe, expect, test } from "vitest";
import { type Case, parseCases, RECORDED, recording, recordings, values } from "../recorded/datadriven.ts";
import { jointCommittedIndex, jointVoteResult } from "./quorum/joint.ts";

const files = recordings("quorum");
const WORDS = { won: "VoteWon", lost: "VoteLost", pending: "VotePending" };

function halves(found: Case): { incoming: Set<number>; outgoing: Set<number>; ids: number[] } {
  const half = (key: string) => (values(found, key) ?? []).filter((id) => id !== "zero").map(Number);
  const [first, second] = [half("cfg"), half("cfgj")];
  return { incoming: new Set(first), outgoing: new Set(second), ids: [...new Set([...first, ...second])] };
}

function decide(found: Case): string {
  const { incoming, outgoing, ids } = halves(found);
  if (found.command === "vote") {
    const votes = new Map<number, boolean>();
    (values(found, "votes") ?? []).forEach((vote, n) => {
      if (vote !== "_") votes.set(ids[n] as number, vote === "y");
    });
    return WORDS[jointVoteResult(incoming, outgoing, votes)];
  }
  const acked = new Map<number, number>();
  (values(found, "idx") ?? []).forEach((index, n) => {
    if (index !== "_") acked.set(ids[n] as number, Number(index));
  });
  const index = jointCommittedIndex(incoming, outgoing, { acked: (id) => acked.get(id) ?? 0 });
  return index === Number.POSITIVE_INFINITY ? "∞" : String(index);
}

/** The last line is the result; the lines above it draw how it came about. */
const resultOf = (expected: string) => (expected.split("\n").at(-1) as string).replace(/^<.*>/, "");

describe.skipIf(files.length === 0)(
  `a quorum decides what was recorded of another implementation (${RECORDED})`,
  () => {
    test.each(files)("in every case of %s", (file) => {
      const cases = parseCases(recording("quorum", file));
      expect(cases.length).toBeGreaterThan(0);
      for (const found of cases) expect(decide(found), `${file}:${found.line}`).toBe(resultOf(found.expected));
    });
  },
);
