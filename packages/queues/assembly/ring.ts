// The record ring: variable-length records, several producers, several consumers, published by cursor.
//
// A position is a count of bytes since the start (u64, a multiple of 8); a record at position p lies at data + p mod
// capacity and never wraps: what is left before the end is padding, marked by a length of 0.
//
// A producer claims bytes and sequences together by one compare-and-swap, fills them, and publishes. `published` moves
// from claim to claim in the order of the claims. A producer whose turn it is not marks its claim done and leaves;
// whoever moves `published` to the start of a claim that is done moves it on. So no producer ever waits for another,
// and stale bytes of an earlier lap can't be taken for a record: only `published` says what is one.
//
// Control block:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 ×2 | capacity in bytes (a power of two), address of the data |
// | 32 | u32 ×8 | parkers to wake on publication |
// | 64 | u32 ×8 | parkers to wake when space is freed and was wanted |
// | 96 | u32 ×8 | parkers to wake when the durable position moves |
// | 128 | u64 | claim: low half position / 8, high half next sequence, both modulo 2^32 |
// | 256 | u64 ×2 | published position, next sequence to be published |
// | 384 | i32 | space wanted: 1 while a producer waits for space |
// | 512 | u64 ×2 | durable position, next sequence to become durable |
// | 640 | u64 ×2 | position that producers ask skipping consumers to skip to; position that an acknowledgement waits for |
// | 768 + 128·i | | producer i of 16: i32 used, i32 done, u64 start, u64 end, u64 next sequence, u64 cached gate |
// | 2816 + 128·j | | consumer j of 8: u64 position, i32 state (0 none, 1 gating), u64 records consumed |
//
// Each is written by one side and has a pair of lines (128 bytes) of its own.

import { RECORD_FLAGS, FLAG_TOMBSTONE, RECORD_SEQUENCE, padded } from "@esc/events/assembly/record";
import { unpark } from "./parker";

const CAPACITY: usize = 0;
const DATA: usize = 4;
const ON_PUBLISH: usize = 32;
const ON_SPACE: usize = 64;
const ON_DURABLE: usize = 96;
const PARKERS: usize = 8;
const CLAIM: usize = 128;
const PUBLISHED: usize = 256;
const PUBLISHED_SEQUENCE: usize = 264;
const SPACE_WANTED: usize = 384;
const DURABLE: usize = 512;
const DURABLE_SEQUENCE: usize = 520;
const SKIP_TO: usize = 640;
const SYNC_TO: usize = 648;
const PRODUCERS: usize = 768;
const CONSUMERS: usize = 2816;
const SLOT: usize = 128;
const MAX_PRODUCERS: usize = 16;
const MAX_CONSUMERS: usize = 8;

export const RING_CONTROL_BYTES: usize = CONSUMERS + MAX_CONSUMERS * SLOT;

const USED: usize = 0;
const DONE: usize = 4;
const START: usize = 8;
const END: usize = 16;
const NEXT_SEQUENCE: usize = 24;
const GATE: usize = 32;

const POSITION: usize = 0;
const STATE: usize = 8;
const CONSUMED: usize = 16;

// --- set-up ---

/** Before any other thread has the ring. `sequence` is the first record's. */
export function ringInit(ring: usize, capacity: u32, data: usize, sequence: u64): void {
  store<u32>(ring + CAPACITY, capacity);
  store<u32>(ring + DATA, <u32>data);
  store<u64>(ring + PUBLISHED_SEQUENCE, sequence);
  store<u64>(ring + DURABLE_SEQUENCE, sequence);
  atomic.store<u64>(ring + CLAIM, (sequence & 0xffffffff) << 32);
}

/** Takes a free producer's slot; -1 when all 16 are taken. */
export function addProducer(ring: usize): i32 {
  for (let i: usize = 0; i < MAX_PRODUCERS; i++) {
    if (atomic.cmpxchg<i32>(ring + PRODUCERS + i * SLOT + USED, 0, 1) == 0) return <i32>i;
  }
  return -1;
}

/** Takes a free consumer's slot, gating from what is published now; -1 when all 8 are taken. */
export function addConsumer(ring: usize): i32 {
  for (let j: usize = 0; j < MAX_CONSUMERS; j++) {
    const consumer = ring + CONSUMERS + j * SLOT;
    if (atomic.cmpxchg<i32>(consumer + STATE, 0, 2) != 0) continue;
    atomic.store<u64>(consumer + POSITION, published(ring));
    atomic.store<i32>(consumer + STATE, 1);
    return <i32>j;
  }
  return -1;
}

/** A consumer that is gone gates nobody any more. */
export function removeConsumer(ring: usize, consumer: u32): void {
  atomic.store<i32>(ring + CONSUMERS + <usize>consumer * SLOT + STATE, 0);
  wakeProducers(ring);
}

function addParker(list: usize, parker: usize): bool {
  for (let i: usize = 0; i < PARKERS; i++) {
    const before = atomic.cmpxchg<u32>(list + (i << 2), 0, <u32>parker);
    if (before == 0 || before == <u32>parker) return true;
  }
  return false;
}

export function wakeOnPublish(ring: usize, parker: usize): bool {
  return addParker(ring + ON_PUBLISH, parker);
}

export function wakeOnSpace(ring: usize, parker: usize): bool {
  return addParker(ring + ON_SPACE, parker);
}

export function wakeOnDurable(ring: usize, parker: usize): bool {
  return addParker(ring + ON_DURABLE, parker);
}

function wakeAll(list: usize): void {
  for (let i: usize = 0; i < PARKERS; i++) {
    const parker = load<u32>(list + (i << 2));
    if (parker == 0) return;
    unpark(parker);
  }
}

// --- producers ---

// @ts-ignore: decorator
@inline
export function capacity(ring: usize): u32 {
  return load<u32>(ring + CAPACITY);
}

/** Where the record at `position` lies. */
// @ts-ignore: decorator
@inline
export function addressOf(ring: usize, position: u64): usize {
  return <usize>load<u32>(ring + DATA) + <usize>(<u32>position & (load<u32>(ring + CAPACITY) - 1));
}

// @ts-ignore: decorator
@inline
export function published(ring: usize): u64 {
  return atomic.load<u64>(ring + PUBLISHED);
}

// @ts-ignore: decorator
@inline
export function publishedSequence(ring: usize): u64 {
  return atomic.load<u64>(ring + PUBLISHED_SEQUENCE);
}

/**
 * The claim word. The published position and sequence must be loaded before it: then they are never ahead of it, and
 * `claimPosition` and `claimSequence` can widen its halves. Published and claimed are less than 2^32 apart in both.
 */
// @ts-ignore: decorator
@inline
export function claimWord(ring: usize): u64 {
  return atomic.load<u64>(ring + CLAIM);
}

// @ts-ignore: decorator
@inline
export function claimPosition(word: u64, publishedBefore: u64): u64 {
  return publishedBefore + (<u64>(<u32>word - <u32>(publishedBefore >> 3)) << 3);
}

// @ts-ignore: decorator
@inline
export function claimSequence(word: u64, publishedSequenceBefore: u64): u64 {
  return publishedSequenceBefore + <u64>(<u32>(word >> 32) - <u32>publishedSequenceBefore);
}

/** Claims `bytes` (padded sizes and wrap padding) and `count` sequences, if nobody has claimed since `word` was loaded. */
// @ts-ignore: decorator
@inline
export function tryClaim(ring: usize, word: u64, bytes: u32, count: u32): bool {
  const next = <u64>(<u32>word + (bytes >> 3)) | (<u64>(<u32>(word >> 32) + count) << 32);
  return atomic.cmpxchg<u64>(ring + CLAIM, word, next) == word;
}

/** The slowest gating consumer's position; `published` when there is none. */
function slowest(ring: usize): u64 {
  let least = published(ring);
  for (let j: usize = 0; j < MAX_CONSUMERS; j++) {
    const consumer = ring + CONSUMERS + j * SLOT;
    if (atomic.load<i32>(consumer + STATE) != 1) continue;
    const position = atomic.load<u64>(consumer + POSITION);
    if (position < least) least = position;
  }
  return least;
}

/** Bytes free behind `tail`: from the cached gate when that is at least `wanted`, else from the consumers' cursors. */
// @ts-ignore: decorator
@inline
export function freeBytes(ring: usize, producer: u32, tail: u64, wanted: u64): u64 {
  const slot = ring + PRODUCERS + <usize>producer * SLOT;
  const size = <u64>capacity(ring);
  // The cached gate may lag behind another producer's newer view: then tail - gate exceeds the capacity.
  const used = tail - load<u64>(slot + GATE);
  if (used <= size && size - used >= wanted) return size - used;
  const gate = slowest(ring);
  store<u64>(slot + GATE, gate);
  return size - (tail - gate);
}

/**
 * Whether the producer may claim. It may not while its last claim, done, waits for an earlier one of another producer:
 * a slot holds one claim. Treat it as a full ring.
 */
// @ts-ignore: decorator
@inline
export function mayClaim(ring: usize, producer: u32): bool {
  const slot = ring + PRODUCERS + <usize>producer * SLOT;
  if (load<i32>(slot + DONE) == 0) return true;
  if (published(ring) <= load<u64>(slot + START)) return false;
  atomic.store<i32>(slot + DONE, 0);
  return true;
}

/**
 * Says that space is wanted: the next consumer that moves wakes the parkers. Prepare the parker before, or that wake-up
 * finds nobody; look for space once more afterwards.
 */
export function wantSpace(ring: usize): void {
  atomic.store<i32>(ring + SPACE_WANTED, 1);
}

/** Asks consumers that skip to skip what is before `position`. */
export function askToSkip(ring: usize, position: u64): void {
  raise(ring + SKIP_TO, position);
  wakeAll(ring + ON_PUBLISH);
}

export function skipTarget(ring: usize): u64 {
  return atomic.load<u64>(ring + SKIP_TO);
}

/** Asks the log to make everything before `position` durable without waiting for its interval. */
export function askToSync(ring: usize, position: u64): void {
  if (atomic.load<u64>(ring + SYNC_TO) >= position) return;
  raise(ring + SYNC_TO, position);
  wakeAll(ring + ON_PUBLISH);
}

export function syncTarget(ring: usize): u64 {
  return atomic.load<u64>(ring + SYNC_TO);
}

/** Stores the greater of the two. */
function raise(p: usize, value: u64): void {
  let seen = atomic.load<u64>(p);
  while (seen < value) {
    const before = atomic.cmpxchg<u64>(p, seen, value);
    if (before == seen) return;
    seen = before;
  }
}

/** Publishes the claim [start, end), whose records are complete; `nextSequence` is the one after its last. Never waits. */
export function publish(ring: usize, producer: u32, start: u64, end: u64, nextSequence: u64): void {
  if (published(ring) == start) {
    // It is this claim's turn, and nobody else can move the position: it isn't marked done. The sequence goes first,
    // so that who sees the position sees a sequence that is at least as new.
    atomic.store<u64>(ring + PUBLISHED_SEQUENCE, nextSequence);
    atomic.store<u64>(ring + PUBLISHED, end);
  } else {
    const slot = ring + PRODUCERS + <usize>producer * SLOT;
    store<u64>(slot + END, end);
    store<u64>(slot + NEXT_SEQUENCE, nextSequence);
    atomic.store<u64>(slot + START, start);
    atomic.store<i32>(slot + DONE, 1);
  }
  // Marking and this look at the position are both sequentially consistent, as are the other's move of the position
  // and its look at the marks: one of the two sees the other, so a claim that is done is never left behind.
  while (publishNext(ring)) {}
  wakeAll(ring + ON_PUBLISH);
}

/** Publishes a claim that is done and whose turn it is; false when there is none. */
function publishNext(ring: usize): bool {
  const position = published(ring);
  for (let i: usize = 0; i < MAX_PRODUCERS; i++) {
    const slot = ring + PRODUCERS + i * SLOT;
    if (atomic.load<i32>(slot + USED) == 0) return false;
    if (atomic.load<i32>(slot + DONE) == 0 || atomic.load<u64>(slot + START) != position) continue;
    const end = atomic.load<u64>(slot + END);
    raise(ring + PUBLISHED_SEQUENCE, atomic.load<u64>(slot + NEXT_SEQUENCE));
    // Fails when another helper was faster; then the slot may already hold a newer claim, and `end` may be that one's:
    // positions only grow, so the comparison with the old position keeps it out.
    atomic.cmpxchg<u64>(ring + PUBLISHED, position, end);
    return true;
  }
  return false;
}

// --- consumers ---

// @ts-ignore: decorator
@inline
export function consumerPosition(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(ring + CONSUMERS + <usize>consumer * SLOT + POSITION);
}

export function consumerCount(ring: usize, consumer: u32): u64 {
  return atomic.load<u64>(ring + CONSUMERS + <usize>consumer * SLOT + CONSUMED);
}

/** Moves a consumer's cursor; the bytes before it may be claimed again. That consumer's thread only. */
export function advance(ring: usize, consumer: u32, position: u64, records: u32): void {
  const slot = ring + CONSUMERS + <usize>consumer * SLOT;
  atomic.store<u64>(slot + CONSUMED, load<u64>(slot + CONSUMED) + records);
  atomic.store<u64>(slot + POSITION, position);
  wakeProducers(ring);
}

function wakeProducers(ring: usize): void {
  if (atomic.load<i32>(ring + SPACE_WANTED) != 0) {
    atomic.store<i32>(ring + SPACE_WANTED, 0);
    wakeAll(ring + ON_SPACE);
  }
}

export function durable(ring: usize): u64 {
  return atomic.load<u64>(ring + DURABLE);
}

export function durableSequence(ring: usize): u64 {
  return atomic.load<u64>(ring + DURABLE_SEQUENCE);
}

/** Says that everything before `position` is durable. The log's thread only. */
export function publishDurable(ring: usize, position: u64, nextSequence: u64): void {
  atomic.store<u64>(ring + DURABLE_SEQUENCE, nextSequence);
  atomic.store<u64>(ring + DURABLE, position);
  wakeAll(ring + ON_DURABLE);
}

// A run: whole records that lie one behind the other, as `nextRun` found them.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | address of the first record |
// | 4 | u32 | bytes, padding of the records included |
// | 8 | u32 | records |
// | 12 | u32 | tombstones among them |
// | 16 | u64 | position behind it |
// | 24 | u64 | sequence of the first record |

export const RUN_BYTES: usize = 32;
export const RUN_ADDRESS: usize = 0;
export const RUN_LENGTH: usize = 4;
export const RUN_RECORDS: usize = 8;
export const RUN_TOMBSTONES: usize = 12;
export const RUN_NEXT: usize = 16;
export const RUN_SEQUENCE: usize = 24;

/**
 * Finds the records from `from` up to `to`, up to `maxBytes` (but one, however long) and up to the end of the ring.
 * Writes a run and returns its records; 0 when there is none, with the position behind it moved over padding.
 */
export function nextRun(ring: usize, from: u64, to: u64, maxBytes: u32, run: usize): u32 {
  const size = capacity(ring);
  let offset = <u32>from & (size - 1);
  const data = <usize>load<u32>(ring + DATA);
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
  store<u64>(run + RUN_NEXT, from + <u64>(p - start));
  store<u64>(run + RUN_SEQUENCE, records > 0 ? load<u64>(start + RECORD_SEQUENCE) : 0);
  return records;
}
