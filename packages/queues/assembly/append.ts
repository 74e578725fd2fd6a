// Appending one record from parts that lie anywhere in memory: for producers that have one event at a time.

import { CRC_START, crcFirstOf16, crcOver, crcWords } from "@esc/events/assembly/crc32";
import {
  EVENT_ID_BYTES, FLAG_ID, FLAG_METADATA, FLAG_TOMBSTONE, RECORD_CRC, RECORD_HASH, RECORD_HEADER, RECORD_LENGTH, RECORD_SEQUENCE,
  RECORD_TIME, copyBytes, padded, zeroPadding,
} from "@esc/events/assembly/record";
import { hashTopic } from "@esc/events/assembly/topic";
import {
  addressOf, capacity, claimCount, claimEnd, claimNext, claimPosition, claimSequence, claimStart, claimWord, freeBytes, mayClaim,
  publish, published, publishedSequence, tryClaim,
} from "./ring";

/** Padding before a record of `size` bytes at `tail`, so that it doesn't wrap. */
// @ts-ignore: decorator
@inline
export function wrapPadding(ring: usize, tail: u64, size: u32): u32 {
  const left = capacity(ring) - (<u32>tail & (capacity(ring) - 1));
  return size > left ? left : 0;
}

/** Marks the padding that was claimed before a record. */
// @ts-ignore: decorator
@inline
export function markPadding(ring: usize, tail: u64, padding: u32): void {
  if (padding > 0) store<u32>(addressOf(ring, tail), 0);
}

/**
 * The register of the CRC behind the sequence, whose lowest byte is left out, and the time: the same for 256 records.
 */
// @ts-ignore: decorator
@inline
export function stampRegister(sequence: u64, timeNs: u64, crcTable: usize): u32 {
  return crcWords(crcTable, sequence & ~<u64>255, timeNs, CRC_START);
}

/** `sealRecord` for who writes many records of the same time: `stamp` is the `stampRegister` of its sequence and time. */
// @ts-ignore: decorator
@inline
export function sealStamped(
  record: usize, length: u32, stamp: u32, sequence: u64, timeNs: u64, hash: u32, topicLength: u32, priority: u32, flags: u32,
  crcTable: usize,
): void {
  store<u64>(record + RECORD_SEQUENCE, sequence);
  store<u64>(record + RECORD_TIME, timeNs);
  store<u64>(record + RECORD_HASH, <u64>hash | (<u64>(topicLength | (priority << 16) | (flags << 24)) << 32));
  const start = stamp ^ crcFirstOf16(crcTable, <u32>sequence & 255);
  store<u32>(record + RECORD_CRC, ~crcOver(crcTable, record + RECORD_HASH, length - <u32>RECORD_HASH, start));
  store<u32>(record + RECORD_LENGTH, length);
}

/** Writes the header of a record whose body is complete; the CRC covers all but itself and the length. */
// @ts-ignore: decorator
@inline
export function sealRecord(
  record: usize, length: u32, sequence: u64, timeNs: u64, hash: u32, topicLength: u32, priority: u32, flags: u32, crcTable: usize,
): void {
  const stamp = stampRegister(sequence, timeNs, crcTable);
  sealStamped(record, length, stamp, sequence, timeNs, hash, topicLength, priority, flags, crcTable);
}

/**
 * Appends one record: id (16 bytes, or 0 for none), topic, metadata (0 bytes for none), payload. Its own thread's
 * producer only. Returns 1, or 0 when the ring is full.
 */
export function append(
  ring: usize, producer: u32, crcTable: usize, timeNs: u64, priority: u32, source: u32, id: usize,
  topic: usize, topicLength: u32, metadata: usize, metadataLength: u32, payload: usize, payloadLength: u32,
): i32 {
  const idBytes = id != 0 ? EVENT_ID_BYTES : 0;
  const metadataBytes = metadataLength > 0 ? 2 + metadataLength : 0;
  const length = RECORD_HEADER + idBytes + topicLength + metadataBytes + payloadLength;
  const size = padded(length);
  for (;;) {
    if (!mayClaim(ring, producer)) return 0;
    const publishedAt = published(ring);
    const publishedNext = publishedSequence(ring);
    const word = claimWord(ring);
    const tail = claimPosition(word, publishedAt);
    const padding = wrapPadding(ring, tail, size);
    const bytes = padding + size;
    if (freeBytes(ring, producer, tail, bytes) < <u64>bytes) return 0;
    const sequence = claimSequence(word, publishedNext);
    if (!tryClaim(ring, producer, word, tail, bytes, 1, sequence + 1)) continue;
    markPadding(ring, tail, padding);
    const record = addressOf(ring, tail + padding);
    zeroPadding(record, length);
    let at = record + RECORD_HEADER;
    if (idBytes > 0) copyBytes(at, id, idBytes);
    at += idBytes;
    copyBytes(at, topic, topicLength);
    at += topicLength;
    if (metadataBytes > 0) {
      store<u16>(at, <u16>metadataLength);
      copyBytes(at + 2, metadata, metadataLength);
      at += metadataBytes;
    }
    copyBytes(at, payload, payloadLength);
    const flags = source | (idBytes > 0 ? FLAG_ID : 0) | (metadataBytes > 0 ? FLAG_METADATA : 0);
    sealRecord(record, length, sequence, timeNs, hashTopic(topic, topicLength), topicLength, priority, flags, crcTable);
    publish(ring, producer, tail, tail + bytes, sequence + 1);
    return 1;
  }
}

/** Fills a claim that is given up with records that hold no event: one for each of its sequences, and publishes it. */
export function voidRecords(ring: usize, producer: u32, crcTable: usize, timeNs: u64): void {
  const count = claimCount(ring, producer);
  const end = claimEnd(ring, producer);
  const next = claimNext(ring, producer);
  const start = claimStart(ring, producer);
  let at = start;
  // Every record takes its header's bytes at least, so there is room; the last one takes what is left.
  for (let i: u32 = 0; i < count; i++) {
    let left = <u64>(capacity(ring) - (<u32>at & (capacity(ring) - 1)));
    if (left < <u64>RECORD_HEADER) {
      markPadding(ring, at, <u32>left);
      at += left;
      left = <u64>capacity(ring);
    }
    let length = RECORD_HEADER;
    if (i + 1 == count) {
      if (end - at > left) {
        // The last one would wrap: what is left before the ring's end is padding, and the record comes behind it.
        markPadding(ring, at, <u32>left);
        at += left;
      }
      length = <u32>(end - at);
    }
    const record = addressOf(ring, at);
    memory.fill(record + RECORD_HEADER, 0, length - RECORD_HEADER);
    sealRecord(record, length, next - <u64>(count - i), timeNs, hashTopic(record, 0), 0, 0, FLAG_TOMBSTONE, crcTable);
    at += length;
  }
  publish(ring, producer, start, end, next);
}
