/** One of two threads of the bench: pairs of its own, or one half of a hand-over through a small ring of handles. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { BlockPool } from "../src/index.ts";

interface PoolThread {
  readonly handle: ArenaHandle;
  readonly name: string;
  readonly mode: "pairs" | "handOver";
  readonly side: number;
  readonly count: number;
  readonly batch: number;
  readonly start: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
}

export interface ThreadTimes {
  /** By the clock, ms since the epoch. */
  readonly beginMs: number;
  readonly endMs: number;
  readonly cpuMicroseconds: number;
}

const { handle, name, mode, side, count, batch, start, ring } = workerData as PoolThread;
const pool = BlockPool.attach(Arena.attach(handle), name);
const waiting = new Int32Array(start);
const [WRITTEN, READ, SLOTS] = [0, 1, 2];
const words = new Int32Array(ring);
const capacity = words.length - SLOTS;
const handles = new Array<number>(batch).fill(0);

for (let round = 0; round < 5; round++) pairs(count / 20); // compiled by now
Atomics.add(waiting, 0, 1);
while (Atomics.load(waiting, 0) < 2) Atomics.pause();
const beginMs = performance.timeOrigin + performance.now();
const cpu = process.threadCpuUsage();
if (mode === "pairs") pairs(count);
else if (side === 0) send(count);
else receive(count);
const { user, system } = process.threadCpuUsage(cpu);
const times: ThreadTimes = {
  beginMs,
  endMs: performance.timeOrigin + performance.now(),
  cpuMicroseconds: user + system,
};
parentPort?.postMessage(times);
pool[Symbol.dispose]();

function pairs(n: number): void {
  for (let i = 0; i < n; i++) pool.release(pool.acquire());
}

function send(n: number): void {
  for (let sent = 0; sent < n; sent += batch) {
    if (pool.acquireMany(handles, batch) < batch) throw new Error("the pool is smaller than the ring");
    while (sent + batch - Atomics.load(words, READ) > capacity) Atomics.pause();
    for (let i = 0; i < batch; i++) words[SLOTS + ((sent + i) % capacity)] = handles[i] as number;
    Atomics.store(words, WRITTEN, sent + batch);
  }
}

function receive(n: number): void {
  for (let received = 0; received < n; received += batch) {
    while (Atomics.load(words, WRITTEN) === received) Atomics.pause();
    for (let i = 0; i < batch; i++) handles[i] = words[SLOTS + ((received + i) % capacity)] as number;
    Atomics.store(words, READ, received + batch);
    pool.releaseMany(handles, batch);
  }
}
