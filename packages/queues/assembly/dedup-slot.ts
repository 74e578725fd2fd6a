// An id as an operation holds it, the slots that ids lie in, and what a slot's time says.

import { BUCKETS, NEVER, SIDE_BUCKETS, START } from "./dedup-layout";

export const FROZEN: u32 = 0x80000000;
export const TIME: u32 = 0x7fffffff;
export const HALF_RANGE: i64 = 1 << 30;
export const SLOTS: usize = 3;
export const HI_HALVES: usize = 24;
export const TIMES: usize = 48;

/**
 * Buckets that an id may be away from its first. At three quarters full the longest way among half a million ids is
 * about 180 slots (Knuth's linear probing: ln n / (load − 1 − ln load), less a lower term), 60 buckets.
 */
export const MAX_WALK: u32 = 256;

// An id as an operation holds it: 32 bytes.
export const LO: usize = 0;
export const HI: usize = 8;
export const AT: usize = 16;
export const KIND: usize = 20;
export const TAG: usize = 21;
export const MARK: usize = 22;
export const INDEX: usize = 23;
export const SLOT: usize = 24;
export const LINE: usize = 28;

/** Writes an id's item from its masked halves and its hash. */
// @ts-ignore: decorator
@inline
export function writeItem(dedup: usize, item: usize, lo: u64, hi: u64, hash: u32): void {
  const buckets = load<u32>(dedup + BUCKETS);
  let kind: u32 = 0;
  if (lo == 0) {
    lo = 1;
    kind = 1;
  }
  if (hi == 0) {
    hi = 1;
    kind |= 2;
  }
  const tag = hash & 255;
  const mark: u32 = 1 << ((hash >>> 8) & 7);
  store<u64>(item + LO, lo);
  store<u64>(item + HI, hi);
  store<u32>(item + AT, firstOf(kind, buckets) + <u32>((<u64>hash * <u64>bucketsOf(kind, buckets)) >> 32));
  store<u8>(item + KIND, <u8>kind);
  store<u8>(item + TAG, <u8>(tag != 0 ? tag : 1));
  store<u8>(item + MARK, <u8>mark);
}

// A slot's reference: its bucket's address plus 0, 1 or 2.

// @ts-ignore: decorator
@inline
export function loOf(slot: usize): usize {
  return (slot & ~63) + ((slot & 3) << 3);
}

// @ts-ignore: decorator
@inline
export function hiOf(slot: usize): usize {
  return (slot & ~63) + HI_HALVES + ((slot & 3) << 3);
}

// @ts-ignore: decorator
@inline
export function timeOf(slot: usize): usize {
  return (slot & ~63) + TIMES + ((slot & 3) << 2);
}

// Kinds of ids: 0 both halves are other than 0, 1 lo is 0, 2 hi is 0, 3 both are. A half of 0 is stored as 1; each kind
// has buckets of its own, so it stays exact.

// @ts-ignore: decorator
@inline
export function firstOf(kind: u32, buckets: u32): u32 {
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

/** The bucket after one, within the kind's. */
// @ts-ignore: decorator
@inline
export function after(at: u32, kind: u32, buckets: u32): u32 {
  const first = firstOf(kind, buckets);
  return at + 1 == first + bucketsOf(kind, buckets) ? first : at + 1;
}

/** Whether a time word of a generation says: accepted, and no longer than the window before `now`. */
// @ts-ignore: decorator
@inline
export function isRemembered(word: u32, entry: usize, now: i64, window: i64): bool {
  return (word & TIME) != 0 && now - acceptedAt(word, entry) <= window;
}

// @ts-ignore: decorator
@inline
export function acceptedAt(word: u32, entry: usize): i64 {
  return atomic.load<i64>(entry + START) - HALF_RANGE + <i64>((word & TIME) - 1);
}

/** Whether a clock is in the range of a generation's times; sets the generation's start if it has none yet. */
// @ts-ignore: decorator
@inline
export function inRange(entry: usize, now: i64): bool {
  let start = atomic.load<i64>(entry + START);
  if (start == NEVER) {
    start = atomic.cmpxchg<i64>(entry + START, NEVER, now);
    if (start == NEVER) return true;
  }
  return <u64>(now - start + HALF_RANGE) < <u64>TIME;
}
