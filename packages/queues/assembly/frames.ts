// Framed records: what `SpscRing` and `MpscRing` carry. Little-endian, 8-byte aligned, never wrapped.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | length with this header, without padding; 0: what is left before the ring's end is padding; bit 31: nothing here |
// | 4 | u32 | low half of the record's sequence |
// | 8 | | the record's bytes, up to a multiple of 8 |

import { padded } from "@esc/events/assembly/record";
import { markPadding, wrapPadding } from "./append";
import {
  claimAlone, claimEnd, claimNext, claimPosition, claimSequence, claimStart, claimWord, freeBytes, mayClaim, publish,
  publishAlone, tryClaim,
} from "./claims";
import { KIND_SPSC, addressOf, capacity, kind, published, publishedSequence } from "./control";

const HEADER: u32 = 8;
const NOTHING: u32 = 0x80000000;

/** What a record of `length` bytes takes in the ring. */
// @ts-ignore: decorator
@inline
function frameBytes(length: u32): u32 {
  return padded(HEADER + length);
}

/**
 * Claims `bytes` for `count` records, one behind the other. Returns where the first one's header goes, 0 when the ring
 * is full. `bytes` is a multiple of 8 and at most half of the ring.
 */
// @ts-ignore: decorator
@inline
function claimBytes(ring: usize, producer: u32, count: u32, bytes: u32): usize {
  if (kind(ring) == KIND_SPSC) {
    const start = published(ring);
    const padding = wrapPadding(ring, start, bytes);
    const all = padding + bytes;
    if (freeBytes(ring, producer, start, all) < <u64>all) return 0;
    claimAlone(ring, producer, start, all, publishedSequence(ring) + <u64>count);
    markPadding(ring, start, padding);
    return addressOf(ring, start + padding);
  }
  for (;;) {
    if (!mayClaim(ring, producer)) return 0;
    const publishedAt = published(ring);
    const publishedNext = publishedSequence(ring);
    const word = claimWord(ring);
    const start = claimPosition(word, publishedAt);
    const padding = wrapPadding(ring, start, bytes);
    const all = padding + bytes;
    if (freeBytes(ring, producer, start, all) < <u64>all) return 0;
    const next = claimSequence(word, publishedNext) + <u64>count;
    if (!tryClaim(ring, producer, word, start, all, count, next)) continue;
    markPadding(ring, start, padding);
    return addressOf(ring, start + padding);
  }
}

// @ts-ignore: decorator
@inline
function writeHeader(at: usize, length: u32, sequence: u32): void {
  store<u64>(at, <u64>(HEADER + length) | (<u64>sequence << 32));
}

/** Claims `count` records of `length` bytes each and writes their headers; see `claimBytes`. */
export function claimRecords(ring: usize, producer: u32, count: u32, length: u32): usize {
  const size = frameBytes(length);
  const first = claimBytes(ring, producer, count, size * count);
  if (first == 0) return 0;
  let sequence = <u32>claimNext(ring, producer) - count;
  const end = first + <usize>(size * count);
  for (let at = first; at < end; at += size) writeHeader(at, length, sequence++);
  return first;
}

/** Claims `count` records of any lengths, `bytes` in all; `writeHeaderAt` then writes each header. */
export function claimMixed(ring: usize, producer: u32, count: u32, bytes: u32): usize {
  return claimBytes(ring, producer, count, bytes);
}

/** Writes the header of the record `index` of a mixed claim. Returns where the next one's goes. */
export function writeHeaderAt(ring: usize, producer: u32, count: u32, index: u32, at: usize, length: u32): usize {
  writeHeader(at, length, <u32>claimNext(ring, producer) - count + index);
  return at + frameBytes(length);
}

/** Publishes the claim. */
export function commitClaim(ring: usize, producer: u32): void {
  const end = claimEnd(ring, producer);
  const next = claimNext(ring, producer);
  if (kind(ring) == KIND_SPSC) publishAlone(ring, end, next);
  else publish(ring, producer, claimStart(ring, producer), end, next);
}

/** Gives the claim up: readers pass over it. The only producer of a ring has told nobody of it, and forgets it. */
export function abortClaim(ring: usize, producer: u32): void {
  if (kind(ring) == KIND_SPSC) return;
  const start = claimStart(ring, producer);
  const end = claimEnd(ring, producer);
  const next = claimNext(ring, producer);
  const left = <u64>(capacity(ring) - (<u32>start & (capacity(ring) - 1)));
  if (end - start > left) {
    // The claim goes over the ring's end, so the bytes before it are padding that the claim began with.
    markPadding(ring, start, <u32>left);
    store<u64>(addressOf(ring, start + left), (end - start - left) | <u64>NOTHING | (next << 32));
  } else {
    store<u64>(addressOf(ring, start), (end - start) | <u64>NOTHING | (next << 32));
  }
  publish(ring, producer, start, end, next);
}
