import { Arena, BytesView } from "@esc/arena";
import type { EscError } from "@esc/events";
import { expect, test } from "vitest";
import { BlockPool, type BlockPoolOptions } from "./index.ts";

function poolOf(options: Partial<BlockPoolOptions> = {}, arena = Arena.create({ bytes: 1 << 20 })) {
  const pool = BlockPool.create(arena, "p", { blockBytes: 16, slabBlocks: 4, maxBlocks: 10, ...options });
  return { arena, pool, view: new BytesView(arena) };
}

function codeOf(mistake: () => unknown): string {
  try {
    mistake();
  } catch (error) {
    return (error as EscError).code;
  }
  return "no error";
}

test("every block is handed out once, then the pool is full, and what is released can be had again", () => {
  const { pool } = poolOf();
  const handles = Array.from({ length: 10 }, () => pool.acquire());
  expect(new Set(handles).size).toBe(10);
  expect(pool.acquire()).toBe(-1);
  pool.release(handles[3] as number);
  expect(pool.acquire()).toBeGreaterThan(0);
  expect(pool.acquire()).toBe(-1);
});

test("a handle is a small integer, and is another one each time its block is handed out", () => {
  const { pool } = poolOf({ maxBlocks: 1, slabBlocks: 1 });
  const seen = new Set<number>();
  for (let i = 0; i < 1_000; i++) {
    const handle = pool.acquire();
    expect(handle).toBeGreaterThan(0);
    expect(handle | 0).toBe(handle);
    seen.add(handle);
    pool.release(handle);
  }
  expect(seen.size).toBe(1_000);
});

test("generations wrap around after 2^31 / blocks / 16 uses, and the pool goes on", () => {
  const { pool } = poolOf({ maxBlocks: 1 << 20, slabBlocks: 1, blockBytes: 8 }, Arena.create({ bytes: 1 << 24 }));
  const first = pool.acquire();
  pool.release(first);
  let uses = 1;
  for (; uses < 1_000; uses++) {
    const handle = pool.acquire();
    if (handle === first) break;
    pool.release(handle);
  }
  expect(uses).toBe(128);
});

test("a block's bytes are its own: each view covers the block and no byte more", () => {
  const { pool, view } = poolOf({ blockBytes: 13 });
  const handles = Array.from({ length: 10 }, () => pool.acquire());
  for (const [i, handle] of handles.entries()) pool.view(handle, view).set(new Uint8Array(13).fill(i + 1));
  for (const [i, handle] of handles.entries()) {
    expect(pool.view(handle, view).copy()).toEqual(new Uint8Array(13).fill(i + 1));
    expect(() => view.getUint8(13)).toThrow(/not within/);
  }
});

test("the pool grows by slabs, and begins one when the one before is used up", () => {
  const { pool } = poolOf({ magazineBlocks: 0 });
  const growths = Array.from({ length: 10 }, () => {
    pool.acquire();
    return [pool.stats().growths, pool.stats().committedBlocks];
  });
  expect(growths.map(([growth]) => growth)).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
  expect(growths.at(-1)).toEqual([3, 10]);
});

test("blocks in use before go first: a pool that breathes doesn't grow", () => {
  const { pool } = poolOf({ maxBlocks: 1_000, slabBlocks: 8, magazineBlocks: 4 });
  for (let round = 0; round < 100; round++) {
    const handles = Array.from({ length: 8 }, () => pool.acquire());
    for (const handle of handles) pool.release(handle);
  }
  expect(pool.stats()).toMatchObject({ growths: 1, committedBlocks: 8, highWaterBlocks: 8, outBlocks: 0 });
});

test("the figures tell what happened", () => {
  const { pool } = poolOf({ maxBlocks: 6, slabBlocks: 6, magazineBlocks: 4 });
  const handles = Array.from({ length: 6 }, () => pool.acquire()); // three refills of two
  pool.acquire(); // fails
  pool.release(handles[0] as number);
  expect(pool.stats()).toEqual({
    maxBlocks: 6,
    committedBlocks: 6,
    outBlocks: 5,
    freeBlocks: 1,
    magazineBlocks: 1,
    highWaterBlocks: 6,
    growths: 1,
    magazineHits: 4,
    magazineMisses: 3,
    failures: 1,
  });
});

test("half a magazine at a time goes to the shared list, where another thread finds it", () => {
  const { arena, pool } = poolOf({ maxBlocks: 8, slabBlocks: 8, magazineBlocks: 4 });
  const other = BlockPool.attach(arena, "p");
  const handles = Array.from({ length: 8 }, () => pool.acquire());
  for (const handle of handles.slice(0, 4)) pool.release(handle);
  expect(other.acquire()).toBe(-1); // all four lie in the magazine
  pool.release(handles[4] as number);
  expect(pool.threads().map((thread) => thread.magazineBlocks)).toEqual([3, 0]);
  expect(other.acquire()).toBeGreaterThan(0);
});

test("batches get what there is, and say how much", () => {
  const { pool } = poolOf({ magazineBlocks: 3 });
  const handles: number[] = [];
  expect(pool.acquireMany(handles, 7)).toBe(7);
  expect(pool.acquireMany(handles, 7)).toBe(3);
  expect(handles.length).toBe(7);
  expect(pool.stats()).toMatchObject({ outBlocks: 10, failures: 1 });
  pool.releaseMany(handles, 3);
  expect(pool.stats().outBlocks).toBe(7);
  expect(pool.acquireMany(handles, 0)).toBe(0);
});

test("a batch with a bad handle gives back what comes before it, and names it", () => {
  const { pool } = poolOf();
  const handles: number[] = [];
  pool.acquireMany(handles, 4);
  expect(() => pool.releaseMany([handles[0] as number, handles[1] as number, 12, handles[2] as number], 4)).toThrow(
    "12",
  );
  expect(pool.stats().outBlocks).toBe(2);
});

test.each([-1, 0, 1, 2 ** 31 - 1, Number.NaN, undefined as never, null as never, "x" as never])(
  "%s is not a handle, which costs nothing to see",
  (handle) => {
    const { pool, view } = poolOf({ maxBlocks: 16 });
    expect(codeOf(() => pool.release(handle))).toBe("ESC_POOL_FOREIGN_HANDLE");
    expect(codeOf(() => pool.releaseMany([handle], 1))).toBe("ESC_POOL_FOREIGN_HANDLE");
    expect(codeOf(() => pool.view(handle, view))).toBe("ESC_POOL_FOREIGN_HANDLE");
  },
);

test("the handles of 14 pools in an arena are told apart", () => {
  const arena = Arena.create({ bytes: 1 << 20 });
  const pools = Array.from({ length: 14 }, (_, i) =>
    BlockPool.create(arena, `${i}`, { blockBytes: 8, slabBlocks: 8, maxBlocks: 8 }),
  );
  for (const owner of pools) {
    const handle = owner.acquire();
    for (const pool of pools)
      if (pool !== owner) expect(codeOf(() => pool.release(handle))).toBe("ESC_POOL_FOREIGN_HANDLE");
    owner.release(handle);
  }
});

test("a block released twice in a row is noticed without debug mode, one by one and in a batch", () => {
  const { pool } = poolOf({ magazineBlocks: 4 });
  const [a, b] = [pool.acquire(), pool.acquire()];
  pool.release(a);
  expect(codeOf(() => pool.release(a))).toBe("ESC_POOL_DOUBLE_RELEASE");
  expect(codeOf(() => pool.releaseMany([b, b], 2))).toBe("ESC_POOL_DOUBLE_RELEASE");
  expect(pool.stats().outBlocks).toBe(0);
});

test("dispose gives the magazine back and frees the place; the blocks that are out stay out", () => {
  const { arena, pool, view } = poolOf({ maxBlocks: 8, slabBlocks: 8, magazineBlocks: 4, maxThreads: 2 });
  const other = BlockPool.attach(arena, "p");
  expect(codeOf(() => BlockPool.attach(arena, "p"))).toBe("ESC_POOL_THREADS");
  const kept = other.acquire();
  other[Symbol.dispose]();
  other[Symbol.dispose]();
  expect(pool.threads()).toHaveLength(1);
  expect(Array.from({ length: 8 }, () => pool.acquire()).filter((handle) => handle > 0)).toHaveLength(7);
  pool.release(kept);
  for (const use of [
    () => other.acquire(),
    () => other.acquireMany([], 1),
    () => other.release(kept),
    () => other.releaseMany([kept], 1),
    () => other.view(kept, view),
    () => other.reclaim(12_345),
  ]) {
    expect(codeOf(use)).toBe("ESC_POOL_DISPOSED");
  }
  BlockPool.attach(arena, "p");
});

test("a thread reclaims from others only, and a thread that has nothing gives nothing", () => {
  const { pool } = poolOf();
  const own = pool.threads()[0]?.threadId as number;
  expect(codeOf(() => pool.reclaim(own))).toBe("ESC_POOL_THREAD");
  expect(pool.reclaim(987_654)).toBe(0);
});

test.each([
  ["ESC_POOL_OPTIONS", () => poolOf({ blockBytes: 0 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ blockBytes: 2 ** 25 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ slabBlocks: 11 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ maxBlocks: 2 ** 20 + 1 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ maxBlocks: 1.5 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ maxThreads: 65 })],
  ["ESC_POOL_OPTIONS", () => poolOf({ magazineBlocks: -1 })],
  ["ESC_POOL_NO_LEDGER", () => poolOf().pool.outstanding()],
  ["ESC_ARENA_EXHAUSTED", () => poolOf({ blockBytes: 2 ** 20 })],
  ["ESC_ARENA_REGION_UNKNOWN", () => BlockPool.attach(Arena.create({ bytes: 1 }), "nobody")],
  ["ESC_ARENA_REGION_EXISTS", () => poolOf({}, poolOf().arena)],
])("a caller's mistake has the code %s", (code, mistake) => {
  expect(codeOf(mistake)).toBe(code);
});

test("a pool that is still being created can't be attached to", () => {
  const arena = Arena.create({ bytes: 1_000 });
  arena.allocate("pool.p", 512);
  expect(codeOf(() => BlockPool.attach(arena, "p"))).toBe("ESC_POOL_NOT_READY");
});

test("a pool fits into the bytes that bytesFor names", () => {
  const options = { blockBytes: 100, slabBlocks: 10, maxBlocks: 999, debug: true };
  const arena = Arena.create({ bytes: BlockPool.bytesFor(options) });
  const pool = BlockPool.create(arena, "p", options);
  const handles: number[] = [];
  expect(pool.acquireMany(handles, 1_000)).toBe(999);
  const view = new BytesView(arena);
  for (const handle of handles) pool.view(handle, view).set(new Uint8Array(100).fill(255));
});

test("blocks may lie beyond 2 GiB: addresses are unsigned", () => {
  const arena = Arena.create({ bytes: 3 * 2 ** 30 });
  arena.allocate("before", 2 ** 31);
  const { pool, view } = poolOf({ debug: true, magazineBlocks: 2 }, arena);
  const handles: number[] = [];
  expect(pool.acquireMany(handles, 10)).toBe(10);
  for (const [i, handle] of handles.entries()) pool.view(handle, view).setUint32(12, i);
  expect(handles.map((handle) => pool.view(handle, view).getUint32(12))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  pool.releaseMany(handles, 10);
  expect(pool.stats().outBlocks).toBe(0);
});
