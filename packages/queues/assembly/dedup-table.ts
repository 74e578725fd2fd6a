// The generations' tables: open addressing over buckets of a cache line, three slots each. A slot's halves are written once, by
// compare-and-swap, until its table is cleared; so what a walk has passed stays passed.
//
// - Placing: lo from 0, then hi from 0. Whoever wins hi owns the slot, also if another thread won lo (the same value, or
//   it would have gone on). Two threads with the same id pass the same slots and end at the same one.
// - Accepting: the time, by compare-and-swap. A slot that is placed and has no time isn't accepted: the order of the
//   writes misleads no reader, and a thread that dies between them has accepted nothing.
// - Freezing: a bit in the time says that nothing is accepted in this slot any more.
// - Tags are in place before the time is, whoever accepts: who looks for an accepted id finds the way by them. Placing doesn't
//   go by tags.

import { BUCKETS, NEWEST, OLDEST, START, bucketAt, entryAt, lower, raise, tagsAt } from "./dedup-layout";
import {
  AT, FROZEN, HALF_RANGE, HI, HI_HALVES, KIND, LO, MAX_WALK, SLOTS, TAG, TIME, TIMES, acceptedAt, after, bucketsOf, hiOf,
  isRemembered, kindOf, loOf, timeOf,
} from "./dedup-slot";
import { remembers, tableBits, tagSlot } from "./dedup-tags";

/** Outcomes of an attempt to accept. */
export const DUPLICATE: u32 = 0;
export const NEW: u32 = 1;
export const FULL: u32 = 2;
export const MOVED: u32 = 3;
/** Added to NEW when the slot had no acceptance before: what a generation's ids are counted by. */
export const FIRST: u32 = 4;

/** The slot where an id is or would be placed; 0 when its buckets are all taken by others, which they then stay. */
// @ts-ignore: decorator
@inline
function walk(dedup: usize, index: u32, item: usize): usize {
  const lo = load<u64>(item + LO);
  const hi = load<u64>(item + HI);
  const kind = <u32>load<u8>(item + KIND);
  const buckets = load<u32>(dedup + BUCKETS);
  let at = load<u32>(item + AT);
  const tag = <u32>load<u8>(item + TAG);
  let left = min(bucketsOf(kind, buckets), MAX_WALK);
  do {
    const bucket = bucketAt(dedup, index, at);
    let tags = atomic.load<u32>(tagsAt(dedup, at) + (<usize>index << 2));
    for (let i: usize = 0; i < SLOTS; i++, tags >>>= 8) {
      // Another id's tag is another id's slot, and stays it: its line needn't be loaded.
      if ((tags & 255) != 0 && (tags & 255) != tag) continue;
      const held = atomic.load<u64>(bucket + (i << 3));
      if (held == 0) return bucket + i;
      if (held == lo) {
        const other = atomic.load<u64>(bucket + HI_HALVES + (i << 3));
        if (other == hi || other == 0) return bucket + i;
      }
    }
    at = after(at, kind, buckets);
  } while (--left > 0);
  return 0;
}

/** Places an id, if it isn't; its slot, or 0 when its buckets are all taken. */
function place(dedup: usize, index: u32, item: usize): usize {
  const lo = load<u64>(item + LO);
  const hi = load<u64>(item + HI);
  while (true) {
    const slot = walk(dedup, index, item);
    if (slot == 0) return 0;
    const held = atomic.cmpxchg<u64>(loOf(slot), 0, lo);
    if (held == 0 || held == lo) {
      const other = atomic.cmpxchg<u64>(hiOf(slot), 0, hi);
      if (other == 0 || other == hi) return slot;
    }
  }
}

/**
 * Accepts an id in a generation: NEW, DUPLICATE, FULL (no slot, or the clock is out of the generation's range), or MOVED (the
 * slot is frozen: ask the next generation).
 */
// @ts-ignore: decorator
@inline
export function accept(dedup: usize, index: u32, item: usize, now: i64, window: i64): u32 {
  const entry = entryAt(dedup, index);
  const time = now - atomic.load<i64>(entry + START) + HALF_RANGE;
  if (<u64>time >= <u64>TIME) return remembers(dedup, tableBits(index), item, now, window) ? DUPLICATE : FULL;
  const slot = place(dedup, index, item);
  if (slot == 0) return FULL;
  let word = atomic.load<u32>(timeOf(slot));
  while (true) {
    if (isRemembered(word, entry, now, window)) return DUPLICATE;
    if (word & FROZEN) return MOVED;
    // Before the time: what is remembered can be found, and is never newer than what the generation says.
    tagSlot(dedup, index, item, slot);
    raise(entry + NEWEST, now);
    lower(entry + OLDEST, now);
    const before = atomic.cmpxchg<u32>(timeOf(slot), word, <u32>time + 1);
    if (before == word) return word == 0 ? NEW | FIRST : NEW;
    word = before;
  }
}

/** Makes sure that an id is not accepted in a generation from now on; false when it has been, within the window. */
export function freeze(dedup: usize, index: u32, item: usize, now: i64, window: i64): bool {
  const entry = entryAt(dedup, index);
  const slot = place(dedup, index, item);
  // Without a slot for the id, nobody else has one either, nor will.
  if (slot == 0) return true;
  let word = atomic.load<u32>(timeOf(slot));
  while (true) {
    if (isRemembered(word, entry, now, window)) return false;
    if (word & FROZEN) return true;
    const before = atomic.cmpxchg<u32>(timeOf(slot), word, word | FROZEN);
    if (before == word) return true;
    word = before;
  }
}

/** Clears a bucket and its tags. Nobody reads the table. */
// @ts-ignore: decorator
@inline
export function clearBucket(dedup: usize, index: u32, bucket: u32): void {
  const address = bucketAt(dedup, index, bucket);
  const zero = i64x2.splat(0);
  v128.store(address, zero);
  v128.store(address, zero, 16);
  v128.store(address, zero, 32);
  v128.store(address, zero, 48);
  store<u32>(tagsAt(dedup, bucket) + (<usize>index << 2), 0);
}

/**
 * Ids in a bucket that were accepted no longer than the window before `now`. Plain loads: nobody writes it, or it is a count of
 * no exact moment.
 */
export function rememberedIn(dedup: usize, index: u32, bucket: u32, now: i64, window: i64): u32 {
  const address = bucketAt(dedup, index, bucket);
  let count: u32 = 0;
  for (let i: usize = 0; i < SLOTS; i++) {
    if (isRemembered(load<u32>(address + TIMES + (i << 2)), entryAt(dedup, index), now, window)) count++;
  }
  return count;
}

/**
 * Writes the accepted ids of a bucket at `to`: 16 bytes id, f64 time in ms; returns how many. The caller's operation keeps the
 * table from being cleared.
 */
export function exportBucket(dedup: usize, index: u32, bucket: u32, loMask: u64, hiMask: u64, to: usize): u32 {
  const address = bucketAt(dedup, index, bucket);
  const kind = kindOf(bucket, load<u32>(dedup + BUCKETS));
  let count: u32 = 0;
  for (let i: usize = 0; i < SLOTS; i++) {
    const word = atomic.load<u32>(address + TIMES + (i << 2));
    if ((word & TIME) == 0) continue;
    store<u64>(to, (kind & 1 ? 0 : atomic.load<u64>(address + (i << 3))) ^ loMask);
    store<u64>(to, (kind & 2 ? 0 : atomic.load<u64>(address + HI_HALVES + (i << 3))) ^ hiMask, 8);
    store<f64>(to, <f64>acceptedAt(word, entryAt(dedup, index)), 16);
    to += 24;
    count++;
  }
  return count;
}
