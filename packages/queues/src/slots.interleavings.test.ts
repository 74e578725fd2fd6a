import { type Exploration, explore, type Plant } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";

const SEEN = 4096;
const model = new URL("../assembly/model/slots.ts", import.meta.url);

/** One producer, one consumer; the indexes may lie in store buffers where they are stored plainly. */
function single(capacity: number, releaseEvery: number, count: number, plant?: Plant): Promise<Exploration> {
  return explore({
    model,
    memoryBytes: 8_192,
    setup: [capacity, releaseEvery],
    threads: [
      ["pushes", count],
      ["pops", count],
    ],
    buffered: [
      [128, 136],
      [256, 264],
    ],
    splitPlain: [2_048, 2_048 + 8 * capacity],
    plant,
    checkEnd: (view) => {
      const wrong = view.getUint32(SEEN + 4);
      if (wrong > 0) throw new Error(`number ${wrong} came out wrong`);
      expect(view.getUint32(SEEN)).toBe(count);
    },
  });
}

/** Producers of two numbers each, consumers that share them. */
function shared(capacity: number, producers: number, consumers: number, plant?: Plant): Promise<Exploration> {
  const each = (2 * producers) / consumers;
  return explore({
    model,
    memoryBytes: 8_192,
    setup: [capacity, 0],
    threads: [
      ...Array.from({ length: producers }, (_, i) => ["sharedPushes", i, 2] as const),
      ...Array.from({ length: consumers }, (_, i) => ["sharedPops", i, each] as const),
    ],
    splitPlain: [2_048, 2_048 + 16 * capacity],
    plant,
    checkEnd: (view) => {
      let sum = 0;
      for (let i = 0; i < consumers; i++) sum += view.getNumber64(SEEN + 64 * i + 8);
      // Numbers 1 and 2 of each producer, each once: 1 + 4, eight bits a producer.
      const expected = Array.from({ length: producers }, (_, i) => 5 * 2 ** (8 * i)).reduce((a, b) => a + b, 0);
      if (sum !== expected) throw new Error(`the numbers taken add up to ${sum}, not ${expected}`);
    },
  });
}

test.each([
  [2, 1, 5],
  [4, 1, 6],
  [2, 2, 5],
  [4, 4, 7],
])(
  "SpscSlots of %i, space given back every %i: %i numbers come out in order, in every interleaving",
  async (capacity, releaseEvery, count) => {
    expect((await single(capacity, releaseEvery, count)).states).toBeGreaterThan(100);
  },
);

test.each([
  [2, 2, 1],
  [2, 1, 2],
])(
  "MpmcSlots of %i, %i producers, %i consumers: every number is taken once, in every interleaving",
  async (capacity, producers, consumers) => {
    expect((await shared(capacity, producers, consumers)).states).toBeGreaterThan(200);
  },
);

describe("the explorer finds the bug", () => {
  const spsc = (from: string, to: string): Plant => ({ file: "assembly/spsc-slots.ts", from, to });
  const mpmc = (from: string, to: string): Plant => ({ file: "assembly/mpmc-slots.ts", from, to });

  test.each<[string, Plant]>([
    [
      "published before the copy",
      spsc(
        "  store<f64>(cell(q, load<u64>(q + OWN_TAIL)), value);\n  slotsPublish(q, 1);\n",
        "  const at = cell(q, load<u64>(q + OWN_TAIL));\n  slotsPublish(q, 1);\n  store<f64>(at, value);\n",
      ),
    ],
    [
      "given back before it is read",
      spsc(
        "  const value = load<f64>(cell(q, load<u64>(q + OWN_HEAD)));\n  slotsRelease(q, 1);\n",
        "  const at = cell(q, load<u64>(q + OWN_HEAD));\n  slotsRelease(q, 1);\n  const value = load<f64>(at);\n",
      ),
    ],
    [
      "full is one too late",
      spsc(
        "let free = capacity - (tail - load<u64>(q + SEEN_HEAD));",
        "let free = capacity + 1 - (tail - load<u64>(q + SEEN_HEAD));",
      ),
    ],
  ])("in SpscSlots: %s", async (_, plant) => {
    await expect(single(2, 1, 5, plant)).rejects.toThrow(/came out wrong|Livelock/);
  });

  test("in SpscSlots: what was taken out is never said when nothing more comes", async () => {
    const plant = spsc("if (available == 0 && head != load<u64>(q + SAID_HEAD)) sayHead(q, head);", "");
    // Three of four: the producer waits for space that is free, and the consumer for a number that nobody can put in.
    await expect(
      explore({
        model,
        memoryBytes: 8_192,
        setup: [2, 2],
        threads: [
          ["pushes", 3],
          ["pops", 3],
        ],
        plant: { ...plant, to: "if (available == 0 && head == 1) store<u64>(q + SAID_HEAD, head);" },
        checkEnd: () => undefined,
      }),
    ).rejects.toThrow(/Livelock|Deadlock/);
  });

  test.each<[string, Plant]>([
    [
      "the sequence goes before the value",
      mpmc(
        "  store<f64>(at + 8, value);\n  atomic.store<u64>(at, position + 1);\n",
        "  atomic.store<u64>(at, position + 1);\n  store<f64>(at + 8, value);\n",
      ),
    ],
    [
      "a cell is taken without a comparison",
      mpmc(
        "const before = turn == 0 ? atomic.cmpxchg<u64>(q + TAIL, position, position + 1) : atomic.load<u64>(q + TAIL);",
        "const before = turn == 0 ? position : atomic.load<u64>(q + TAIL);\n    if (turn == 0) atomic.store<u64>(q + TAIL, position + 1);",
      ),
    ],
    [
      "the cell is given back before the value is read",
      mpmc(
        "  const value = load<f64>(at + 8);\n  atomic.store<u64>(at, position + <u64>load<u32>(q + CAPACITY));\n",
        "  atomic.store<u64>(at, position + <u64>load<u32>(q + CAPACITY));\n  const value = load<f64>(at + 8);\n",
      ),
    ],
    ["a cell's next turn is one lap off", mpmc("position + <u64>load<u32>(q + CAPACITY));", "position + 1);")],
  ])("in MpmcSlots: %s", async (_, plant) => {
    await expect(shared(2, 2, 1, plant)).rejects.toThrow(/add up to|Livelock|outside/);
  });
});
