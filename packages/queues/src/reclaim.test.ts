import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import { createCrcTable, RecordOffset } from "@esc/events";
import { expect, test } from "vitest";
import { MpscRing, MpscSlots, RecordRing, SpscRing } from "./index.ts";
import { kernelOf, ringAddress } from "./ring.ts";
import { runAddress } from "./ring-consumer.ts";

const record = (text: string) => Buffer.from(text);

test("a thread that ends between claim and commit is named, and what it left is cleared: others' records come through", async () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  const many = MpscRing.create(arena, "many", { capacityBytes: 4_096 });
  const one = SpscRing.create(arena, "one", { capacityBytes: 4_096 });
  const reader = many.reader();
  const alone = one.reader();
  const worker = new Worker(new URL("./reclaim.fixture.ts", import.meta.url), { workerData: { handle: arena.handle } });
  const { threadId } = worker;
  await once(worker, "message");
  const producer = many.producer();
  expect(producer.offer(record("held up"))).toBe(true);
  await worker.terminate();

  const seen: string[] = [];
  const read = () => reader.read((view) => seen.push(Buffer.from(view.copy()).toString()));
  read();
  expect(seen).toEqual(["before"]);
  expect(many.blockedBy()).toBe(threadId);
  expect(many.consumers().map((consumer) => consumer.threadId)).toEqual([0, threadId]);

  expect(many.reclaim(threadId)).toEqual({ producers: 1, closedClaims: 1, pending: 0, consumers: 1 });
  while (read() > 0) {}
  expect(seen).toEqual(["before", "held up"]);
  expect(many.blockedBy()).toBeUndefined();
  expect(many.consumers()).toHaveLength(1);
  expect(many.reclaim(threadId)).toEqual({ producers: 0, closedClaims: 0, pending: 0, consumers: 0 });

  // The only producer of a ring held up nobody, and its place is free again.
  expect(one.reclaim(threadId)).toEqual({ producers: 1, closedClaims: 0, pending: 0, consumers: 0 });
  expect(one.producer().offer(record("again"))).toBe(true);
  expect(alone.read((view) => expect(view.length).toBe(5))).toBe(1);
});

test("a gating reader's thread ends: another takes its slot over and misses nothing", () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  const ring = MpscRing.create(arena, "r", { capacityBytes: 4_096 });
  const first = ring.reader();
  const producer = ring.producer();
  for (const text of ["a", "b", "c"]) producer.offer(record(text));
  first.read(() => undefined, 1);
  const second = ring.reader({ adopt: first.slot });
  const seen: string[] = [];
  second.read((view) => seen.push(Buffer.from(view.copy()).toString()));
  expect(seen).toEqual(["b", "c"]);
  expect(ring.reclaim(0, { keepConsumers: true }).consumers).toBe(0);
  expect(ring.consumers()).toHaveLength(1);
});

test("several threads end, the first claim last to be cleared: nothing is published before its turn", () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  const ring = MpscRing.create(arena, "r", { capacityBytes: 4_096 });
  const reader = ring.reader();
  const [kernel, address] = [kernelOf(ring), ringAddress(ring)];
  // Three producers of three threads, by number: what `producer()` does with the thread's own.
  const slots = [101, 102, 103].map((thread) => kernel.addProducer(address, thread, 16));
  for (const slot of slots) expect(kernel.claimRecords(address, slot, 1, 8)).not.toBe(0);
  kernel.commitClaim(address, slots[2] as number);
  expect(ring.blockedBy()).toBe(101);
  expect(ring.reclaim(103)).toEqual({ producers: 0, closedClaims: 0, pending: 1, consumers: 0 });
  expect(ring.reclaim(102)).toEqual({ producers: 0, closedClaims: 1, pending: 1, consumers: 0 });
  expect(reader.ready()).toBe(false);
  expect(ring.reclaim(101)).toEqual({ producers: 1, closedClaims: 1, pending: 0, consumers: 0 });
  expect(reader.read(() => undefined)).toBe(1);
  expect([ring.reclaim(102).producers, ring.reclaim(103).producers]).toEqual([1, 1]);
});

test("numbers of a claim that was left open are never seen", () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  const slots = MpscSlots.create(arena, "s", { capacity: 512 });
  const consumer = slots.consumer();
  const gone = kernelOf(slots).addProducer(ringAddress(slots), 77, 16);
  expect(kernelOf(slots).claimCells(ringAddress(slots), gone, 5)).toBe(5);
  slots.producer().pushMany(Float64Array.of(1, 2, 3));
  expect(slots.reclaim(77).closedClaims).toBe(1);
  const target = new Float64Array(10);
  expect(consumer.popMany(target)).toBe(3);
  expect([...target.subarray(0, 3)]).toEqual([1, 2, 3]);
});

test("a lane's claim that was left open becomes tombstones: whole records, in sequence, at every place of the ring's end", () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: 4_096 });
  const consumer = ring.consumer();
  const appender = ring.appender("scratch");
  const bytes = Buffer.from(arena.memory.buffer);
  let sequence = 1;
  let tombstones = 0;
  for (let round = 0; round < 400; round++) {
    const [kernel, address] = [kernelOf(ring), ringAddress(ring)];
    const gone = kernel.addProducer(address, 77, 16);
    // A claim as an append makes it: planned, announced, claimed; the thread ends before the record is sealed.
    const length = 8 * ((round * 13) % 40);
    expect(kernel.claimRecords(address, gone, 1, 24 + length)).not.toBe(0);
    expect(
      appender.append({ topic: record("t"), payload: new Uint8Array(round % 50), priority: 2, source: 0, timeMs: 1 }),
    ).toBe(true);
    expect(ring.reclaim(77)).toMatchObject({ producers: 1, closedClaims: 1 });
    while (consumer.next(4_096) > 0) {
      tombstones += consumer.runTombstones;
      for (let at = runAddress(consumer); at < runAddress(consumer) + consumer.runBytes; ) {
        const size = bytes.readUInt32LE(at);
        expect(Number(bytes.readBigUInt64LE(at + RecordOffset.sequence))).toBe(sequence++);
        const covered = Uint8Array.from(bytes.subarray(at + RecordOffset.sequence, at + size));
        expect(bytes.readUInt32LE(at + RecordOffset.crc)).toBe(crc32(covered));
        at += (size + 7) & ~7;
      }
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
  }
  expect(tombstones).toBe(400);
  expect(sequence).toBe(801);
});
