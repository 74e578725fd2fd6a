/**
 * Acquire and release: one thread beside the ways one would go without a pool, two threads at once, and the heap's
 * growth. Run with --expose-gc.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena, BytesView } from "@esc/arena";
import { bench, do_not_optimize, run, summary } from "mitata";
import { BlockPool } from "../src/index.ts";

const BLOCK_BYTES = 1_024;
const SIZES = { blockBytes: BLOCK_BYTES, slabBlocks: 1_024, maxBlocks: 16_384 };
const BATCH = 64;

const arena = Arena.create({ bytes: 1 << 26 });
const pool = BlockPool.create(arena, "magazines", SIZES);
const bare = BlockPool.create(arena, "no magazines", { ...SIZES, magazineBlocks: 0 });
const handles = new Array<number>(BATCH).fill(0);
const view = new BytesView(arena);
const freeList = Array.from({ length: 1_024 }, (_, i) => i);

summary(() => {
  bench("@esc/pool acquire + release", () => {
    const handle = pool.acquire();
    do_not_optimize(handle);
    pool.release(handle);
  }).baseline(true);
  bench("@esc/pool acquire + view + write 4 bytes + release", () => {
    const handle = pool.acquire();
    pool.view(handle, view).setUint32(0, 1);
    pool.release(handle);
  });
  bench("@esc/pool without magazines: the shared list each time", () => {
    const handle = bare.acquire();
    do_not_optimize(handle);
    bare.release(handle);
  });
  bench("array.pop() + array.push(), one thread only", () => {
    const handle = freeList.pop() as number;
    do_not_optimize(handle);
    freeList.push(handle);
  });
  bench("Buffer.allocUnsafe(1024), one thread only", () => do_not_optimize(Buffer.allocUnsafe(BLOCK_BYTES)));
});
summary(() => {
  bench(`@esc/pool acquireMany + releaseMany, ${BATCH} at a time`, () => {
    pool.releaseMany(handles, pool.acquireMany(handles, BATCH));
  }).baseline(true);
  bench(`@esc/pool acquire × ${BATCH}, release × ${BATCH}`, () => {
    for (let i = 0; i < BATCH; i++) handles[i] = pool.acquire();
    for (let i = 0; i < BATCH; i++) pool.release(handles[i] as number);
  });
});
await run();

const PAIRS = 20_000_000;
for (let round = 0; round < 5; round++) pairs(pool, PAIRS / 10); // compiled by now
const rounds = Array.from({ length: 5 }, () => millionsPerSecond(PAIRS, () => pairs(pool, PAIRS)));
console.log(`one thread, a loop of ${PAIRS} pairs: ${spread(rounds)} million pairs/s`);
const N = 10_000_000;
const nothing = heapGrowth(() => {});
const byOne = heapGrowth(() => pairs(pool, N));
const byBatch = heapGrowth(() => batches(pool, N));
console.log(`  heap after ${N} pairs: ${byOne} bytes more, ${(byOne / N).toFixed(3)} a pair`);
console.log(`  heap after ${N} pairs, ${BATCH} at a time: ${byBatch} bytes more, ${(byBatch / N).toFixed(3)} a pair`);
console.log(`  heap after nothing, measured alike: ${nothing} bytes more`);

for (const [name, what] of [
  ["magazines", "each its own blocks"],
  ["no magazines", "each its own blocks, no magazines"],
] as const) {
  const results: number[] = [];
  for (let round = 0; round < 5; round++) results.push(await twoThreads(name, "pairs", 10_000_000));
  console.log(`two threads, ${what}: ${spread(results)} million pairs/s together`);
}
const results: number[] = [];
for (let round = 0; round < 5; round++) results.push(await twoThreads("magazines", "handOver", 10_000_000));
console.log(
  `two threads, one acquires and the other releases, ${BATCH} at a time: ${spread(results)} million blocks/s`,
);

function pairs(from: BlockPool, count: number): void {
  for (let i = 0; i < count; i++) from.release(from.acquire());
}

function batches(from: BlockPool, count: number): void {
  for (let i = 0; i < count; i += BATCH) from.releaseMany(handles, from.acquireMany(handles, BATCH));
}

function millionsPerSecond(count: number, work: () => void): number {
  const start = performance.now();
  work();
  return count / (performance.now() - start) / 1_000;
}

function heapGrowth(work: () => void): number {
  const gc = globalThis.gc;
  if (gc === undefined) throw new Error("run with --expose-gc");
  work(); // whatever is allocated once is there after this
  gc();
  const before = process.memoryUsage().heapUsed;
  work();
  const after = process.memoryUsage().heapUsed; // no collection before: garbage would be seen
  return after - before;
}

/** Two threads begin together; from the first one's begin to the last one's end. */
async function twoThreads(name: string, mode: "pairs" | "handOver", count: number): Promise<number> {
  const shared = { start: new SharedArrayBuffer(8), ring: new SharedArrayBuffer(4 * (2 + 4_096)) };
  const workers = [0, 1].map(
    (side) =>
      new Worker(new URL("./pool-thread.ts", import.meta.url), {
        workerData: { handle: arena.handle, name, mode, side, count, batch: BATCH, ...shared },
      }),
  );
  const exits = workers.map((worker) => once(worker, "exit"));
  const times = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0] as [number, number]),
  );
  await Promise.all(exits);
  const nanoseconds = Math.max(...times.map(([, end]) => end)) - Math.min(...times.map(([begin]) => begin));
  return ((mode === "pairs" ? 2 * count : count) / nanoseconds) * 1_000;
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, median, high] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((value) => value?.toFixed(0));
  return `${median} (${low}–${high})`;
}
