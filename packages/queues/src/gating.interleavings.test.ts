import { type Exploration, type ExploreOptions, explore, type Plant, type Range } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";

/** `assembly/model/gating.ts`: producers and consumers of one ring, run in every order of their atomic steps. */
type Threads = ExploreOptions["threads"];

interface Case {
  readonly capacityBytes: 64 | 128;
  readonly producers: Threads;
  readonly consumers: Threads;
  /** What plain stores may be delayed, and plain accesses be taken apart. */
  readonly buffered?: readonly Range[];
  readonly splitPlain?: Range;
}

const SEEN = 6144;
const spaceWanted: Range = [384, 388];
const consumerSlots: Range = [2816, 5888];
const data: Range = [5888, 6016];

function run({ capacityBytes, producers, consumers, ...rest }: Case, plant?: Plant): Promise<Exploration> {
  const records = producers.reduce((sum, [, , count]) => sum + Number(count), 0);
  return explore({
    model: new URL("../assembly/model/gating.ts", import.meta.url),
    memoryBytes: 24_576,
    setup: [capacityBytes, producers.length, consumers.length],
    threads: [...producers, ...consumers],
    ...rest,
    plant,
    checkEnd: (view) => {
      for (let j = 0; j < consumers.length; j++) {
        const damaged = view.getUint32(SEEN + 128 * j + 4);
        if (damaged > 0) throw new Error(`consumer ${j} read record ${damaged} when it was overwritten`);
        expect(view.getUint32(SEEN + 128 * j)).toBe(records);
      }
    },
  });
}

/** One consumer takes all there is, the other one record at a time: the ring is as full as the slower leaves it. */
const twoConsumers: Case = {
  capacityBytes: 128,
  producers: [["producer", 0, 5]],
  consumers: [
    ["consumer", 0, 5, 128],
    ["consumer", 1, 5, 1],
  ],
};
const sleeping: Case = {
  capacityBytes: 128,
  producers: [["sleepingProducer", 0, 5]],
  consumers: [["consumer", 0, 5, 128]],
  buffered: [spaceWanted, consumerSlots],
};
const twoSleepers = (capacityBytes: 64 | 128): Case => ({
  capacityBytes,
  producers: [
    ["sleepingProducer", 0, 2],
    ["sleepingProducer", 1, 1],
  ],
  consumers: [["consumer", 0, 3, capacityBytes]],
  buffered: [spaceWanted, consumerSlots],
});

test("a ring that wraps: no record is overwritten before both of its consumers have read it", async () => {
  expect((await run(twoConsumers)).states).toBeGreaterThan(10_000);
});

test("the same with every access to a record's bytes as a step of its own", async () => {
  const { states } = await run({
    ...twoConsumers,
    producers: [["producer", 0, 4]],
    consumers: [
      ["consumer", 0, 4, 128],
      ["consumer", 1, 4, 1],
    ],
    buffered: [consumerSlots],
    splitPlain: data,
  });
  expect(states).toBeGreaterThan(100_000);
});

test("a producer that sleeps while the ring is full is woken by the consumer that frees it", async () => {
  expect((await run(sleeping)).states).toBeGreaterThan(1_000);
});

test("of two producers that sleep while a ring of one record is full, each is woken in time", async () => {
  expect((await run(twoSleepers(64))).states).toBeGreaterThan(100_000);
});

test("a producer that sleeps until its last record is published by the other one is woken when it is consumed", async () => {
  expect((await run(twoSleepers(128))).states).toBeGreaterThan(50_000);
});

describe("the explorer finds the bug", () => {
  const cursors = (from: string, to: string): Plant => ({ file: "assembly/cursors.ts", from, to });
  const control = (from: string, to: string): Plant => ({ file: "assembly/control.ts", from, to });
  const model = (from: string, to: string): Plant => ({ file: "assembly/model/gating.ts", from, to });
  const overwritten = /when it was overwritten/;
  const neverWoken = /Livelock|Deadlock/;

  const bugs: [string, Case, Plant, RegExp][] = [
    [
      "the gate looks at the first consumer only",
      twoConsumers,
      cursors("if (position < least) least = position;", "return position;"),
      overwritten,
    ],
    [
      "the gate takes the fastest consumer for the slowest",
      twoConsumers,
      cursors("if (position < least) least = position;", "if (slot == first || position > least) least = position;"),
      overwritten,
    ],
    [
      "a consumer gives the bytes back before it reads them",
      twoConsumers,
      model(
        `    for (let r: u32 = 0; r < records; r++) inspect(seen, first + r * RECORD_BYTES, ++read);
    advance(base, j, <u64>load<f64>(run + RUN_NEXT), load<u32>(run + RUN_RECORDS));
`,
        `    advance(base, j, <u64>load<f64>(run + RUN_NEXT), load<u32>(run + RUN_RECORDS));
    for (let r: u32 = 0; r < records; r++) inspect(seen, first + r * RECORD_BYTES, ++read);
`,
      ),
      overwritten,
    ],
    [
      "space is wanted before the sleep is announced",
      sleeping,
      model(
        `      atomic.store<i32>(parker, 1); // prepare
      wantSpace(base);
`,
        `      wantSpace(base);
      atomic.store<i32>(parker, 1);
`,
      ),
      neverWoken,
    ],
    [
      "no look for space after it was wanted",
      sleeping,
      model("const appended = tryAppend(base, i);", "const appended = false;"),
      neverWoken,
    ],
    [
      "space is wanted by a plain store",
      sleeping,
      control("atomic.store<i32>(ring + SPACE_WANTED, 1);", "store<i32>(ring + SPACE_WANTED, 1);"),
      neverWoken,
    ],
    [
      "a cursor moves by a plain store",
      sleeping,
      cursors(
        "atomic.store<u64>(slot + POSITION, position);\n  wakeProducers(ring);",
        "store<u64>(slot + POSITION, position);\n  wakeProducers(ring);",
      ),
      neverWoken,
    ],
    [
      "the consumer forgets the wish for space after waking",
      sleeping,
      control(
        `    atomic.store<i32>(ring + SPACE_WANTED, 0);
    wakeAll(ring, ON_SPACE);
`,
        `    wakeAll(ring, ON_SPACE);
    atomic.store<i32>(ring + SPACE_WANTED, 0);
`,
      ),
      neverWoken,
    ],
  ];

  test.each(bugs)("%s", async (_, options, plant, message) => {
    await expect(run(options, plant)).rejects.toThrow(message);
  });
});
