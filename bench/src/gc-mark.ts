/**
 * Imported into every thread of a process that runs under `--expose-gc --trace-gc` (`node --import`): V8's lines name an
 * isolate by its address and nothing tells whose it is. So each thread forces one collection as it begins, one thread at a
 * time, and writes its name down: the forced ones, which V8 marks as such, stand in the same order.
 */
import { appendFileSync } from "node:fs";
import { getEnvironmentData, isMainThread, setEnvironmentData, threadName } from "node:worker_threads";

const KEY = "gc-mark";
if (isMainThread) setEnvironmentData(KEY, new Int32Array(new SharedArrayBuffer(4)));
const turn = getEnvironmentData(KEY) as unknown as Int32Array<SharedArrayBuffer>;
while (Atomics.compareExchange(turn, 0, 0, 1) !== 0) Atomics.wait(turn, 0, 1, 100);
(globalThis as { gc?: (options: object) => void }).gc?.({ type: "major", execution: "sync" });
const name = isMainThread ? "main" : threadName;
appendFileSync(process.env.BENCH_GC_MARKS as string, `${performance.timeOrigin + performance.now()} ${name}\n`);
Atomics.store(turn, 0, 0);
Atomics.notify(turn, 0, 1);
