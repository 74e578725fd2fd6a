// Consumers: a cursor each, moved by nobody else.
//
// A consumer that gates holds back the producers: what it hasn't passed is not claimed again. One that doesn't gate (a
// tap) holds back nobody: it copies first and then looks whether the bytes were claimed meanwhile.
//
// Consumer's slot:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u64 | position: everything before it is given back |
// | 8 | i32 ×2 | state (0 none, 1 gating, 2 being set up, 3 tap), thread that owns the slot |
// | 16 | u64 ×2 | records consumed, most bytes that ever lay before it (high-water mark of the lag) |
// | 32 | u64 ×2 | of a tap: bytes and records it was overrun by |
// | 128 | | the run, see below: private to the consumer |
// | 192 | u64 | published position as the consumer last saw it |
// | 200 | u32 ×2 | address and bytes of a tap's copy |
// | 208 | u64 | next sequence (low 32 bits count) that a tap expects, bit 63 set when it was overrun just now |
// | 216 | i32 | fence |
// | 220 | i32, u32 ×2 | looks in a row that found little, below 0: until that is counted again; the least bytes that one of them found; how often the rest before a look was doubled |
// | 256 | i32 | parker: the consumer sleeps at it |
//
// A run is records that lie one behind the other:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | address of the first record |
// | 4 | u32 | bytes, padding of the records included |
// | 8 | u32 | records |
// | 12 | u32 | tombstones among them |
// | 16 | u64 | position behind it |
// | 24 | u64 | sequence of the first record |
// | 32 | u64 | position of the first record |

import { FLAG_TOMBSTONE, RECORD_FLAGS, RECORD_SEQUENCE, padded } from "@esc/events/assembly/record";
import { claimed } from "./claims";
import {
  CONSUMER_BYTES, KIND_EVENTS, TAPS, addressOf, capacity, consumerPlaces, consumersOf, fence, kind, published,
  publishedSequence, wakeProducers,
} from "./control";

const POSITION: usize = 0;
const STATE: usize = 8;
const THREAD: usize = 12;
const CONSUMED: usize = 16;
const HIGH_WATER: usize = 24;
const OVERRUN_BYTES: usize = 32;
const OVERRUN_RECORDS: usize = 40;
export const RUN: usize = 128;
const SEEN: usize = 192;
const COPY: usize = 200;
const COPY_BYTES: usize = 204;
const EXPECTED: usize = 208;
const FENCE: usize = 216;
export const HURRIES: usize = 220;
const LITTLE_FOUND: usize = 224;
const DOUBLED: usize = 228;
const PARKER: usize = 256;

export const RUN_ADDRESS: usize = 0;
export const RUN_LENGTH: usize = 4;
export const RUN_RECORDS: usize = 8;
export const RUN_TOMBSTONES: usize = 12;
export const RUN_NEXT: usize = 16;
export const RUN_SEQUENCE: usize = 24;
const RUN_POSITION: usize = 32;

const NONE: i32 = 0;
const GATING: i32 = 1;
const SETTING_UP: i32 = 2;
const TAP: i32 = 3;

const OVERRUN: u64 = 1 << 63;
const FRAME_SEQUENCE: usize = 4;

// @ts-ignore: decorator
@inline
function slotOf(ring: usize, consumer: u32): usize {
  return consumersOf(ring) + <usize>consumer * CONSUMER_BYTES;
}

/** Takes a free consumer's slot for a thread, at what is published now; -1 when all 8 are taken. */
export function addConsumer(ring: usize, thread: i32): i32 {
  return add(ring, thread, GATING);
}

/** The same without gating. `setCopy` comes before its first poll. */
export function addTap(ring: usize, thread: i32): i32 {
  // Before the position is taken: a claim that doesn't see it yet can't reach what is published from now on.
  atomic.add<i32>(ring + TAPS, 1);
  const consumer = add(ring, thread, TAP);
  if (consumer < 0) {
    atomic.sub<i32>(ring + TAPS, 1);
    return -1;
  }
  store<u64>(slotOf(ring, <u32>consumer) + EXPECTED, publishedSequence(ring) & 0xffffffff);
  return consumer;
}

/** Where a tap's copies go: room for the longest record at least. */
export function setCopy(ring: usize, consumer: u32, copy: usize, copyBytes: u32): void {
  const slot = slotOf(ring, consumer);
  store<u32>(slot + COPY, <u32>copy);
  store<u32>(slot + COPY_BYTES, copyBytes);
}

function add(ring: usize, thread: i32, state: i32): i32 {
  for (let j: u32 = 0; j < consumerPlaces(ring); j++) {
    const slot = slotOf(ring, j);
    if (atomic.cmpxchg<i32>(slot + STATE, NONE, SETTING_UP) != NONE) continue;
    atomic.store<i32>(slot + THREAD, thread);
    store<u64>(slot + CONSUMED, 0);
    store<u64>(slot + HIGH_WATER, 0);
    store<u64>(slot + OVERRUN_BYTES, 0);
    store<u64>(slot + OVERRUN_RECORDS, 0);
    // Gating from the start on, and only then up to date: between a look at `published` and a store of it producers
    // could otherwise pass by.
    atomic.store<u64>(slot + POSITION, published(ring));
    atomic.store<i32>(slot + STATE, state);
    const position = published(ring);
    store<u64>(slot + SEEN, position);
    atomic.store<u64>(slot + POSITION, position);
    return <i32>j;
  }
  return -1;
}

/** Takes over the slot of a gating consumer whose thread is gone, at its position. False when the slot isn't one's. */
export function adoptConsumer(ring: usize, consumer: u32, thread: i32): bool {
  const slot = slotOf(ring, consumer);
  if (atomic.load<i32>(slot + STATE) != GATING) return false;
  atomic.store<i32>(slot + THREAD, thread);
  store<u64>(slot + SEEN, load<u64>(slot + POSITION));
  return true;
}

/** A consumer that is gone gates nobody any more. */
export function removeConsumer(ring: usize, consumer: u32): void {
  const slot = slotOf(ring, consumer);
  const state = atomic.xchg<i32>(slot + STATE, NONE);
  if (state == TAP) atomic.sub<i32>(ring + TAPS, 1);
  if (state == GATING) wakeProducers(ring);
}

/** The next slot from `from` on that the thread owns; -1 when there is none. */
export function consumerOf(ring: usize, thread: i32, from: u32): i32 {
  for (let j = from; j < consumerPlaces(ring); j++) {
    const slot = slotOf(ring, j);
    if (atomic.load<i32>(slot + STATE) != NONE && atomic.load<i32>(slot + THREAD) == thread) return <i32>j;
  }
  return -1;
}

/** 0 when the slot is free, 1 for a gating consumer's, 3 for a tap's. */
export function consumerState(ring: usize, consumer: u32): i32 {
  return atomic.load<i32>(slotOf(ring, consumer) + STATE);
}

export function consumerThread(ring: usize, consumer: u32): i32 {
  return atomic.load<i32>(slotOf(ring, consumer) + THREAD);
}

export function consumerParker(ring: usize, consumer: u32): usize {
  return slotOf(ring, consumer) + PARKER;
}

export function consumerRun(ring: usize, consumer: u32): usize {
  return slotOf(ring, consumer) + RUN;
}

// @ts-ignore: decorator
@inline
export function consumerPosition(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(slotOf(ring, consumer) + POSITION);
}

export function consumerCount(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(slotOf(ring, consumer) + CONSUMED);
}

export function consumerHighWater(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(slotOf(ring, consumer) + HIGH_WATER);
}

export function overrunBytes(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(slotOf(ring, consumer) + OVERRUN_BYTES);
}

export function overrunRecords(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(slotOf(ring, consumer) + OVERRUN_RECORDS);
}

/** The slowest gating consumer's position; `published` when there is none. */
export function slowest(ring: usize): u64 {
  let least = published(ring);
  const first = consumersOf(ring);
  const end = first + <usize>consumerPlaces(ring) * CONSUMER_BYTES;
  for (let slot = first; slot < end; slot += CONSUMER_BYTES) {
    const state = atomic.load<i32>(slot + STATE);
    if (state != GATING) continue;
    const position = atomic.load<u64>(slot + POSITION);
    if (position < least) least = position;
  }
  return least;
}

/** Moves a consumer's cursor; the bytes before it may be claimed again. That consumer's thread only. */
export function advance(ring: usize, consumer: u32, position: u64, records: u32): void {
  const slot = slotOf(ring, consumer);
  store<u64>(slot + CONSUMED, load<u64>(slot + CONSUMED) + records);
  atomic.store<u64>(slot + POSITION, position);
  wakeProducers(ring);
}

/** Notes how far behind the consumer is. It looks before it moves, so no lag is ever missed. */
// @ts-ignore: decorator
@inline
function noteLag(slot: usize, lag: u64): void {
  if (lag > load<u64>(slot + HIGH_WATER)) store<u64>(slot + HIGH_WATER, lag);
}

// --- framed records and cells: what lies there, for a reader that walks it by itself ---

/** Whether anything is published that the consumer hasn't passed. */
export function ready(ring: usize, consumer: u32): bool {
  return published(ring) != load<u64>(slotOf(ring, consumer) + POSITION);
}

/**
 * A consumer that follows its producers closely takes lines away from them that they are about to write. After some looks in a
 * row that found little, and none that found nothing, the next ones come a little later. Where that finds no more than
 * before, they come later still; and if that is in vain, too, as on one thread, it is left for a while.
 */
const MOST_HURRIES: i32 = 8;
const LITTLE: u64 = 16384;
const IN_VAIN: i32 = -8000;
/** For a consumer that is not to rest: models, in which how often a look found little would be so many more states. */
export const NEVER_REST: i32 = i32.MIN_VALUE;
/** Some 0.8 µs, doubled up to three times. */
const REST: u32 = 800;
const MOST_DOUBLED: u32 = 3;

function rest(slot: usize): void {
  // Loads of the consumer's own line, atomic so that they stay.
  const loads = REST << load<u32>(slot + DOUBLED);
  for (let i: u32 = 0; i < loads; i++) atomic.load<u32>(slot + HURRIES);
}

/** How many looks in a row found little; below 0, how many are left until that is counted again. */
// @ts-ignore: decorator
@inline
function hurriesAfter(slot: usize, hurries: i32, found: u64): i32 {
  if (hurries < 0) return hurries == NEVER_REST ? NEVER_REST : hurries + 1;
  if (found == 0) return 0;
  if (found >= LITTLE) return min(hurries, MOST_HURRIES / 2);
  const little = load<u32>(slot + LITTLE_FOUND);
  if (hurries < MOST_HURRIES) {
    if (hurries == 0 || <u32>found < little) store<u32>(slot + LITTLE_FOUND, <u32>found);
    return hurries + 1;
  }
  if (found > <u64>little) return MOST_HURRIES;
  const doubled = load<u32>(slot + DOUBLED);
  store<u32>(slot + DOUBLED, doubled < MOST_DOUBLED ? doubled + 1 : 0);
  return doubled < MOST_DOUBLED ? MOST_HURRIES : IN_VAIN;
}

/**
 * Bytes of whole records that lie one behind the other at the consumer's position, 0 when there are none. The run says
 * where; `take` gives them back. A tap's are a copy.
 */
export function poll(ring: usize, consumer: u32, framed: bool): u32 {
  const slot = slotOf(ring, consumer);
  let position = load<u64>(slot + POSITION);
  let seen = load<u64>(slot + SEEN);
  if (position == seen) {
    const hurries = load<i32>(slot + HURRIES);
    if (hurries == MOST_HURRIES) rest(slot);
    seen = published(ring);
    store<i32>(slot + HURRIES, hurriesAfter(slot, hurries, seen - position));
    if (position == seen) return 0;
    store<u64>(slot + SEEN, seen);
    noteLag(slot, seen - position);
  }
  const size = capacity(ring);
  let offset = <u32>position & (size - 1);
  let address = addressOf(ring, position);
  if (framed && load<u32>(address) == 0) {
    position += size - offset;
    address -= offset;
    offset = 0;
  }
  store<u32>(slot + RUN + RUN_ADDRESS, <u32>address);
  store<u64>(slot + RUN + RUN_POSITION, position);
  const left = <u64>(size - offset);
  return <u32>(seen - position < left ? seen - position : left);
}

/** Gives back `bytes` of what the last `poll` found. */
export function take(ring: usize, consumer: u32, bytes: u32, records: u32): void {
  const slot = slotOf(ring, consumer);
  advance(ring, consumer, load<u64>(slot + RUN + RUN_POSITION) + <u64>bytes, records);
}

/** `poll` for a tap: copies, then looks whether the bytes were still its to read. */
export function pollTap(ring: usize, consumer: u32): u32 {
  const slot = slotOf(ring, consumer);
  const size = capacity(ring);
  const copy = <usize>load<u32>(slot + COPY);
  for (;;) {
    let position = load<u64>(slot + POSITION);
    const to = published(ring);
    if (position == to) return 0;
    noteLag(slot, to - position);
    const offset = <u32>position & (size - 1);
    let bytes = <u64>(size - offset);
    if (to - position < bytes) bytes = to - position;
    if (bytes > <u64>load<u32>(slot + COPY_BYTES)) bytes = <u64>load<u32>(slot + COPY_BYTES);
    memory.copy(copy, addressOf(ring, position), <usize>bytes);
    // The copy's loads before the look at the claims: an atomic load alone keeps later loads behind it, not earlier ones before.
    fence(slot + FENCE);
    if (claimed(ring) > position + <u64>size) {
      // Some of it was claimed again. What is published now is the next place where a record is sure to begin.
      const now = published(ring);
      store<u64>(slot + OVERRUN_BYTES, load<u64>(slot + OVERRUN_BYTES) + (now - position));
      store<u64>(slot + EXPECTED, load<u64>(slot + EXPECTED) | OVERRUN);
      atomic.store<u64>(slot + POSITION, now);
      continue;
    }
    if (load<u32>(copy) == 0) {
      atomic.store<u64>(slot + POSITION, position + <u64>(size - offset));
      continue;
    }
    // Whole records only: the copy may end within one.
    let whole: usize = 0;
    while (whole < <usize>bytes) {
      const length = load<u32>(copy + whole) & 0x7fffffff;
      if (length == 0 || whole + <usize>padded(length) > <usize>bytes) break;
      whole += <usize>padded(length);
    }
    const expected = load<u64>(slot + EXPECTED);
    if ((expected & OVERRUN) != 0) {
      const lost = load<u32>(copy + (kind(ring) == KIND_EVENTS ? RECORD_SEQUENCE : FRAME_SEQUENCE)) - <u32>expected;
      store<u64>(slot + OVERRUN_RECORDS, load<u64>(slot + OVERRUN_RECORDS) + <u64>lost);
    }
    store<u32>(slot + RUN + RUN_ADDRESS, <u32>copy);
    store<u64>(slot + RUN + RUN_POSITION, position);
    return <u32>whole;
  }
}

/** Gives back what a tap has read, and says which sequence it expects next. */
export function takeTap(ring: usize, consumer: u32, bytes: u32, records: u32, expected: u32): void {
  store<u64>(slotOf(ring, consumer) + EXPECTED, <u64>expected);
  take(ring, consumer, bytes, records);
}

// --- event records ---

/**
 * Finds the records from `from` up to `to`, up to `maxBytes` (but one, however long) and up to the end of the ring.
 * Writes a run and returns its records; 0 when there is none, with the position behind it moved over padding.
 */
export function nextRun(ring: usize, consumer: u32, from: u64, to: u64, maxBytes: u32): u32 {
  const slot = slotOf(ring, consumer);
  const run = slot + RUN;
  const size = capacity(ring);
  let offset = <u32>from & (size - 1);
  const data = addressOf(ring, 0);
  if (from < to) noteLag(slot, to - from);
  if (from < to && load<u32>(data + offset) == 0) {
    from += size - offset;
    offset = 0;
  }
  let left = <u64>(size - offset);
  if (to - from < left) left = to - from;
  if (left > <u64>maxBytes) left = <u64>maxBytes;
  const start = data + offset;
  // A record longer than maxBytes is taken alone, so the first one isn't held against the limit.
  const limit = start + <usize>left;
  let p = start;
  let records: u32 = 0;
  let tombstones: u32 = 0;
  if (from < to) {
    do {
      const length = load<u32>(p);
      if (length == 0) break;
      const next = p + padded(length);
      if (next > limit && records > 0) break;
      tombstones += load<u8>(p + RECORD_FLAGS) & FLAG_TOMBSTONE ? 1 : 0;
      records++;
      p = next;
    } while (p < limit);
  }
  store<u32>(run + RUN_ADDRESS, <u32>start);
  store<u32>(run + RUN_LENGTH, <u32>(p - start));
  store<u32>(run + RUN_RECORDS, records);
  store<u32>(run + RUN_TOMBSTONES, tombstones);
  store<f64>(run + RUN_NEXT, <f64>(from + <u64>(p - start)));
  store<f64>(run + RUN_SEQUENCE, records > 0 ? <f64>load<u64>(start + RECORD_SEQUENCE) : 0);
  return records;
}
