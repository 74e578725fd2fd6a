/** Real records for the tests of this package: made by a ring, as the server makes them. */

import { Arena } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";

/** Time of the first record that {@link makeRecords} makes; each of those behind it is a millisecond later. */
export const FIRST_TIME_MS = 1_700_000_000_000;

/** Bytes of records one behind the other, and where each begins. */
export interface RecordBytes {
  readonly bytes: Buffer;
  readonly offsets: readonly number[];
}

/** Records with these payloads, in sequence from `firstSequence` on. */
export function makeRecords(
  payloads: readonly (string | Uint8Array)[],
  firstSequence = 1,
  topic: string | ((index: number) => string) = "test.topic",
  timeMs: (index: number) => number = (index) => FIRST_TIME_MS + index,
): RecordBytes {
  const longest = Math.max(...payloads.map((payload) => Buffer.byteLength(payload)), 1);
  // A ring takes records of up to half of itself.
  const capacityBytes = 1 << Math.ceil(Math.log2(longest * 2 + 65_536));
  const arena = Arena.create({ bytes: RecordRing.bytesFor(capacityBytes) + capacityBytes + 65_536 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "records", { capacityBytes, firstSequence });
  const consumer = ring.consumer();
  const producer = ring.appender("producer");
  const parts: Buffer[] = [];
  const offsets: number[] = [];
  let at = 0;
  for (const [index, payload] of payloads.entries()) {
    producer.append({
      topic: Buffer.from(typeof topic === "string" ? topic : topic(index)),
      payload: Buffer.from(payload as string),
      priority: 2,
      source: 1,
      timeMs: timeMs(index),
      timeNs: 123_456,
    });
    consumer.next(1);
    parts.push(
      Buffer.from(Uint8Array.from(new Uint8Array(arena.memory.buffer, runAddress(consumer), consumer.runBytes))),
    );
    offsets.push(at);
    at += consumer.runBytes;
    consumer.release(consumer.runEnd, 1);
  }
  return { bytes: Buffer.concat(parts), offsets };
}
