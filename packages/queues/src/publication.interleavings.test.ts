import { expect, test } from "vitest";
import { explore, type Model } from "./interleavings.fixture.ts";

/**
 * The claim and publication of `assembly/ring.ts`, step for step: each `case` is one atomic operation there. Positions
 * count claims, one unit each.
 */
interface Producer {
  pc: number;
  left: number;
  word: number;
  start: number;
  seen: number;
  slot: number;
  end: number;
}

interface State {
  claim: number;
  published: number;
  filled: boolean[];
  slots: { done: boolean; start: number; end: number }[];
  producers: Producer[];
}

type Bug = "none" | "leaves without a look" | "helper stores" | "done before end" | "publishes before the fill";

function model(producers: number, claims: number, bug: Bug): Model<State> {
  const total = producers * claims;
  return {
    threads: producers,
    initial: {
      claim: 0,
      published: 0,
      filled: new Array(total).fill(false),
      slots: Array.from({ length: producers }, () => ({ done: false, start: -1, end: -1 })),
      producers: Array.from({ length: producers }, () => ({
        pc: 0,
        left: claims,
        word: 0,
        start: 0,
        seen: 0,
        slot: 0,
        end: 0,
      })),
    },
    step: (s, thread) => {
      const p = s.producers[thread] as Producer;
      const mine = s.slots[thread] as State["slots"][number];
      const other = s.slots[p.slot] as State["slots"][number];
      switch (p.pc) {
        case 0: // mayClaim: the slot holds one claim
          if (p.left === 0) return "end";
          if (mine.done && s.published <= mine.start) return "wait";
          mine.done = false;
          p.pc = 1;
          return undefined;
        case 1: // claimWord
          p.word = s.claim;
          p.pc = 2;
          return undefined;
        case 2: // tryClaim
          if (s.claim !== p.word) {
            p.pc = 1;
            return undefined;
          }
          s.claim++;
          p.start = p.word;
          p.pc = bug === "publishes before the fill" ? 4 : 3;
          return undefined;
        case 3: // the records are written
          s.filled[p.start] = true;
          p.pc = 4;
          return undefined;
        case 4: // publish: is it this claim's turn?
          p.pc = s.published === p.start ? 5 : 6;
          return undefined;
        case 5:
          s.published = p.start + 1;
          if (bug === "publishes before the fill") s.filled[p.start] = true;
          p.pc = bug === "leaves without a look" ? 20 : 10;
          return undefined;
        case 6:
          if (bug === "done before end") mine.done = true;
          else mine.end = p.start + 1;
          p.pc = 7;
          return undefined;
        case 7:
          mine.start = p.start;
          p.pc = 8;
          return undefined;
        case 8:
          if (bug === "done before end") mine.end = p.start + 1;
          else mine.done = true;
          p.pc = 10;
          return undefined;
        case 10: // publishNext: the position, then every slot
          p.seen = s.published;
          p.slot = 0;
          p.pc = 11;
          return undefined;
        case 11:
          if (p.slot === producers) {
            p.pc = 20;
          } else if (other.done) {
            p.pc = 12;
          } else {
            p.slot++;
          }
          return undefined;
        case 12:
          if (other.start === p.seen) {
            p.pc = 13;
          } else {
            p.slot++;
            p.pc = 11;
          }
          return undefined;
        case 13:
          p.end = other.end;
          p.pc = 14;
          return undefined;
        case 14: // compare-and-swap from the position seen
          if (s.published === p.seen || bug === "helper stores") s.published = p.end;
          p.pc = 10;
          return undefined;
        default:
          p.left--;
          p.pc = 0;
          return undefined;
      }
    },
    check: (s) => {
      expect(s.published).toBeLessThanOrEqual(s.claim);
      for (let i = 0; i < s.published; i++) if (!s.filled[i]) throw new Error(`claim ${i} is published and not filled`);
    },
    checkEnd: (s) => {
      if (s.published !== total) throw new Error(`${total - s.published} claims were never published`);
    },
  };
}

test("two producers, three claims each: every claim is published once it is filled, in order, in every interleaving", () => {
  expect(explore(model(2, 3, "none"))).toBeGreaterThan(1_000);
});

test("three producers, one claim each: the same", () => {
  expect(explore(model(3, 1, "none"))).toBeGreaterThan(1_000);
});

test.each<Bug>(["leaves without a look", "helper stores", "done before end", "publishes before the fill"])(
  "the explorer finds the bug: %s",
  (bug) => {
    expect(() => explore(model(2, 3, bug))).toThrow(/published|toBeLessThan/);
  },
);
