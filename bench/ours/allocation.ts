/**
 * Bytes that V8's heap grows by per operation, one JSON line each. Run with --expose-gc and a large young generation: after
 * a warm-up and a collection, as many operations as asked for (10,000,000), and no collection in between.
 */

import { PerformanceObserver } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { Arena, BytesView } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { BlockPool } from "@esc/pool";
import {
  BackoffWaitStrategy,
  BlockingWaitStrategy,
  BusySpinWaitStrategy,
  Deduplicator,
  MpmcSlots,
  MpscRing,
  MpscSlots,
  RecordRing,
  type RingProducer,
  type RingReader,
  SpscRing,
  SpscSlots,
} from "@esc/queues";
import type { Allocation } from "../src/allocation-table.ts";

const CAPACITY = 8_192;
const CAPACITY_BYTES = 1 << 20;
const BATCH = 64;

const arena = Arena.create({ bytes: 1 << 25 });

/** Does `count` of an operation, counted by the item where it is one of batches. */
type Operation = (count: number) => void;

function spscSlots(releaseEvery: number): Operation {
  const slots = SpscSlots.create(arena, `spsc ${releaseEvery}`, { capacity: CAPACITY });
  const producer = slots.producer();
  const consumer = slots.consumer({ releaseEvery });
  return (count) => {
    for (let i = 1; i <= count; i++) {
      // Not a small integer: a number that V8 would have to box if it were kept as an object.
      producer.push(i + 0.5);
      if (consumer.pop() !== i + 0.5) throw new Error("wrong result");
    }
  };
}

interface Batches {
  pushMany(values: Float64Array): number;
}

function slotBatches(producer: Batches, consumer: { popMany(target: Float64Array): number }): Operation {
  const values = new Float64Array(BATCH).fill(1.5);
  return (count) => {
    for (let i = 0; i < count; i += BATCH) {
      if (producer.pushMany(values) !== BATCH) throw new Error("wrong result");
      for (let popped = 0; popped < BATCH; ) popped += consumer.popMany(values);
    }
  };
}

function spscBatches(): Operation {
  const slots = SpscSlots.create(arena, "spsc batches", { capacity: CAPACITY });
  return slotBatches(slots.producer(), slots.consumer());
}

function mpscBatches(): Operation {
  const slots = MpscSlots.create(arena, "mpsc batches", { capacity: CAPACITY });
  return slotBatches(slots.producer(), slots.consumer());
}

function mpscSlots(): Operation {
  const slots = MpscSlots.create(arena, "mpsc", { capacity: CAPACITY });
  const producer = slots.producer();
  const consumer = slots.consumer();
  const values = new Float64Array(1);
  return (count) => {
    for (let i = 1; i <= count; i++) {
      producer.push(i + 0.5);
      if (consumer.popMany(values) !== 1 || values[0] !== i + 0.5) throw new Error("wrong result");
    }
  };
}

function mpmcSlots(): Operation {
  const slots = MpmcSlots.create(arena, "mpmc", { capacity: CAPACITY });
  return (count) => {
    for (let i = 1; i <= count; i++) {
      slots.push(i + 0.5);
      if (slots.pop() !== i + 0.5) throw new Error("wrong result");
    }
  };
}

function claims(producer: RingProducer, reader: RingReader, records: number): Operation {
  // An array: a number that a closure keeps would be boxed by the closure, not by the ring.
  const sum = new Float64Array(1);
  const handle = (record: BytesView) => {
    (sum[0] as number) += record.getFloat64(0);
  };
  return (count) => {
    for (let i = 0; i < count; i += records) {
      const claim = producer.claimMany(records, 64);
      if (claim === undefined) throw new Error("full");
      for (let k = 0; k < records; k++) claim.view(k).setFloat64(0, i + 0.5);
      claim.commit();
      for (let read = 0; read < records; ) read += reader.read(handle);
    }
    if (Number.isNaN(sum[0])) throw new Error("wrong result");
  };
}

function spscRing(records: number): Operation {
  const ring = SpscRing.create(arena, `spsc ring ${records}`, { capacityBytes: CAPACITY_BYTES });
  return claims(ring.producer(), ring.reader(), records);
}

function mpscRing(records: number): Operation {
  const ring = MpscRing.create(arena, `mpsc ring ${records}`, { capacityBytes: CAPACITY_BYTES });
  return claims(ring.producer(), ring.reader(), records);
}

function offers(): Operation {
  const ring = SpscRing.create(arena, "offers", { capacityBytes: CAPACITY_BYTES });
  const producer = ring.producer();
  const reader = ring.reader();
  const record = new Uint8Array(64).fill(1);
  const target = new Uint8Array(64);
  let bytes = 0;
  const handle = (view: BytesView) => {
    for (let i = 0; i < 64; i += 8) target[i] = view.getUint8(i);
    bytes += view.length;
  };
  return (count) => {
    bytes = 0;
    for (let i = 0; i < count; i++) {
      if (!producer.offer(record)) throw new Error("full");
      reader.read(handle);
    }
    if (bytes !== 64 * count) throw new Error("wrong result");
  };
}

function appends(): Operation {
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "records", { capacityBytes: CAPACITY_BYTES });
  const consumer = ring.consumer("records.run");
  const appender = ring.appender("records.scratch");
  const record = {
    topic: Buffer.from("order.created"),
    payload: new Uint8Array(32).fill(1),
    priority: 2,
    source: 0,
    timeMs: 1_700_000_000_000,
  } as const;
  return (count) => {
    for (let i = 0; i < count; i++) {
      if (!appender.append(record)) throw new Error("full");
      if (consumer.next(CAPACITY_BYTES) === 0) throw new Error("wrong result");
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
  };
}

function waits(): Operation {
  const slots = SpscSlots.create(arena, "waits", { capacity: CAPACITY });
  const producer = slots.producer();
  const consumer = slots.consumer();
  const strategies = [new BusySpinWaitStrategy(), new BackoffWaitStrategy(), new BlockingWaitStrategy()] as const;
  return (count) => {
    producer.push(1);
    for (let i = 0; i < count; i++) strategies[(i % 3) as 0 | 1 | 2].wait(consumer, 1_000);
    consumer.pop();
  };
}

const POOL = { blockBytes: 64, slabBlocks: 1_024, maxBlocks: 1_024, maxThreads: 4 };

function poolPairs(): Operation {
  const pool = BlockPool.create(arena, "pairs", POOL);
  const view = new BytesView(arena);
  return (count) => {
    for (let i = 1; i <= count; i++) {
      const handle = pool.acquire();
      pool.view(handle, view).setFloat64(0, i + 0.5);
      if (view.getFloat64(0) !== i + 0.5) throw new Error("wrong result");
      pool.release(handle);
    }
  };
}

function poolBatches(): Operation {
  const pool = BlockPool.create(arena, "batches", POOL);
  const handles = new Array<number>(BATCH).fill(0);
  return (count) => {
    for (let i = 0; i < count; i += BATCH) pool.releaseMany(handles, pool.acquireMany(handles, BATCH));
  };
}

/** A million ids live; the clock forgets as many as come. */
function dedup(): Operation {
  const options = { capacity: 1_000_000, windowMs: 1_000_000, threads: 4 };
  const set = Deduplicator.create(Arena.create({ bytes: Deduplicator.bytesFor(options) }), "dedup", options);
  const id = new Uint8Array(16);
  const words = new Uint32Array(id.buffer);
  let next = 0;
  return (count) => {
    for (let i = 0; i < count; i++) {
      words[0] = Math.imul(++next, 0x9e3779b1);
      if (!set.checkAndInsert(id, next) || !set.has(id, next)) throw new Error("wrong result");
    }
  };
}

function dedupBatches(): Operation {
  const options = { capacity: 1_000_000, windowMs: 1_000_000, threads: 4 };
  const set = Deduplicator.create(Arena.create({ bytes: Deduplicator.bytesFor(options) }), "dedup batches", options);
  const ids = new Uint8Array(16 * BATCH);
  const words = new Uint32Array(ids.buffer);
  const flags = new Uint8Array(BATCH);
  let next = 0;
  return (count) => {
    for (let i = 0; i < count; i += BATCH) {
      for (let k = 0; k < BATCH; k++) words[4 * k] = Math.imul(++next, 0x9e3779b1);
      if (set.checkAndInsertMany(ids, next, flags) !== BATCH) throw new Error("wrong result");
    }
  };
}

/** Shows that what is allocated would be seen. */
function control(): Operation {
  const kept: { value: number }[] = [{ value: 0 }];
  return (count) => {
    for (let i = 0; i < count; i++) kept[0] = { value: i };
  };
}

const OPERATIONS: Readonly<Record<string, () => Operation>> = {
  "SpscSlots push, pop": () => spscSlots(1),
  "SpscSlots push, pop, releaseEvery 256": () => spscSlots(256),
  "SpscSlots pushMany, popMany of 64, per number": spscBatches,
  "SpscRing tryClaim, commit, read": () => spscRing(1),
  "SpscRing claimMany of 64, commit, read, per record": () => spscRing(BATCH),
  "SpscRing offer, read": offers,
  "MpscSlots push, popMany": mpscSlots,
  "MpscSlots pushMany, popMany of 64, per number": mpscBatches,
  "MpscRing claimMany of 64, commit, read, per record": () => mpscRing(BATCH),
  "MpmcSlots push, pop": mpmcSlots,
  "RecordRing append, next, release": appends,
  "wait strategies, ready": waits,
  "BlockPool acquire, write, read, release": poolPairs,
  "BlockPool acquireMany, releaseMany of 64, per block": poolBatches,
  "Deduplicator checkAndInsert, has": dedup,
  "Deduplicator checkAndInsertMany of 64, per id": dedupBatches,
  "control: an object per operation": control,
};

const gc = globalThis.gc;
if (gc === undefined) throw new Error("run with --expose-gc");
let collections = 0;
/** How often a compiler is waited for, and what a measurement itself may leave, in bytes. */
const LATE_ROUNDS = 10;
const STRAY_BYTES = 4_096;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ["gc"] });

/**
 * Runs it until it is compiled for good; then measures, once. Many short calls, or only the loop would be compiled and not the
 * function around it, whose first iterations would then box their numbers.
 */
async function measure(name: string, operation: Operation, operations: number): Promise<Allocation> {
  // First of all what the operation before has left: the collector throws code away that was made for it, and what is thrown
  // away while the operation is measured runs in the interpreter for a while, which boxes numbers.
  gc?.();
  for (let round = 0; round < 20_000; round++) operation(BATCH);
  for (let round = 0; round < 4; round++) operation(operations / 10);
  // A compiler may be late on a busy machine: on with it until a round leaves nothing. What allocates never gets there.
  for (
    let round = 0;
    round < LATE_ROUNDS && (await measureOnce(operation, operations / 10)).bytes > STRAY_BYTES;
    round++
  );
  const { bytes, collections } = await measureOnce(operation, operations);
  return { operation: name, operations, bytesPerOperation: bytes / operations, collections };
}

async function measureOnce(operation: Operation, operations: number): Promise<{ bytes: number; collections: number }> {
  // Compilers finish in the background, and the observer tells in a task of its own.
  await setTimeout(20);
  gc?.();
  await setTimeout(20);
  collections = 0;
  const before = process.memoryUsage().heapUsed;
  operation(operations);
  const after = process.memoryUsage().heapUsed;
  await setTimeout(20);
  return { bytes: Math.max(0, after - before), collections };
}

const operations = Number(process.argv[2] ?? 10_000_000);
for (const [name, make] of Object.entries(OPERATIONS)) {
  process.stdout.write(`${JSON.stringify(await measure(name, make(), operations))}\n`);
}
