import { Arena } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Parker } from "./parker.ts";
import { RecordRing } from "./record-ring.ts";
import { RecordShare, type ShareBy, shareOf } from "./record-share.ts";
import { runAddress } from "./ring-consumer.ts";

function ringOf(topics: readonly string[]) {
  const arena = Arena.create({ bytes: 8 << 20 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: 1 << 16 });
  const consumer = ring.consumer();
  const producer = ring.appender("producer");
  for (const topic of topics)
    producer.append({ topic: Buffer.from(topic), payload: Buffer.from("p"), priority: 2, source: 1, timeMs: 1 });
  return { arena, consumer, view: new DataView(arena.memory.buffer) };
}

test("every record of a run is in exactly one share, that of its topic's hash or of its sequence, in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "bb", "ccc", "orders.created", "x".repeat(300)), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 64 }),
      fc.constantFrom<ShareBy>("hash", "sequence"),
      (topics, shares, by) => {
        const { arena, consumer, view } = ringOf(topics);
        consumer.next(1 << 20);
        const from = runAddress(consumer);
        const { runBytes } = consumer;
        const found: number[] = [];
        for (let share = 0; share < shares; share++) {
          const own = new RecordShare(arena, `share ${share}`, { by, shares, share });
          let before = 0;
          for (let at = own.find(from, from + runBytes); at < own.end; at = own.next()) {
            const hash = view.getUint32(at + 24, true);
            const sequence = view.getUint32(at + 8, true);
            expect(sequence).toBeGreaterThan(before);
            before = sequence;
            expect(shareOf(by, shares, hash, sequence)).toBe(share);
            expect(own.owns(hash, sequence)).toBe(true);
            found.push(sequence);
          }
          expect(own.end).toBe(from + runBytes);
        }
        expect(found.sort((a, b) => a - b)).toEqual(topics.map((_, index) => index + 1));
      },
    ),
    { numRuns: 40 },
  );
});

test("a share of nothing stops at the run's end and has found none", () => {
  const { arena, consumer, view } = ringOf(["one"]);
  consumer.next(1 << 20);
  const owner = shareOf("hash", 2, view.getUint32(runAddress(consumer) + 24, true), 1);
  const own = new RecordShare(arena, "share", { by: "hash", shares: 2, share: 1 - owner });
  const end = runAddress(consumer) + consumer.runBytes;
  expect([own.find(runAddress(consumer), end), own.count, own.end]).toEqual([end, 0, end]);
});

test("a ring that is made for them has places for 70 consumers that gate, 200 producers and 70 parkers, and no more", () => {
  const arena = Arena.create({ bytes: 4 << 20 });
  createCrcTable(arena);
  const places = { producers: 200, consumers: 70, parkers: 70 };
  const ring = RecordRing.create(arena, "lane", { capacityBytes: 4_096, places });
  const consumers = Array.from({ length: 70 }, () => ring.consumer());
  expect(() => ring.consumer()).toThrow(/its 70 consumers already/);
  const parkers = Array.from({ length: 70 }, (_, index) => Parker.create(arena, `parker ${index}`));
  for (const parker of parkers) ring.wakeOnPublish(parker);
  for (const parker of parkers) ring.wakeOnSpace(parker);
  for (const parker of parkers) ring.wakeOnDurable(parker);
  expect(() => ring.wakeOnPublish(Parker.create(arena, "one more"))).toThrow(/as many parkers/);
  const producer = ring.appender("producer", { maxRecordBytes: 256 });
  for (let at = 1; at < 200; at++) ring.addProducer();
  expect(() => ring.addProducer()).toThrow(/its 200 producers already/);
  const input = { topic: Buffer.from("t"), payload: Buffer.alloc(64), priority: 2, source: 1, timeMs: 1 } as const;
  const asleep = parkers.map((parker) => parker.prepare());
  expect(asleep).toHaveLength(70);
  let appended = 0;
  while (producer.append(input)) appended++;
  // Whoever is the slowest gates, wherever its place.
  for (const consumer of consumers.slice(0, -1)) {
    consumer.next(1 << 20);
    consumer.release(consumer.runEnd, consumer.runRecords);
  }
  expect(producer.append(input)).toBe(false);
  const last = consumers.at(-1);
  last?.next(1 << 20);
  last?.release(last.runEnd, last.runRecords);
  expect(producer.append(input)).toBe(true);
  expect(appended).toBeGreaterThan(10);
});
