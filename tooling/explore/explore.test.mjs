import { describe, expect, test } from "vitest";
import { explore } from "./index.mjs";

const counter = new URL("assembly/model/counter.ts", import.meta.url);
const litmus = new URL("assembly/model/litmus.ts", import.meta.url);

const run = (threads, rest = {}) => explore({ model: litmus, memoryBytes: 128, threads, ...rest });

describe("states", () => {
  const counts = (program) => ({
    model: counter,
    memoryBytes: 8,
    threads: [
      [program, 2],
      [program, 2],
    ],
    checkEnd: (view) => expect(view.getUint32(0)).toBe(4),
  });

  test("two threads of two steps each on one word have 3 × 3 states, 12 steps between them, and one end", async () => {
    expect(await explore(counts("addAtomically"))).toEqual({ states: 9, steps: 12, ends: 1 });
  });

  test("an addition that is a load and a store loses an update, and the timeline tells how", async () => {
    const error = await explore(counts("addInTwoSteps")).catch((error) => error);
    expect(error).toMatchObject({ name: "ExplorationError", code: "ESC_EXPLORE_VIOLATION" });
    expect(error.timeline.length).toBe(9);
    expect(error.message).toMatch(
      /0:addInTwoSteps\(2\) +i32\.atomic\.load \+0 is 0 +explore\/assembly\/model\/counter\.ts:\d+ /,
    );
    expect(error.message).toMatch(/1:addInTwoSteps\(2\) +i32\.atomic\.store \+0 = 2 /);
  });

  test("what only one thread touches makes no steps", async () => {
    const alone = await explore({ ...counts("addAtomically"), threads: [["addAtomically", 4]] });
    expect(alone).toEqual({ states: 1, steps: 0, ends: 1 });
  });

  test("what the check of every state reads makes steps", async () => {
    const seen = new Set();
    const alone = await explore({
      ...counts("addAtomically"),
      threads: [["addAtomically", 4]],
      check: (view) => void seen.add(view.getUint32(0)),
    });
    expect(alone).toEqual({ states: 5, steps: 4, ends: 1 });
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test("more states than allowed are an error", async () => {
    await expect(explore({ ...counts("addAtomically"), maxStates: 8 })).rejects.toMatchObject({
      code: "ESC_EXPLORE_STATES",
    });
  });
});

describe("store buffer", () => {
  const both = (program) => [
    [program, 0],
    [program, 1],
  ];
  const alone = { check: (view) => expect(view.getUint32(16)).toBeLessThan(2) };
  const buffered = [0, 16];

  test("Dekker's entry holds with atomic stores", async () => {
    await run(both("enterAtomically"), { ...alone, buffered });
  });

  test("with plain stores it fails, and only the store buffer shows it", async () => {
    await run(both("enterByPlainStore"), alone);
    await expect(run(both("enterByPlainStore"), { ...alone, buffered })).rejects.toThrow(/becomes visible: 1/);
  });

  test("an atomic exchange of any other word between them mends it", async () => {
    await run(both("enterByExchange"), { ...alone, buffered });
  });

  const message = { buffered, checkEnd: (view) => expect(view.getNumber64(64)).toBe(42) };

  test("a message whose flag is stored plainly may arrive after its flag", async () => {
    await expect(run([["sendPlainly"], ["receive"]], message)).rejects.toThrow(/expected \+?0 to be 42|expected 0/);
    await run([["sendPlainly"], ["receive"]], { ...message, buffered: undefined });
  });

  test("a message whose flag is stored atomically does not", async () => {
    await run([["send"], ["receive"]], message);
  });

  test("a thread sees its own store at once; others see its stores to one address in their order, each in time", async () => {
    const seen = new Set();
    await run([["storeTwice"], ["readTwice"]], {
      buffered,
      checkEnd: (view) => {
        expect(view.getUint32(64)).toBe(1);
        seen.add(`${view.getUint32(80)}${view.getUint32(84)}`);
        expect(view.getUint32(0)).toBe(2);
      },
    });
    expect([...seen].sort()).toEqual(["00", "01", "02", "11", "12", "22"]);
  });
});

describe("plain accesses", () => {
  const options = {
    checkEnd: (view) => expect(view.getNumber64(64)).toBe(view.getNumber64(72)),
  };

  test("between two atomic operations they are one step, in `splitPlain` each is one: a torn copy is found", async () => {
    const threads = [["writePair", 7], ["readPair"]];
    await run(threads, options);
    await expect(run(threads, { ...options, splitPlain: [32, 48] })).rejects.toThrow(/expected/);
  });
});

describe("threads that do not come to an end", () => {
  const checkEnd = (view) => expect(view.getInt32(64)).toBeLessThan(2);

  test("a sleeper is woken, or sees that it needn't sleep", async () => {
    const seen = new Set();
    await run([["waitForFlag", -1], ["raiseFlagAndNotify"]], { checkEnd: (view) => void seen.add(view.getInt32(64)) });
    expect([...seen].sort()).toEqual([0, 1]);
  });

  test("a sleeper that nobody wakes is a deadlock", async () => {
    const error = await run([["waitForFlag", -1], ["raiseFlag"]], { checkEnd }).catch((error) => error);
    expect(error.code).toBe("ESC_EXPLORE_DEADLOCK");
    expect(error.message).toMatch(/waitForFlag\(-1\) sleeps .*wait at \+0 while 0: sleeps/s);
  });

  test("unless the model allows it", async () => {
    await run([["waitForFlag", -1], ["raiseFlag"]], { checkEnd, blockedEnds: true });
  });

  test("or its wait has a time-out", async () => {
    const seen = new Set();
    await run([["waitForFlag", 1_000], ["raiseFlag"]], { checkEnd: (view) => void seen.add(view.getInt32(64)) });
    expect([...seen].sort()).toEqual([1, 2]);
  });

  test("of two sleepers one notification wakes one", async () => {
    const threads = [["waitForFlag", -1], ["waitForFlag", -1], ["raiseFlagAndNotify"]];
    let left = 0;
    await run(threads, {
      blockedEnds: true,
      checkEnd: (_, statuses) => {
        left = Math.max(left, statuses.filter((status) => status === "waiting").length);
      },
    });
    expect(left).toBe(1);
  });

  test("a spin lock that is released is explored to its end; one that isn't is a livelock", async () => {
    const ends = await run([
      ["lockOnce", 1],
      ["lockOnce", 1],
    ]);
    expect(ends.ends).toBe(1);
    await expect(
      run([
        ["lockOnce", 1],
        ["lockOnce", 0],
      ]),
    ).rejects.toMatchObject({ code: "ESC_EXPLORE_LIVELOCK" });
  });
});

describe("what a model may not do", () => {
  test("a trap is reported with the way to it", async () => {
    const error = await run([["trap"], ["raiseFlag"]]).catch((error) => error);
    expect(error.code).toBe("ESC_EXPLORE_TRAP");
    expect(error.timeline.length).toBeGreaterThan(2);
  });

  test("an access outside its memory is one", async () => {
    await expect(run([["touchOutside", 128]])).rejects.toThrow(/base \+ 128, outside the model's 128 bytes/);
    await expect(run([["touchOutside", -4]])).rejects.toThrow(/base \+ -4, outside/);
    await run([["touchOutside", 124]]);
  });

  test("a stack that is too small for its suspended calls", async () => {
    await expect(run([["raiseFlagAndNotify"]], { stackBytes: 8 })).rejects.toThrow(/raise stackBytes/);
  });

  test("a thread program that isn't there", async () => {
    await expect(run([["nothing"]])).rejects.toThrow(/exports no function nothing/);
  });
});

describe("planted bugs", () => {
  const plant = {
    file: "assembly/model/litmus.ts",
    from: "if (releases) atomic.store",
    to: "if (!releases) atomic.store",
  };

  test("are compiled into the model", async () => {
    await run(
      [
        ["lockOnce", 0],
        ["lockOnce", 0],
      ],
      { plant },
    );
    await expect(
      run(
        [
          ["lockOnce", 1],
          ["lockOnce", 1],
        ],
        { plant },
      ),
    ).rejects.toMatchObject({ code: "ESC_EXPLORE_LIVELOCK" });
  });

  test("must fit exactly once", async () => {
    await expect(run([["trap"]], { plant: { ...plant, from: "atomic.wait<u32>" } })).rejects.toThrow(/occurs 0 times/);
    await expect(run([["trap"]], { plant: { ...plant, from: "atomic.store" } })).rejects.toThrow(/occurs \d+ times/);
    await expect(run([["trap"]], { plant: { ...plant, file: "assembly/other.ts" } })).rejects.toThrow(/is 0 files/);
  });
});
