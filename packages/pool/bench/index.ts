/**
 * Acquire and release: one thread beside the ways one would go without a pool, two threads at once, and the heap's
 * growth. Run with --expose-gc.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena, BytesView } from "@esc/arena";
import { bench, do_not_optimize, run, summary } from "mitata";
import { BlockPool } from "../src/index.ts";
import type { ThreadTimes } from "./pool-thread.ts";

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
for (const n of [0, N / 10, N]) {
  const byOne = heapGrowth(() => pairs(pool, n));
  const byBatch = heapGrowth(() => batches(pool, n));
  console.log(`  heap after ${n} pairs: ${byOne} bytes more; ${BATCH} at a time: ${byBatch}`);
}

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

/** By the thread's CPU time: what other processes take of the machine isn't counted. */
function millionsPerSecond(count: number, work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return count / (user + system);
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

/**
 * Two threads begin together. Pairs by each thread's CPU time, added up; what they wait for each other's lines is in it. A
 * hand-over by the clock, from the first one's begin to the last one's end.
 */
async function twoThreads(name: string, mode: "pairs" | "handOver", count: number): Promise<number> {
  const shared = { start: new SharedArrayBuffer(8), ring: new SharedArrayBuffer(4 * (2 + 4_096)) };
  const workers = [0, 1].map(
    (side) =>
      new Worker(new URL("./pool-thread.ts", import.meta.url), {
        workerData: { handle: arena.handle, name, mode, side, count, batch: BATCH, ...shared },
      }),
  );
  const exits = workers.map((worker) => once(worker, "exit"));
  const times: ThreadTimes[] = await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]));
  await Promise.all(exits);
  if (mode === "pairs") return times.reduce((sum, { cpuMicroseconds }) => sum + count / cpuMicroseconds, 0);
  return (
    count / (Math.max(...times.map(({ endMs }) => endMs)) - Math.min(...times.map(({ beginMs }) => beginMs))) / 1_000
  );
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, median, high] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((value) => value?.toFixed(0));
  return `${median} (${low}–${high})`;
}
