/**
 * The deduplicator with a million live ids: new ids and ids that are there, in batches and one at a time, against what one would
 * take otherwise, a `Map` from the id as a string to its time. One operation of the batch lines is 1,024 ids. Last, the bytes
 * that the heap of V8 grows by per id.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Arena } from "@esc/arena";
import { bench, do_not_optimize, run, summary } from "mitata";
import { Deduplicator } from "../src/index.ts";

const LIVE = 1_000_000;
const BATCH = 1_024;
/** A batch a ms: so many ms are a million ids. */
const WINDOW_MS = Math.ceil(LIVE / BATCH);
const BATCHES = 4_096;

const options = { capacity: LIVE + 2 * BATCH, windowMs: WINDOW_MS };
const arena = Arena.create({ bytes: Deduplicator.bytesFor(options) });
const dedup = Deduplicator.create(arena, "bench", options);
const flags = new Uint8Array(BATCH);

// Ids without a pattern, as UUIDs of version 4 are: a counter, mixed (the finalizer of MurmurHash3).
const words = new Uint32Array(BATCHES * BATCH * 4);
for (let i = 0; i < words.length; i++) {
  const a = Math.imul(i ^ (i >>> 16), 0x85ebca6b);
  const b = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  words[i] = b ^ (b >>> 16);
}
const batches = Array.from({ length: BATCHES }, (_, i) => new Uint8Array(words.buffer, i * BATCH * 16, BATCH * 16));

let nowMs = 1_700_000_000_000;
let next = 0;
/** The next ids. A batch that comes round again has left the window long ago, so its ids are new. */
function nextBatch(): Uint8Array {
  nowMs++;
  next = (next + 1) % BATCHES;
  return batches[next] as Uint8Array;
}

function insertBatch(): number {
  return dedup.checkAndInsertMany(nextBatch(), nowMs, flags);
}

/** A batch of the last million, another one each time. */
let turn = 0;
function liveBatch(): Uint8Array {
  turn = (turn + 331) % (WINDOW_MS - 2);
  return batches[(next - turn + BATCHES) % BATCHES] as Uint8Array;
}

function findBatch(): number {
  return dedup.hasMany(liveBatch(), nowMs, flags);
}

let single: Uint8Array = new Uint8Array(0);
let at = BATCH;
const oneId = new Uint8Array(16);
function nextSingle(batch: () => Uint8Array): Uint8Array {
  if (at === BATCH) {
    single = batch();
    at = 0;
  }
  for (let i = 0; i < 16; i++) oneId[i] = single[at * 16 + i] as number;
  at++;
  return oneId;
}

const insertOne = (): boolean => dedup.checkAndInsert(nextSingle(nextBatch), nowMs);
const findOne = (): boolean => dedup.has(nextSingle(liveBatch), nowMs);

const map = new Map<string, number>();
const order: string[] = [];
let oldest = 0;
/** The peer: the window as a queue, so that what is out of it is deleted; ids as strings, since a Map compares buffers by identity. */
function insertIntoMap(): boolean {
  const key = Buffer.from(nextSingle(nextBatch)).toString("latin1");
  const isNew = !map.has(key);
  if (isNew) {
    map.set(key, nowMs);
    order.push(key);
    if (map.size > LIVE) map.delete(order[oldest++] as string);
  }
  return isNew;
}

for (let i = 0; i < WINDOW_MS; i++) insertBatch();
summary(() => {
  bench("@esc/queues, 1,024 new ids in a batch", () => do_not_optimize(insertBatch())).baseline(true);
});
summary(() => {
  bench("@esc/queues, 1,024 lookups of live ids in a batch", () => do_not_optimize(findBatch())).baseline(true);
});
summary(() => {
  bench("@esc/queues, a new id", () => do_not_optimize(insertOne())).baseline(true);
  bench("Map of strings, a new id", () => do_not_optimize(insertIntoMap()));
});
bench("@esc/queues, a lookup of a live id", () => do_not_optimize(findOne()));
await run();

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
function heapBytesPer(run: () => unknown, times: number, ids: number): string {
  for (let i = 0; i < times; i++) run();
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < times; i++) run();
  return `${Math.max(0, (process.memoryUsage().heapUsed - before) / times / ids).toFixed(3)} bytes of heap per id`;
}
console.log(`\ncheckAndInsertMany ${heapBytesPer(insertBatch, 2_000, BATCH)}`);
console.log(`hasMany            ${heapBytesPer(findBatch, 2_000, BATCH)}`);
console.log(`checkAndInsert     ${heapBytesPer(insertOne, 2_000_000, 1)}`);
console.log(`has                ${heapBytesPer(findOne, 2_000_000, 1)}`);
const { inserts, forgottenEarly, effectiveWindowMs } = dedup.statistics(nowMs);
console.log(
  `${inserts} inserts, ${forgottenEarly} forgotten early, effective window ${effectiveWindowMs} of ${WINDOW_MS} ms`,
);
console.log(`${dedup.liveIds(nowMs)} live ids in ${Deduplicator.bytesFor(options)} bytes`);
