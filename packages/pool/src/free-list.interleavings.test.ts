import { type ExploreOptions, explore, type ModelView, type Plant } from "@esc/tooling/explore";
import { expect, test } from "vitest";

/** Offsets of `assembly/model/free-list.ts`. */
const HEAD = 128;
const FRESH = 256;
const LINKS = 264;
const FOUND_EMPTY = 296;
const SLOTS = 304;
const SLOT = 96;
const COUNT = 4;
const MAGAZINE = 64;
const BLOCKS = 3;
const NONE = 0xffffffff;

function stage(threads: ExploreOptions["threads"]): ExploreOptions {
  return {
    model: new URL("../assembly/model/free-list.ts", import.meta.url),
    memoryBytes: SLOTS + 3 * SLOT,
    threads,
    // Links are stored plainly: they may reach the others late, and a walk along them is a step for each.
    buffered: [HEAD, FRESH + 24],
    splitPlain: [LINKS, LINKS + 16],
    checkEnd: (view) => {
      const places = [...listed(view), ...magazines(view, threads.length), ...fresh(view)].sort();
      expect(places, "each block is in one place").toEqual([0, 1, 2]);
    },
  };
}

function listed(view: ModelView): number[] {
  const blocks: number[] = [];
  for (let block = view.getUint32(HEAD, true); block !== NONE; block = view.getUint32(LINKS + 4 * block, true)) {
    blocks.push(block);
    if (blocks.length > BLOCKS) throw new Error("the list has a cycle");
  }
  return blocks;
}

function magazines(view: ModelView, threads: number): number[] {
  const blocks: number[] = [];
  for (let thread = 0; thread < threads; thread++) {
    const slot = SLOTS + thread * SLOT;
    for (let i = 0; i < view.getUint32(slot + COUNT, true); i++)
      blocks.push(view.getUint32(slot + MAGAZINE + 4 * i, true));
  }
  return blocks;
}

function fresh(view: ModelView): number[] {
  const from = view.getUint32(FRESH, true);
  return Array.from({ length: BLOCKS - from }, (_, i) => from + i);
}

/** `turnOver` of a thread: rounds, blocks it wants in each, blocks it gives back in each. */
type Turns = readonly [rounds: number, want: number, returned: number];

function turns(...all: readonly Turns[]): ExploreOptions {
  return stage(all.map((turn, thread) => ["turnOver", thread, ...turn] as const));
}

test.each<[string, readonly Turns[]]>([
  [
    "two threads move one block at a time",
    [
      [4, 1, 1],
      [4, 1, 1],
    ],
  ],
  [
    "two threads move two, and keep some",
    [
      [3, 2, 2],
      [3, 2, 1],
    ],
  ],
  [
    "one at a time beside two at a time",
    [
      [3, 1, 1],
      [3, 2, 1],
    ],
  ],
  [
    "three threads, all three blocks wanted at once",
    [
      [2, 2, 2],
      [1, 2, 1],
      [1, 3, 3],
    ],
  ],
  [
    "three threads, one keeps what it took",
    [
      [2, 1, 1],
      [2, 2, 1],
      [1, 1, 0],
    ],
  ],
  [
    "three threads, one grows the pool while the others give back",
    [
      [2, 1, 1],
      [2, 1, 1],
      [1, 2, 0],
    ],
  ],
])("%s: in every interleaving each block has one owner, and at the end one place", async (_, all) => {
  const { states } = await explore(turns(...all));
  expect(states).toBeGreaterThan(5_000);
});

test("three threads, one block each, three blocks: none ever finds the pool empty", async () => {
  const options = turns([2, 1, 1], [2, 1, 1], [1, 1, 1]);
  const { states } = await explore({
    ...options,
    checkEnd: (view) => expect(view.getUint32(FOUND_EMPTY, true)).toBe(0),
  });
  expect(states).toBeGreaterThan(5_000);
});

const SWAP_IN_TAKE = "if (atomic.cmpxchg<u64>(pool + HEAD, head, headAfter(head, handle)) == head) {";
const SWAP_IN_GIVE = "if (atomic.cmpxchg<u64>(pool + HEAD, head, headAfter(head, top)) == head) {";
const LINK_IN_GIVE = "store<u32>(linkOf(pool, last), <u32>head);";

test.each<[string, Omit<Plant, "file">]>([
  ["a head without a tag (ABA)", { from: "(((head >> 32) + 1) << 32) | <u64>top", to: "<u64>top" }],
  [
    "a take that loads the head it expects after it has read the links",
    {
      from: SWAP_IN_TAKE,
      to: `const now = atomic.load<u64>(pool + HEAD);
           if (atomic.cmpxchg<u64>(pool + HEAD, now, headAfter(now, handle)) == now) {`,
    },
  ],
  [
    "a give that links its last block after the swap",
    { from: `${LINK_IN_GIVE}\n    ${SWAP_IN_GIVE}`, to: `${SWAP_IN_GIVE}\n      ${LINK_IN_GIVE}` },
  ],
  [
    "a give that compares and stores in two steps",
    {
      from: SWAP_IN_GIVE,
      to: `if (atomic.load<u64>(pool + HEAD) == head) {
             atomic.store<u64>(pool + HEAD, headAfter(head, top));`,
    },
  ],
  [
    "a give that stores the head plainly",
    {
      from: SWAP_IN_GIVE,
      to: `if (atomic.load<u64>(pool + HEAD) == head) {
             store<u64>(pool + HEAD, headAfter(head, top));`,
    },
  ],
  [
    "a take that stores the head plainly",
    {
      from: SWAP_IN_TAKE,
      to: `if (atomic.load<u64>(pool + HEAD) == head) {
             store<u64>(pool + HEAD, headAfter(head, handle));`,
    },
  ],
  [
    "a pool that grows by a load and a store",
    {
      from: "if (atomic.cmpxchg<u32>(pool + FRESH, fresh, last) == fresh) {",
      to: `atomic.store<u32>(pool + FRESH, last);
           if (last > 0) {`,
    },
  ],
])("the explorer finds: %s", async (_, plant) => {
  const options = turns([2, 1, 1], [2, 2, 1], [1, 1, 0]);
  const planted = explore({ ...options, plant: { file: "assembly/free-list.ts", ...plant } });
  // A block given to two stops the model (trap); a block in two places or in none is seen at the end.
  await expect(planted).rejects.toMatchObject({ code: expect.stringMatching(/^ESC_EXPLORE_(VIOLATION|TRAP)$/) });
});
