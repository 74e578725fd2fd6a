import { type ExploreOptions, explore, type ModelView, type Plant } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";

/** `assembly/model/publication.ts`: producers of one ring, run in every order of their atomic steps. */
const RECORD = 40;
const DATA = 5888;
const PUBLISHED = 256;
const NEXT_SEQUENCE = 264;
/** The published position, and the producers' slots: where a plain store instead of an atomic one would do harm. */
const buffered = [
  [256, 272],
  [768, 2816],
] as const;

function options(threads: ExploreOptions["threads"], records: number, plant?: Plant): ExploreOptions {
  return {
    model: new URL("../assembly/model/publication.ts", import.meta.url),
    memoryBytes: 24_576,
    threads,
    buffered,
    plant,
    check,
    checkEnd: (view) => {
      const left = records - view.getNumber64(PUBLISHED) / RECORD;
      if (left !== 0) throw new Error(`${left} claims were never published`);
      const next = view.getNumber64(NEXT_SEQUENCE);
      if (next !== records + 1) throw new Error(`the next sequence is ${next} after ${records} records`);
    },
  };
}

/** What is published is complete, in order, and without a gap. */
function check(view: ModelView): void {
  const published = view.getNumber64(PUBLISHED);
  for (let at = 0; at < published; at += RECORD) {
    const record = DATA + at;
    const whole =
      view.getUint32(record) === RECORD &&
      view.getNumber64(record + 8) === at / RECORD + 1 &&
      view.getUint8(record + 32) >= 0xa0;
    if (!whole) throw new Error(`the record at ${at} is published and not complete`);
  }
}

const twoProducers = (plant?: Plant) =>
  options(
    [
      ["producer", 0, 2],
      ["producer", 1, 2],
    ],
    4,
    plant,
  );
const threePublishers = (plant?: Plant) =>
  options(
    [
      ["publisher", 0],
      ["publisher", 1],
      ["publisher", 2],
    ],
    3,
    plant,
  );

test("two producers, two records each: every claim is published once it is filled, in order, in every interleaving", async () => {
  expect((await explore(twoProducers())).states).toBeGreaterThan(1_000);
});

test("two producers, three records each, so that they wait for one another's publication: the same", async () => {
  const { states } = await explore(
    options(
      [
        ["producer", 0, 3],
        ["producer", 1, 3],
      ],
      6,
    ),
  );
  expect(states).toBeGreaterThan(2_000);
});

test("three claims published by three threads in any order: the same", async () => {
  expect((await explore(threePublishers())).states).toBeGreaterThan(100_000);
});

describe("the explorer finds the bug", () => {
  const ring = (from: string, to: string): Plant => ({ file: "assembly/claims.ts", from, to });
  const mark = `    store<u64>(slot + END, end);
    store<u64>(slot + NEXT_SEQUENCE, next);
    atomic.store<u64>(slot + START, start);
    atomic.store<i32>(slot + DONE, 1);
`;
  const bugs: [string, Plant, RegExp][] = [
    ["leaves without a look", ring("while (publishNext(ring)) {}", ""), /never published/],
    [
      "a helper stores instead of comparing and swapping",
      ring("atomic.cmpxchg<u64>(ring + PUBLISHED, position, to);", "atomic.store<u64>(ring + PUBLISHED, to);"),
      /never published/,
    ],
    [
      "done is marked before the end",
      ring(
        mark,
        `    atomic.store<u64>(slot + START, start);
    atomic.store<i32>(slot + DONE, 1);
    store<u64>(slot + END, end);
    store<u64>(slot + NEXT_SEQUENCE, next);
`,
      ),
      /never published|published and not complete/,
    ],
    [
      "done is marked by a plain store",
      ring("atomic.store<i32>(slot + DONE, 1);", "store<i32>(slot + DONE, 1);"),
      /never published/,
    ],
    [
      "the position is published by a plain store",
      ring("atomic.store<u64>(ring + PUBLISHED, end);\n  } else {", "store<u64>(ring + PUBLISHED, end);\n  } else {"),
      /never published|next sequence/,
    ],
    [
      "the position goes before the sequence",
      ring(
        `    atomic.store<u64>(ring + PUBLISHED_SEQUENCE, next);
    atomic.store<u64>(ring + PUBLISHED, end);
`,
        `    atomic.store<u64>(ring + PUBLISHED, end);
    atomic.store<u64>(ring + PUBLISHED_SEQUENCE, next);
`,
      ),
      /next sequence|not complete/,
    ],
    [
      "published before the payload is copied",
      {
        file: "assembly/append.ts",
        from: "    copyBytes(at, payload, payloadLength);\n",
        to: "    publish(ring, producer, tail, tail + bytes, sequence + 1);\n    copyBytes(at, payload, payloadLength);\n",
      },
      /published and not complete/,
    ],
    [
      "a claim is taken without a comparison",
      ring(
        "if (atomic.cmpxchg<u64>(ring + CLAIM, word, moved) != word) {",
        "atomic.store<u64>(ring + CLAIM, moved);\n  if (false) {",
      ),
      /never published|not complete|next sequence/,
    ],
  ];

  bugs.push([
    "a claim that is only tried says its sequence where helpers look",
    ring(
      "store<u64>(slot + OPEN_NEXT, next);\n  store<u32>(slot + COUNT",
      "store<u64>(slot + NEXT_SEQUENCE, next);\n  store<u32>(slot + COUNT",
    ),
    /published and not complete|next sequence/,
  ]);

  test.each(bugs)("%s", async (_, plant, message) => {
    await expect(explore(twoProducers(plant))).rejects.toThrow(message);
  });
});
