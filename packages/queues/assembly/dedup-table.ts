// One generation's table: open addressing over buckets of a cache line, three slots each. A slot's halves are written
// once, by compare-and-swap, until the table is cleared; so what a walk has passed stays passed.
//
// - Placing: lo from 0, then hi from 0. Whoever wins hi owns the slot, also if another thread won lo (the same value, or
//   it would have gone on). Two threads with the same id pass the same slots and end at the same one.
// - Accepting: the time, by compare-and-swap. A slot that is placed and has no time isn't accepted: the order of the
//   writes misleads no reader, and a thread that dies between them has accepted nothing.
// - Freezing: a bit in the time says that nothing is accepted in this slot any more.

import { NEVER, NEWEST, OLDEST, SIDE_BUCKETS, START, lower, raise } from "./dedup-layout";

const FROZEN: u32 = 0x80000000;
const TIME: u32 = 0x7fffffff;
const HALF_RANGE: i64 = 1 << 30;
const SLOTS: u32 = 3;
const HI: usize = 24;
const TIMES: usize = 48;

/**
 * Buckets that an id may be away from its first. At three quarters full the longest way among half a million ids is
 * about 60 (Knuth's linear probing: ln n / (load − 1 − ln load) slots, less a lower term).
 */
const MAX_WALK: u32 = 256;

/** Outcomes of an attempt to accept. */
export const NEW: u32 = 1;
export const DUPLICATE: u32 = 0;
export const FULL: u32 = 2;
export const MOVED: u32 = 3;
/** Added to an outcome when a slot was taken for the id. */
export const PLACED: u32 = 4;

// A slot's reference: its bucket's address plus 0, 1 or 2; bit 2 says that its id was placed by this call.
const PLACED_BIT: usize = 4;

// @ts-ignore: decorator
@inline
function loOf(slot: usize): usize {
  return (slot & ~63) + ((slot & 3) << 3);
}

// @ts-ignore: decorator
@inline
function hiOf(slot: usize): usize {
  return (slot & ~63) + HI + ((slot & 3) << 3);
}

// @ts-ignore: decorator
@inline
function timeOf(slot: usize): usize {
  return (slot & ~63) + TIMES + ((slot & 3) << 2);
}

// Kinds of ids: 0 both halves are other than 0, 1 lo is 0, 2 hi is 0, 3 both are. A half of 0 is stored as 1; each kind
// has buckets of its own, so it stays exact.

// @ts-ignore: decorator
@inline
function firstOf(kind: u32, buckets: u32): u32 {
  return kind == 0 ? 0 : buckets + (kind - 1) * SIDE_BUCKETS;
}

// @ts-ignore: decorator
@inline
export function bucketsOf(kind: u32, buckets: u32): u32 {
  return kind == 0 ? buckets : kind == 3 ? 1 : SIDE_BUCKETS;
}

/** The kind of the ids in a bucket. */
export function kindOf(bucket: u32, buckets: u32): u32 {
  return bucket < buckets ? 0 : min(3, 1 + (bucket - buckets) / SIDE_BUCKETS);
}

/** The slot where an id is or would be placed; 0 when its buckets are all taken by others, which they then stay. */
// @ts-ignore: decorator
@inline
export function walk(table: usize, buckets: u32, kind: u32, at: u32, lo: u64, hi: u64): usize {
  const size = bucketsOf(kind, buckets);
  const first = table + (<usize>firstOf(kind, buckets) << 6);
  let left = min(size, MAX_WALK);
  do {
    const bucket = first + (<usize>at << 6);
    for (let i: usize = 0; i < SLOTS; i++) {
      const held = atomic.load<u64>(bucket + (i << 3));
      if (held == 0) return bucket + i;
      if (held == lo) {
        const other = atomic.load<u64>(bucket + HI + (i << 3));
        if (other == hi || other == 0) return bucket + i;
      }
    }
    if (++at == size) at = 0;
  } while (--left > 0);
  return 0;
}

/** The slot's time word if it is this id's, else 0. */
// @ts-ignore: decorator
@inline
export function timeWord(slot: usize, lo: u64, hi: u64): u32 {
  if (slot == 0 || atomic.load<u64>(loOf(slot)) != lo || atomic.load<u64>(hiOf(slot)) != hi) return 0;
  return atomic.load<u32>(timeOf(slot));
}

/** Whether a time word of a generation says: accepted, and no longer than the window before `now`. */
// @ts-ignore: decorator
@inline
export function remembered(word: u32, generation: usize, now: i64, window: i64): bool {
  const time = word & TIME;
  return time != 0 && now - acceptedAt(time, generation) <= window;
}

// @ts-ignore: decorator
@inline
export function acceptedAt(word: u32, generation: usize): i64 {
  return atomic.load<i64>(generation + START) - HALF_RANGE + <i64>((word & TIME) - 1);
}

/** Places an id at `slot`, where a walk stopped, or where the next walk stops; 0 when its buckets are all taken. */
function place(slot: usize, table: usize, buckets: u32, kind: u32, at: u32, lo: u64, hi: u64): usize {
  while (true) {
    if (slot == 0) return 0;
    const held = atomic.cmpxchg<u64>(loOf(slot), 0, lo);
    if (held == 0 || held == lo) {
      const other = atomic.cmpxchg<u64>(hiOf(slot), 0, hi);
      if (other == 0) return slot | PLACED_BIT;
      if (other == hi) return slot;
    }
    slot = walk(table, buckets, kind, at, lo, hi);
  }
}

/**
 * Accepts an id in a generation's table, from the slot where a walk stopped: NEW, DUPLICATE, FULL (no slot, or the clock
 * is out of the generation's range), or MOVED (the slot is frozen: ask the next generation).
 */
export function accept(
  slot: usize, table: usize, generation: usize, buckets: u32, kind: u32, at: u32, lo: u64, hi: u64, now: i64, window: i64,
): u32 {
  const time = now - atomic.load<i64>(generation + START) + HALF_RANGE;
  if (<u64>time >= <u64>TIME) {
    return remembered(timeWord(slot, lo, hi), generation, now, window) ? DUPLICATE : FULL;
  }
  const placed = place(slot, table, buckets, kind, at, lo, hi);
  if (placed == 0) return FULL;
  const taken = placed & PLACED_BIT ? PLACED : 0;
  slot = placed & ~PLACED_BIT;
  let word = atomic.load<u32>(timeOf(slot));
  while (true) {
    if (remembered(word, generation, now, window)) return DUPLICATE | taken;
    if (word & FROZEN) return MOVED | taken;
    // Before the time: what is remembered is never newer than what the generation says.
    raise(generation + NEWEST, now);
    lower(generation + OLDEST, now);
    const before = atomic.cmpxchg<u32>(timeOf(slot), word, <u32>time + 1);
    if (before == word) return NEW | taken;
    word = before;
  }
}

/** Makes sure that an id is not accepted in a generation's table from now on; false when it has been, within the window. */
export function freeze(
  slot: usize, table: usize, generation: usize, buckets: u32, kind: u32, at: u32, lo: u64, hi: u64, now: i64, window: i64,
): bool {
  slot = place(slot, table, buckets, kind, at, lo, hi) & ~PLACED_BIT;
  // Without a slot for the id, nobody else has one either, nor will.
  if (slot == 0) return true;
  let word = atomic.load<u32>(timeOf(slot));
  while (true) {
    if (remembered(word, generation, now, window)) return false;
    if (word & FROZEN) return true;
    const before = atomic.cmpxchg<u32>(timeOf(slot), word, word | FROZEN);
    if (before == word) return true;
    word = before;
  }
}

/** Ids in a bucket that were accepted no longer than the window before `now`. */
export function rememberedIn(bucket: usize, generation: usize, now: i64, window: i64): u32 {
  let count: u32 = 0;
  for (let i: usize = 0; i < SLOTS; i++) {
    if (remembered(atomic.load<u32>(bucket + TIMES + (i << 2)), generation, now, window)) count++;
  }
  return count;
}

/**
 * Writes the accepted ids of a bucket at `to`: 16 bytes id, f64 time in ms; returns how many. The caller's operation keeps the
 * table from being cleared.
 */
export function exportBucket(bucket: usize, kind: u32, generation: usize, loMask: u64, hiMask: u64, to: usize): u32 {
  let count: u32 = 0;
  for (let i: usize = 0; i < SLOTS; i++) {
    const word = atomic.load<u32>(bucket + TIMES + (i << 2));
    if ((word & TIME) == 0) continue;
    store<u64>(to, (kind & 1 ? 0 : atomic.load<u64>(bucket + (i << 3))) ^ loMask);
    store<u64>(to + 8, (kind & 2 ? 0 : atomic.load<u64>(bucket + HI + (i << 3))) ^ hiMask);
    store<f64>(to + 16, <f64>acceptedAt(word, generation));
    to += 24;
    count++;
  }
  return count;
}

/** Whether a clock is in the range of a generation's times; sets the generation's start if it has none yet. */
// @ts-ignore: decorator
@inline
export function inRange(generation: usize, now: i64): bool {
  let start = atomic.load<i64>(generation + START);
  if (start == NEVER) {
    start = atomic.cmpxchg<i64>(generation + START, NEVER, now);
    if (start == NEVER) return true;
  }
  return <u64>(now - start + HALF_RANGE) < <u64>TIME;
}
