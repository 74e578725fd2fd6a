/**
 * The deduplicator's compiled kernel in every order of its atomic steps, for a few threads and ids. Each property has planted
 * bugs that break it, and the explorer has to find them.
 */
import { readFileSync } from "node:fs";
import { type ExploreOptions, explore, type ModelView, type Plant } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";

const model = new URL("../assembly/model/deduplicator.ts", import.meta.url);
const clearing = new URL("../assembly/model/deduplicator-clearing.ts", import.meta.url);
const memoryBytes = 24_576;
const NONE = 99;
/** Where the model's deduplicator has its threads, and its phase. */
const THREADS_AT = 512 + 2_432;
const THREAD_BYTES = 1_152;
const PHASE_AT = 512 + 128;

/** 1 new, 0 duplicate, -1 when the thread didn't get that far. */
const outcome = (view: ModelView, thread: number, which = 0): number =>
  view.getUint32(128 * thread + 32 + 4 * which, true) - 1;
const offer = (thread: number, id: number, then = NONE): [string, ...number[]] => ["offer", thread, 5, id, then, NONE];

const newOnce = (...outcomes: readonly number[]): void => {
  const count = outcomes.reduce((sum, one) => sum + one, 0);
  if (count === 0) throw new Error("lost: everybody said duplicate");
  if (count > 1) throw new Error(`let through: ${count} said new`);
};

const TABLE = "assembly/dedup-table.ts";
const PHASES = "assembly/dedup-phase.ts";
const OPERATIONS = "assembly/dedup.ts";
const source = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");

/** What stands from `from` up to and with `to` in a file, to be replaced as one piece. */
function passage(file: string, from: string, to: string): string {
  const text = source(file);
  const start = text.indexOf(from);
  return text.slice(start, text.indexOf(to, start) + to.length);
}

async function finds(options: ExploreOptions, plant: Plant, what: RegExp): Promise<void> {
  await expect(explore({ ...options, plant })).rejects.toThrow(what);
}

describe("settled on one generation", () => {
  const same = {
    model,
    memoryBytes,
    threads: [offer(0, 12), offer(1, 12)],
    checkEnd: (view: ModelView) => newOnce(outcome(view, 0), outcome(view, 1)),
  };
  // The same low half: both threads may win it, one wins the slot.
  const halves = {
    model,
    memoryBytes,
    threads: [offer(0, 12), offer(1, 22, 12)],
    checkEnd: (view: ModelView) => {
      newOnce(outcome(view, 0), outcome(view, 1, 1));
      expect(outcome(view, 1, 0)).toBe(1);
    },
  };

  test("of two threads with one id exactly one is told that it is new", async () => {
    expect((await explore(same)).states).toBeGreaterThan(1_000);
  });

  test.each([
    [1, 10],
    [10, 1],
    [0, 11],
    [0, 1],
    [11, 1],
  ])("ids with halves of 0 are nobody else's: %i and %i", async (one, other) => {
    const threads = [offer(0, one), offer(1, other, one)];
    await explore({
      ...same,
      threads,
      checkEnd: (view) => {
        newOnce(outcome(view, 0), outcome(view, 1, 1));
        expect(outcome(view, 1, 0)).toBe(1);
      },
    });
  });

  test("ids that share a half are told apart, whoever wins the shared half", async () => {
    expect((await explore(halves)).states).toBeGreaterThan(20_000);
  });

  test("an id out of the window is new again, once", async () => {
    await explore({
      ...same,
      threads: [
        ["offerAgain", 0, 12, 5, 106],
        ["offerAgain", 1, 12, 5, 106],
      ],
      checkEnd: (view) => {
        // Either may be ahead by a whole round: then the other's early clock finds the later time, a duplicate.
        const all = [0, 1].flatMap((thread) => [outcome(view, thread, 0), outcome(view, thread, 1)]);
        newOnce(all[1] as number, all[3] as number);
        newOnce(all[0] as number, all[2] as number);
      },
    });
  });

  test("finds: the winner of the low half stores the high half without asking", async () => {
    const plant = {
      file: TABLE,
      from: "const other = atomic.cmpxchg<u64>(hiOf(slot), 0, hi);",
      to: "const other = atomic.load<u64>(hiOf(slot)); if (other == 0) atomic.store<u64>(hiOf(slot), hi);",
    };
    await finds(halves, plant, /let through|lost|expected/);
  });

  test("finds: the high half is written before the low one, and whoever has the high half takes the slot", async () => {
    const plant = {
      file: TABLE,
      from: passage(
        TABLE,
        "const held = atomic.cmpxchg<u64>(loOf(slot), 0, lo);",
        "if (other == 0 || other == hi) return slot;",
      ),
      to: `{
        const other = atomic.cmpxchg<u64>(hiOf(slot), 0, hi);
        if (other == 0 || other == hi) {
          atomic.cmpxchg<u64>(loOf(slot), 0, lo);
          return slot;
        }`,
    };
    await finds({ ...halves, threads: [offer(0, 12), offer(1, 13, 12)] }, plant, /let through|lost|expected/);
  });

  test("finds: the time is stored and not swapped in", async () => {
    const plant = {
      file: TABLE,
      from: "const before = atomic.cmpxchg<u32>(timeOf(slot), word, <u32>time + 1);",
      to: "const before = word; atomic.store<u32>(timeOf(slot), <u32>time + 1);",
    };
    await finds(same, plant, /let through/);
  });

  test("finds: who meets the id placed but without a time says duplicate, while its time may never come", async () => {
    const plant = {
      file: TABLE,
      from: "if (isRemembered(word, entry, now, window)) return DUPLICATE;\n    if (word & FROZEN) return MOVED;",
      to: "if (word == 0 || isRemembered(word, entry, now, window)) return DUPLICATE;\n    if (word & FROZEN) return MOVED;",
    };
    await finds(same, plant, /lost/);
  });

  test("finds: halves of 0 are put with the others", async () => {
    const plant = { file: "assembly/dedup-slot.ts", from: "    kind |= 2;", to: "    kind |= 0;" };
    await finds(
      {
        ...same,
        threads: [offer(0, 1, 11)],
        checkEnd: (view) => expect([outcome(view, 0, 0), outcome(view, 0, 1)]).toEqual([1, 1]),
      },
      plant,
      /expected/,
    );
  });
});

describe("while the generation changes", () => {
  const changing = {
    model,
    memoryBytes,
    threads: [offer(0, 12), offer(1, 12), ["fill"] as [string]],
    checkEnd: (view: ModelView) => newOnce(outcome(view, 0), outcome(view, 1)),
  };

  test("an id is new exactly once, whichever phases the two threads are in", async () => {
    expect((await explore(changing)).states).toBeGreaterThan(20_000);
  });

  test("also when one of them has filled the generation by its own id", async () => {
    await explore({
      ...changing,
      threads: [offer(0, 12), offer(1, 34, 12)],
      checkEnd: (view) => {
        newOnce(outcome(view, 0), outcome(view, 1, 1));
        expect(outcome(view, 1, 0)).toBe(1);
      },
    });
  });

  // Both ids fit, whichever generation each is in. A batch seeks its ids first and offers them then.
  const batches = {
    model,
    memoryBytes,
    threads: [["offerBatch", 0, 5, 12, 13] as [string, ...number[]], offer(1, 13)],
    checkEnd: (view: ModelView) => {
      newOnce(outcome(view, 0, 1), outcome(view, 1));
      expect(outcome(view, 0, 0)).toBe(1);
    },
  };

  test("also in a batch, which goes on in the phase after the one that it began in", async () => {
    expect((await explore(batches)).states).toBeGreaterThan(1_000);
  });

  test("finds: a batch goes on in the next phase with what it sought in the one before", async () => {
    const plant = { file: OPERATIONS, from: "const sought = i == 0 && count > 1;", to: "const sought = count > 1;" };
    await finds(batches, { ...plant, to: `${plant.to} if (i == 0)` }, /let through/);
  });

  test("finds: on the way, nobody looks at the generation that is left", async () => {
    const plant = {
      file: OPERATIONS,
      from: passage(OPERATIONS, "  if (!freeze(", "return DUPLICATE;"),
      to: "",
    };
    await finds(changing, plant, /let through/);
  });

  test("finds: a slot is accepted in although it is frozen", async () => {
    const plant = { file: TABLE, from: "    if (word & FROZEN) return MOVED;\n", to: "" };
    await finds(changing, plant, /let through/);
  });

  test("finds: freezing without looking whether the slot was accepted in between", async () => {
    const plant = {
      file: TABLE,
      from: "const before = atomic.cmpxchg<u32>(timeOf(slot), word, word | FROZEN);",
      to: "const before = word; atomic.store<u32>(timeOf(slot), word | FROZEN);",
    };
    await finds(changing, plant, /let through/);
  });

  test("finds: the phase moves on past operations that are two phases behind", async () => {
    const plant = {
      file: PHASES,
      from: "announced != 0 && announced <= phase",
      to: "announced != 0 && announced < phase",
    };
    await finds(changing, plant, /let through/);
  });

  const late = {
    model,
    memoryBytes,
    threads: [offer(0, 12), ["rotateThrice", 1, 5] as [string, ...number[]]],
    checkEnd: (view: ModelView) => {
      const accepted = outcome(view, 0) + outcome(view, 1);
      if (accepted < 1) throw new Error("lost");
      // From the way to generation 4 on, generation 1, where the id may have been, is given up: forgotten early.
      const givenUp = view.getNumber64(PHASE_AT) >= 7;
      if (accepted > 1 && !givenUp) throw new Error("let through");
    },
  };

  test("a thread that is three generations late when it announces itself announces anew", async () => {
    await explore(late);
  });

  test("finds: a thread doesn't look at the phase again after it has announced it", async () => {
    const plant = { file: PHASES, from: "if (phaseOf(dedup) == phase) return phase;", to: "return phase;" };
    await finds(late, plant, /let through/);
  });

  test("finds: the announcement is a plain store", async () => {
    const plant = {
      file: PHASES,
      from: "atomic.store<u64>(thread + ANNOUNCED, phase + 1);",
      to: "store<u64>(thread + ANNOUNCED, phase + 1);",
    };
    const buffered: [number, number] = [THREADS_AT, THREADS_AT + 3 * THREAD_BYTES];
    await explore({ ...changing, buffered });
    await finds({ ...changing, buffered }, plant, /let through/);
  });

  test("finds: each side accepts in its own generation first and gives way to the other's", async () => {
    const from = passage(
      OPERATIONS,
      "  return accept(dedup, k, item,",
      "  return accept(dedup, next, item, now, window);",
    );
    const order = `  const mine = accept(dedup, k, item, now, window);
  const after = k + 1 == load<u32>(dedup + GENERATIONS) ? 0 : k + 1;
  return remembers(dedup, tableBits(after), item, now, window) ? DUPLICATE : mine;
}
function checkOnTheWay(dedup: usize, k: u32, next: u32, older: u64, item: usize, now: i64, window: i64): u32 {
  const mine = accept(dedup, next, item, now, window);
  return remembers(dedup, tableBits(k), item, now, window) ? DUPLICATE : mine;`;
    await finds(changing, { file: OPERATIONS, from, to: order }, /lost/);
  });
});

describe("a thread that ends in the middle of an operation", () => {
  test("holds nobody up: without room the others accept and say that they forget", async () => {
    const forgotten = (view: ModelView): number =>
      [0, 1, 2].reduce((sum, thread) => sum + view.getNumber64(THREADS_AT + THREAD_BYTES * thread + 32), 0);
    await explore({
      model,
      memoryBytes,
      threads: [["die", 2], offer(0, 12, 34), offer(1, 12)],
      checkEnd: (view) => {
        const accepted = outcome(view, 0) + outcome(view, 1);
        if (accepted < 1) throw new Error("lost");
        if (accepted > 1 + forgotten(view)) throw new Error("let through");
      },
    });
  });

  test("is evicted at any moment while others rotate", async () => {
    await explore({
      model,
      memoryBytes,
      threads: [["dieAndBeEvicted", 2], offer(0, 12, 34), offer(1, 12)],
      checkEnd: (view) => newOnce(outcome(view, 0), outcome(view, 1)),
    });
  });
});

describe("clearing", () => {
  const reading = {
    model: clearing,
    memoryBytes,
    threads: [
      ["offer", 0, 150, 12, NONE, NONE] as [string, ...number[]],
      ["rotateTwice", 1, 150] as [string, ...number[]],
    ],
    checkEnd: (view: ModelView) => {
      expect(outcome(view, 1)).toBe(1);
      if (outcome(view, 0) !== 1) throw new Error("false duplicate");
    },
  };

  test("an id whose window is over is new, while its table is cleared and used again for another id", async () => {
    expect((await explore(reading)).states).toBeGreaterThan(1_000);
  });

  test("finds: a table is cleared and used again while an operation still reads it", async () => {
    const plant = { file: PHASES, from: "announced != 0 && announced <= phase", to: "false" };
    await finds(reading, plant, /false duplicate/);
  });
});
