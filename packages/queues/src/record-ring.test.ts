import { Arena } from "@esc/arena";
import { createCrcTable, RecordOffset } from "@esc/events";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { Parker, type RecordInput, RecordRing, type RingConsumer } from "./index.ts";
import { parkerAddress } from "./parker.ts";
import { runAddress } from "./ring-consumer.ts";

const CAPACITY = 4_096;
let arena: Arena;
let view: DataView;
let names = 0;

beforeEach(() => {
  arena = Arena.create({ bytes: 1 << 20 });
  createCrcTable(arena);
  view = new DataView(arena.memory.buffer);
});

function makeRing(capacityBytes = CAPACITY, firstSequence = 1): RecordRing {
  return RecordRing.create(arena, `ring ${names++}`, { capacityBytes, firstSequence });
}

function input(payloadBytes: number, fill = 1): RecordInput {
  return {
    topic: Buffer.from("t"),
    payload: new Uint8Array(payloadBytes).fill(fill),
    priority: 2,
    source: 0,
    timeMs: 1_700_000_000_000,
  };
}

/** Sequences of the records that a consumer sees now, given back as they are read. */
function drain(consumer: RingConsumer, limit = Number.POSITIVE_INFINITY): number[] {
  const sequences: number[] = [];
  while (sequences.length < limit && consumer.next(64) > 0) {
    for (let at = runAddress(consumer); at < runAddress(consumer) + consumer.runBytes; ) {
      sequences.push(view.getUint32(at + RecordOffset.sequence, true));
      at += (view.getUint32(at, true) + 7) & ~7;
    }
    consumer.release(consumer.runEnd, consumer.runRecords);
  }
  return sequences;
}

test("records come out in order, in sequence from the one that the ring began with", () => {
  const ring = makeRing(CAPACITY, 4_294_967_290);
  const consumer = ring.consumer();
  const producer = ring.appender("p");
  for (let i = 0; i < 20; i++) expect(producer.append(input(i))).toBe(true);
  expect(ring.publishedSequence).toBe(4_294_967_310);
  const seen: number[] = [];
  while (consumer.next(100) > 0) {
    for (let i = 0; i < consumer.runRecords; i++) seen.push(consumer.runSequence + i);
    consumer.release(consumer.runEnd, consumer.runRecords);
  }
  // Beyond 2^32, which half of the claim word wraps.
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => 4_294_967_290 + i));
});

test("a full ring is a return value, and the slowest consumer decides when it is", () => {
  const ring = makeRing();
  const fast = ring.consumer();
  const slow = ring.consumer();
  const producer = ring.appender("p");
  let appended = 0;
  while (producer.append(input(100))) appended++;
  expect(appended).toBe(Math.floor(CAPACITY / 136));
  expect(drain(fast)).toHaveLength(appended);
  expect(producer.append(input(100))).toBe(false);
  expect(drain(slow, 1).length).toBeGreaterThan(0);
  expect(producer.append(input(100))).toBe(true);
});

test("a consumer that is disposed gates nobody", () => {
  const ring = makeRing();
  const stays = ring.consumer();
  const goes = ring.consumer();
  const producer = ring.appender("p");
  while (producer.append(input(100))) drain(stays);
  goes[Symbol.dispose]();
  expect(producer.append(input(100))).toBe(true);
});

test("a record over half of the ring is a mistake that names both sizes", () => {
  const ring = makeRing();
  const producer = ring.appender("p");
  expect(() => producer.append(input(2_040))).toThrow(/A record of \d+ bytes: .* takes up to 2048, half of its 4096/);
});

test.each([
  ["ESC_RING_CAPACITY", () => makeRing(5_000)],
  ["ESC_RING_CAPACITY", () => makeRing(2_048)],
  [
    "ESC_RECORD_ID",
    () =>
      makeRing()
        .appender("p")
        .append({ ...input(1), id: new Uint8Array(3) }),
  ],
  [
    "ESC_RECORD_TOPIC",
    () =>
      makeRing()
        .appender("p")
        .append({ ...input(1), topic: new Uint8Array(0) }),
  ],
])("a caller's mistake has the code %s", (code, mistake) => {
  expect(mistake).toThrow(expect.objectContaining({ code }));
});

test("like a plain queue, for any lengths and any order of appending and reading, over many laps", () => {
  const command = fc.oneof(
    { weight: 3, arbitrary: fc.record({ append: fc.integer({ min: 0, max: 1_990 }) }) },
    { weight: 1, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 12 }) }) },
  );
  fc.assert(
    fc.property(fc.array(command, { minLength: 50, maxLength: 300 }), (commands) => {
      arena = Arena.create({ bytes: 1 << 16 });
      createCrcTable(arena);
      view = new DataView(arena.memory.buffer);
      const ring = makeRing();
      const consumer = ring.consumer();
      const producer = ring.appender("p");
      const model: number[] = [];
      let next = 1;
      for (const one of commands) {
        if ("append" in one) {
          if (producer.append(input(one.append, next & 255))) model.push(next++);
          // Nothing in the ring and still refused would be a ring that is stuck.
          else expect(model.length).toBeGreaterThan(0);
        } else {
          for (let i = 0; i < one.read && consumer.next(1) > 0; i++) {
            const at = runAddress(consumer);
            const sequence = view.getUint32(at + RecordOffset.sequence, true);
            expect(sequence).toBe(model.shift());
            const length = view.getUint32(at, true);
            if (length > 33) expect(view.getUint8(at + length - 1)).toBe(sequence & 255);
            consumer.release(consumer.runEnd, 1);
          }
        }
      }
      expect(drain(consumer)).toEqual(model);
    }),
    { numRuns: 200 },
  );
});

test("who waits for space is woken when a consumer moves, and only then", async () => {
  const ring = makeRing();
  const consumer = ring.consumer();
  const producer = ring.appender("p");
  const parker = Parker.create(arena, "parker");
  ring.wakeOnSpace(parker);
  while (producer.append(input(100)));
  parker.prepare();
  ring.wantSpace();
  expect(producer.append(input(100))).toBe(false);
  let woken = false;
  const sleep = parker.parkAsync(10_000).then(() => {
    woken = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(woken).toBe(false);
  drain(consumer, 1);
  await sleep;
  expect(producer.append(input(100))).toBe(true);
});

test("who naps is left alone by what is published, where it said so, and woken by what is asked; who sleeps is woken by both", () => {
  const ring = makeRing();
  const producer = ring.appender("p");
  const parker = Parker.create(arena, "parker");
  ring.wakeOnPublish(parker, { letsNap: true });
  const other = Parker.create(arena, "other");
  ring.wakeOnPublish(other);
  const words = new Int32Array(arena.memory.buffer);
  const asleep = (sleeper: Parker) => Atomics.load(words, parkerAddress(sleeper) / 4) !== 0;
  parker.prepareNap();
  other.prepareNap();
  producer.append(input(100));
  expect([asleep(parker), asleep(other)]).toEqual([true, false]);
  ring.askToSync(ring.publishedPosition);
  expect(asleep(parker)).toBe(false);
  parker.prepareNap();
  ring.askToSkip(ring.publishedPosition);
  expect(asleep(parker)).toBe(false);
  parker.prepareNap();
  parker.unpark();
  expect(asleep(parker)).toBe(false);
  parker.prepare();
  producer.append(input(100));
  expect(asleep(parker)).toBe(false);
  parker.prepareNap();
  parker.nap(1);
  expect(asleep(parker)).toBe(false);
});

test("the durable position wakes who waits for it, and skip and sync requests only ever grow", async () => {
  const ring = makeRing();
  const parker = Parker.create(arena, "parker");
  ring.wakeOnDurable(parker);
  parker.prepare();
  const sleep = parker.parkAsync(10_000);
  ring.publishDurable(800, 11);
  await sleep;
  expect([ring.durablePosition, ring.durableSequence]).toEqual([800, 11]);
  ring.askToSkip(500);
  ring.askToSkip(100);
  ring.askToSync(64);
  ring.askToSync(32);
  expect([ring.skipTarget, ring.syncTarget]).toEqual([500, 64]);
});

test("who takes over a consumer's slot goes on where that one was, and nobody is let past it meanwhile", () => {
  const ring = makeRing();
  const first = ring.consumer();
  const producer = ring.appender("p");
  for (let i = 0; i < 3; i++) producer.append(input(100));
  drain(first, 1);
  const second = ring.consumer({ adopt: first.slot });
  expect(second.position).toBe(first.position);
  expect(drain(second)).toEqual([2, 3]);
});

test("an appender that follows another uses what that one left to put records together in", () => {
  const ring = makeRing();
  const consumer = ring.consumer();
  ring.appender("p", { maxRecordBytes: 512 })[Symbol.dispose]();
  const { freeBytes } = arena;
  expect(ring.appender("p", { maxRecordBytes: 512 }).append(input(100))).toBe(true);
  expect(arena.freeBytes).toBe(freeBytes);
  expect(drain(consumer)).toEqual([1]);
});

test("an appender made for smaller records says so when one is larger", () => {
  const ring = makeRing();
  const producer = ring.appender("p", { maxRecordBytes: 512 });
  expect(() => producer.append(input(600))).toThrow("was made for up to 512");
  expect(producer.append(input(300))).toBe(true);
});
