import { expect, test } from "vitest";
import { explore, type Model } from "./interleavings.fixture.ts";

/** The sleeper and wakers of `parker.ts`, step for step, around one counter of published work. */
interface State {
  word: "awake" | "parked";
  sleeping: boolean;
  work: number;
  taken: number;
  sleeper: number;
  wakers: { pc: number; saw: boolean }[];
}

type Bug = "none" | "no second look" | "looks for the sleeper first";

function model(wakers: number, bug: Bug): Model<State> {
  return {
    threads: 1 + wakers,
    initial: {
      word: "awake",
      sleeping: false,
      work: 0,
      taken: 0,
      sleeper: 0,
      wakers: Array.from({ length: wakers }, () => ({ pc: 0, saw: false })),
    },
    step: (s, thread) => (thread === 0 ? sleep(s) : wake(s, s.wakers[thread - 1] as State["wakers"][number])),
    check: () => undefined,
    checkEnd: (s) => {
      if (s.taken !== wakers) throw new Error("the sleeper sleeps on and work is left");
    },
  };

  function sleep(s: State): "end" | "wait" | undefined {
    switch (s.sleeper) {
      case 0: // look for work
        if (s.taken === wakers) return "end";
        if (s.taken < s.work) s.taken = s.work;
        else s.sleeper = 1;
        return undefined;
      case 1: // prepare
        s.word = "parked";
        s.sleeper = bug === "no second look" ? 3 : 2;
        return undefined;
      case 2: // look once more
        s.sleeper = s.taken < s.work ? 4 : 3;
        return undefined;
      case 3: // wait while the word says parked: check and sleep are one step, as the system call promises
        if (s.word === "parked") s.sleeping = true;
        s.sleeper = s.sleeping ? 5 : 4;
        return undefined;
      case 4: // cancel, or awake again
        s.word = "awake";
        s.sleeper = 0;
        return undefined;
      default:
        if (s.sleeping) return "wait";
        s.sleeper = 4;
        return undefined;
    }
  }

  function wake(s: State, w: State["wakers"][number]): "end" | "wait" | undefined {
    const publishAt = bug === "looks for the sleeper first" ? 1 : 0;
    if (w.pc === publishAt) s.work++;
    else if (w.pc === 1 - publishAt) w.saw = s.word === "parked";
    else if (w.pc === 2) {
      // compare-and-swap: one of several wakers makes the call
      if (w.saw && s.word === "parked") s.word = "awake";
      else w.saw = false;
    } else if (w.pc === 3) {
      if (w.saw) s.sleeping = false;
    } else return "end";
    w.pc++;
    return undefined;
  }
}

test("no wake-up is lost, with one waker or two, in any interleaving", () => {
  expect(explore(model(1, "none"))).toBeGreaterThan(10);
  expect(explore(model(2, "none"))).toBeGreaterThan(100);
});

test.each<Bug>(["no second look", "looks for the sleeper first"])("the explorer finds the bug: %s", (bug) => {
  expect(() => explore(model(1, bug))).toThrow(/sleeps on/);
});
