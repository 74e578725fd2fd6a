import { type Exploration, type ExploreOptions, explore, type Plant } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";
import { RingKind } from "./ring.ts";

/** `assembly/model/frames.ts`: framed rings, run in every order of their atomic steps. */
interface Case {
  readonly kind: number;
  readonly capacityBytes: number;
  readonly producers: ExploreOptions["threads"];
  readonly readers: ExploreOptions["threads"];
  /** Records that every reader is to have, a tap's overrun ones included. */
  readonly records: number;
  readonly tap?: boolean;
  readonly splitPlain?: boolean;
}

const SEEN = 6144;
const DATA = 5888;

function run(
  { kind, capacityBytes, producers, readers, records, tap = false, splitPlain = false }: Case,
  plant?: Plant,
): Promise<Exploration> {
  return explore({
    model: new URL("../assembly/model/frames.ts", import.meta.url),
    memoryBytes: 8_192,
    setup: [kind, capacityBytes, producers.length, readers.length - (tap ? 1 : 0), tap ? 1 : 0],
    threads: [...producers, ...readers],
    buffered: [
      [128, 136],
      [256, 272],
      [768, 2816],
    ],
    ...(splitPlain ? { splitPlain: [DATA, DATA + capacityBytes] as const } : {}),
    plant,
    checkEnd: (view) => {
      for (let j = 0; j < readers.length; j++) {
        const damaged = view.getUint32(SEEN + 64 * j + 4);
        if (damaged > 0) throw new Error(`reader ${j} had record ${damaged} damaged`);
        const read = view.getUint32(SEEN + 64 * j);
        if (read !== records) throw new Error(`reader ${j} had ${read} records`);
      }
    },
  });
}

const onlyProducer: Case = {
  kind: RingKind.spsc,
  capacityBytes: 64,
  producers: [["producer", 0, 6, 0b000100]],
  readers: [
    ["reader", 0, 5, 9],
    ["reader", 1, 5, 1],
  ],
  records: 5,
};
const twoProducers: Case = {
  kind: RingKind.mpsc,
  capacityBytes: 64,
  producers: [
    ["producer", 0, 2, 0b01],
    ["producer", 1, 2, 0],
  ],
  readers: [["reader", 0, 3, 9]],
  records: 3,
};
const withTap = (kind: number): Case => ({
  kind,
  capacityBytes: 64,
  producers: [["producer", 0, 6, 0]],
  readers: [["tap", 0, 6]],
  records: 6,
  tap: true,
});
/** One producer ends; the other's records come through, whatever the first had come to. */
const ended = (...thread: readonly [name: string, ...args: number[]]): Case => ({
  kind: RingKind.mpsc,
  capacityBytes: 64,
  producers: [thread, ["producer", 1, 2, 0]],
  readers: [["reader", 0, 2, 9]],
  records: 2,
});

test("one producer, two readers, claims given up, a ring that wraps: each reader has every record once, whole", async () => {
  expect((await run(onlyProducer)).states).toBeGreaterThan(1_000);
});

test("the same with every access to a record's bytes as a step of its own", async () => {
  expect(
    (await run({ ...onlyProducer, readers: onlyProducer.readers.slice(0, 1), splitPlain: true })).states,
  ).toBeGreaterThan(500);
});

test("two producers that claim against each other, one giving up: the reader has every record once, whole", async () => {
  expect((await run(twoProducers)).states).toBeGreaterThan(5_000);
});

test.each([
  ["one producer", RingKind.spsc],
  ["a claim by compare-and-swap", RingKind.mpsc],
])(
  "a reader that doesn't gate never hands over bytes that were claimed again, and counts what it missed: %s",
  async (_, kind) => {
    expect((await run({ ...withTap(kind), splitPlain: true })).states).toBeGreaterThan(1_000);
  },
);

test.each([
  ["with its claim open", ended("endsAndIsCleared", 0)],
  ["before it has won its claim", ended("endsWhileTrying", 0, 0)],
  ["having won its claim, before it says so", ended("endsWhileTrying", 0, 1)],
])("a producer ends %s; cleared up, the other's records come through", async (_, options) => {
  expect((await run(options)).states).toBeGreaterThan(1_000);
});

describe("the explorer finds the bug", () => {
  const at = (file: string, from: string, to: string): Plant => ({ file: `assembly/${file}.ts`, from, to });
  const bugs: [string, Case, Plant, RegExp][] = [
    [
      "committed before it is filled",
      onlyProducer,
      at(
        "model/frames",
        "      fill(at, i, n);\n      commitClaim(base, i);\n",
        "      commitClaim(base, i);\n      fill(at, i, n);\n",
      ),
      /damaged/,
    ],
    [
      "the tap doesn't look again after its copy",
      { ...withTap(RingKind.spsc), splitPlain: true },
      at("cursors", "if (claimed(ring) > position + <u64>size) {", "if (false) {"),
      /damaged|had \d records|Livelock/,
    ],
    [
      "the tap looks before its copy",
      { ...withTap(RingKind.spsc), splitPlain: true },
      at(
        "cursors",
        `    memory.copy(copy, addressOf(ring, position), <usize>bytes);`,
        `    const late = claimed(ring) > position + <u64>size;
    memory.copy(copy, addressOf(ring, position), <usize>bytes);
    if (!late) {
      store<u32>(slot + RUN + RUN_ADDRESS, <u32>copy);
      store<u64>(slot + RUN + RUN_POSITION, position);
      return 16;
    }`,
      ),
      /damaged|had \d records|Livelock/,
    ],
    [
      "the producer announces less than it writes",
      { ...withTap(RingKind.spsc), splitPlain: true },
      at(
        "claims",
        "store<u64>(ring + CLAIM, <u64>(<u32>((start + <u64>bytes) >> 3))",
        "store<u64>(ring + CLAIM, <u64>(<u32>(start >> 3))",
      ),
      /damaged/,
    ],
    [
      "a claim that is given up isn't published",
      twoProducers,
      at("frames", "  publish(ring, producer, start, end, next);\n}", "}"),
      /Livelock|Deadlock|had \d records/,
    ],
    [
      "the gate isn't asked",
      onlyProducer,
      at("frames", "if (freeBytes(ring, producer, start, all) < <u64>all) return 0;\n    claimAlone", "claimAlone"),
      /damaged|had \d records|Livelock/,
    ],
    [
      "nobody clears up",
      ended("endsAndIsCleared", 0),
      at(
        "claims",
        "  if ((word & TRYING) == 0) return ORPHAN_OPEN;\n",
        "  if ((word & TRYING) == 0) return ORPHAN_NONE;\n",
      ),
      /Livelock|Deadlock/,
    ],
  ];

  bugs.push([
    "a claim behind that is not yet said to be one isn't seen",
    ended("endsWhileTrying", 0, 1),
    at("claims", "if ((other & NO_CLAIM) == 0 && (other", "if ((other & (NO_CLAIM | TRYING)) == 0 && (other"),
    /damaged|Livelock|Deadlock|had \d records/,
  ]);
  bugs.push([
    "who had the claim and went on isn't noticed",
    ended("endsWhileTrying", 0, 0),
    at("claims", "  if (published(ring) > start) return ORPHAN_NONE;\n  // Its", "  // Its"),
    /damaged|Livelock|Deadlock|had \d records/,
  ]);
  bugs.push([
    "a claim that was only tried is taken for one",
    ended("endsWhileTrying", 0, 0),
    at("claims", "    if (other == start) return ORPHAN_NONE;\n", ""),
    /damaged|Livelock|Deadlock|had \d records/,
  ]);

  test.each(bugs)("%s", async (_, options, plant, message) => {
    await expect(run(options, plant)).rejects.toThrow(message);
  });
});
