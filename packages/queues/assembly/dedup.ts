// The deduplicator's operations: have I accepted this 128-bit id within the window? Lock-free, any number of threads up to
// the bound, no waiting. `docs/deduplicator.md` has the proofs.
//
// Ids come in groups of up to 32: one announcement for all, and their cache misses overlap, since a group's buckets are
// touched before the first is looked at.

import {
  ACCEPTED, BUCKETS, CLEAN, COUNT, DUPLICATES, FORGOTTEN_AT_ONCE, FORGOTTEN_UP_TO, GENERATION_IDS, GROUP, KEY, NEWEST, WINDOW,
  WORK, WORK_BYTES, generationAt, raise, tableAt, threadAt,
} from "./dedup-layout";
import { announce, clearSome, enter, leave, oldestReadable, phaseOf, tryAdvance } from "./dedup-phase";
import { DUPLICATE, FULL, MOVED, NEW, PLACED, accept, bucketsOf, freeze, remembered, timeWord, walk } from "./dedup-table";

const LO: usize = 0;
const HI: usize = 8;
const AT: usize = 16;
const KIND: usize = 20;

/**
 * Reads an id into a group. The masks make halves of 0 as rare as the key is hard to guess, whatever the ids look like. The
 * hash is Thorup's pair-multiply-shift ("High Speed Hashing for Integers and Strings", 2015), strongly universal: who
 * doesn't know the key can't aim ids at one bucket. The last steps are a bijection, so they keep that, and spread the
 * evenly spaced values that counters give.
 */
// @ts-ignore: decorator
@inline
function prepare(dedup: usize, item: usize, id: usize): void {
  let lo = load<u64>(id) ^ load<u64>(dedup + KEY);
  let hi = load<u64>(id, 8) ^ load<u64>(dedup + KEY, 8);
  const product =
    (load<u64>(dedup + KEY, 16) + (lo & 0xffffffff)) * (load<u64>(dedup + KEY, 24) + (lo >> 32)) +
    (load<u64>(dedup + KEY, 32) + (hi & 0xffffffff)) * (load<u64>(dedup + KEY, 40) + (hi >> 32)) +
    load<u64>(dedup + KEY, 48);
  let hash = <u32>(product >> 32);
  hash ^= hash >>> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >>> 13;
  let kind: u32 = 0;
  if (lo == 0) {
    lo = 1;
    kind = 1;
  }
  if (hi == 0) {
    hi = 1;
    kind |= 2;
  }
  store<u64>(item + LO, lo);
  store<u64>(item + HI, hi);
  store<u32>(item + AT, <u32>((<u64>hash * <u64>bucketsOf(kind, load<u32>(dedup + BUCKETS))) >> 32));
  store<u32>(item + KIND, kind);
}

/** Loads each id's bucket in a table and gives back something that depends on them all. */
// @ts-ignore: decorator
@inline
function touch(table: usize, work: usize, count: u32): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) sum |= load<u64>(table + (<usize>load<u32>(work + <usize>i * WORK_BYTES + AT) << 6));
  return sum;
}

/** Whether the generations from `to` down to `from` remember an id. One whose newest acceptance is out of the window can't. */
// @ts-ignore: decorator
@inline
function inOlder(dedup: usize, from: u64, to: u64, item: usize, now: i64, window: i64): bool {
  const lo = load<u64>(item + LO);
  const hi = load<u64>(item + HI);
  const at = load<u32>(item + AT);
  const kind = load<u32>(item + KIND);
  const buckets = load<u32>(dedup + BUCKETS);
  for (let generation = to + 1; generation-- > from; ) {
    const entry = generationAt(dedup, generation);
    if (!mayRemember(entry, now, window)) continue;
    const slot = walk(tableAt(dedup, generation), buckets, kind, at, lo, hi);
    if (remembered(timeWord(slot, lo, hi), entry, now, window)) return true;
  }
  return false;
}

// @ts-ignore: decorator
@inline
function mayRemember(generation: usize, now: i64, window: i64): bool {
  const newest = atomic.load<i64>(generation + NEWEST);
  return newest != i64.MIN_VALUE && now - newest <= window;
}

/** Settled: generation k arbitrates; the older ones are only read, nobody accepts in them any more. */
// @ts-ignore: decorator
@inline
function checkSettled(dedup: usize, k: u64, oldest: u64, item: usize, now: i64, window: i64): u32 {
  const lo = load<u64>(item + LO);
  const hi = load<u64>(item + HI);
  const at = load<u32>(item + AT);
  const kind = load<u32>(item + KIND);
  const buckets = load<u32>(dedup + BUCKETS);
  const table = tableAt(dedup, k);
  const entry = generationAt(dedup, k);
  const slot = walk(table, buckets, kind, at, lo, hi);
  if (remembered(timeWord(slot, lo, hi), entry, now, window)) return DUPLICATE;
  if (k > oldest && inOlder(dedup, oldest, k - 1, item, now, window)) return DUPLICATE;
  return accept(slot, table, entry, buckets, kind, at, lo, hi, now, window);
}

/**
 * On the way from k to k + 1: the id's slot in k is frozen first. From then on nobody accepts it in k, whichever phase he is
 * in, and k + 1 arbitrates between all. If k remembers it, it is a duplicate for all.
 */
function checkOnTheWay(dedup: usize, k: u64, oldest: u64, item: usize, now: i64, window: i64): u32 {
  const lo = load<u64>(item + LO);
  const hi = load<u64>(item + HI);
  const at = load<u32>(item + AT);
  const kind = load<u32>(item + KIND);
  const buckets = load<u32>(dedup + BUCKETS);
  if (k > oldest && inOlder(dedup, oldest, k - 1, item, now, window)) return DUPLICATE;
  const table = tableAt(dedup, k);
  const slot = walk(table, buckets, kind, at, lo, hi);
  if (!freeze(slot, table, generationAt(dedup, k), buckets, kind, at, lo, hi, now, window)) return DUPLICATE;
  const nextTable = tableAt(dedup, k + 1);
  const nextSlot = walk(nextTable, buckets, kind, at, lo, hi);
  return accept(nextSlot, nextTable, generationAt(dedup, k + 1), buckets, kind, at, lo, hi, now, window);
}

/** Checks and inserts a prepared group; writes 1 (new) or 0 at `isNew` for each and returns how many are new. */
function checkGroup(dedup: usize, slot: u32, count: u32, now: i64, window: i64, isNew: usize): u32 {
  const thread = threadAt(dedup, slot);
  const work = thread + WORK;
  let accepted: u32 = 0;
  let i: u32 = 0;
  do {
    const phase = enter(dedup, thread, now);
    const k = phase >> 1;
    const oldest = oldestReadable(dedup, phase);
    const settled = (phase & 1) == 0;
    const entry = generationAt(dedup, k + (phase & 1));
    if (i == 0 && count > 1) {
      let sum = touch(tableAt(dedup, k), work, count);
      for (let older = k; older-- > oldest; ) {
        if (mayRemember(generationAt(dedup, older), now, window)) sum |= touch(tableAt(dedup, older), work, count);
      }
      // Stored where it is overwritten, so that the loads aren't optimized away.
      store<u8>(isNew, <u8>sum);
    }
    const held = atomic.load<u32>(entry + COUNT);
    const limit = load<u32>(dedup + GENERATION_IDS);
    let placed: u32 = 0;
    while (i < count) {
      // Full: the next id goes into the next generation, if it can. The first of an entry goes on in any case.
      if (placed > 0 && held + placed >= limit) break;
      const item = work + <usize>i * WORK_BYTES;
      let outcome = settled
        ? checkSettled(dedup, k, oldest, item, now, window)
        : checkOnTheWay(dedup, k, oldest, item, now, window);
      placed += outcome >> 2;
      outcome &= 3;
      if (outcome == MOVED) break;
      if (outcome == FULL) {
        while (clearSome(dedup, slot, phase, u32.MAX_VALUE)) {}
        if (tryAdvance(dedup, phase, now)) break;
        // No room, and another thread holds the phase: the id is accepted and forgotten at once, and that is said.
        raise(dedup + FORGOTTEN_UP_TO, now);
        bump(thread + FORGOTTEN_AT_ONCE, 1);
        outcome = NEW;
      }
      store<u8>(isNew + i, <u8>outcome);
      accepted += outcome;
      i++;
    }
    if (placed > 0) atomic.add<u32>(entry + COUNT, placed);
    if (settled && atomic.load<u64>(dedup + CLEAN) <= k) clearSome(dedup, slot, phase, count + 7);
    leave(thread);
  } while (i < count);
  bump(thread + ACCEPTED, accepted);
  bump(thread + DUPLICATES, count - accepted);
  return accepted;
}

/** Adds to a count that only this thread writes. */
// @ts-ignore: decorator
@inline
function bump(p: usize, by: u32): void {
  if (by > 0) atomic.store<u64>(p, load<u64>(p) + by);
}

/** Looks a prepared group up; writes 1 (remembered) or 0 at `found` for each and returns how many are. */
function findGroup(dedup: usize, slot: u32, count: u32, now: i64, found: usize): u32 {
  const thread = threadAt(dedup, slot);
  const work = thread + WORK;
  const window = load<i64>(dedup + WINDOW);
  const phase = announce(dedup, thread);
  const newest = (phase + 1) >> 1;
  const oldest = oldestReadable(dedup, phase);
  if (count > 1) {
    let sum: u64 = 0;
    for (let generation = newest + 1; generation-- > oldest; ) {
      if (mayRemember(generationAt(dedup, generation), now, window)) sum |= touch(tableAt(dedup, generation), work, count);
    }
    store<u8>(found, <u8>sum);
  }
  let hits: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const hit = inOlder(dedup, oldest, newest, work + <usize>i * WORK_BYTES, now, window);
    store<u8>(found + i, hit ? 1 : 0);
    hits += hit ? 1 : 0;
  }
  leave(thread);
  return hits;
}

/**
 * Checks and inserts `count` ids that lie one behind the other at `ids` (16 bytes each, any alignment): `isNew` becomes 1 for
 * each that was not accepted within the window before `now` (ms), else 0. Returns how many are new. Only the thread that
 * took `slot`.
 */
export function checkAndInsertMany(dedup: usize, slot: u32, ids: usize, count: u32, now: i64, isNew: usize): u32 {
  return insertMany(dedup, slot, ids, count, now, load<i64>(dedup + WINDOW), isNew);
}

function insertMany(dedup: usize, slot: u32, ids: usize, count: u32, now: i64, window: i64, isNew: usize): u32 {
  const work = threadAt(dedup, slot) + WORK;
  let accepted: u32 = 0;
  while (count > 0) {
    const group = min(count, GROUP);
    for (let i: u32 = 0; i < group; i++) prepare(dedup, work + <usize>i * WORK_BYTES, ids + (<usize>i << 4));
    accepted += checkGroup(dedup, slot, group, now, window, isNew);
    ids += <usize>group << 4;
    isNew += group;
    count -= group;
  }
  return accepted;
}

/** `checkAndInsertMany` for ids that lie anywhere, in records for example: `addresses` are `count` u32 addresses of ids. */
export function checkAndInsertAt(dedup: usize, slot: u32, addresses: usize, count: u32, now: i64, isNew: usize): u32 {
  const work = threadAt(dedup, slot) + WORK;
  const window = load<i64>(dedup + WINDOW);
  let accepted: u32 = 0;
  while (count > 0) {
    const group = min(count, GROUP);
    for (let i: u32 = 0; i < group; i++) {
      prepare(dedup, work + <usize>i * WORK_BYTES, <usize>load<u32>(addresses + (<usize>i << 2)));
    }
    accepted += checkGroup(dedup, slot, group, now, window, isNew);
    addresses += <usize>group << 2;
    isNew += group;
    count -= group;
  }
  return accepted;
}

/** Puts in an id that was accepted at `time`, unless one as new or newer is remembered. */
export function restoreOne(dedup: usize, slot: u32, id: usize, time: i64, isNew: usize): u32 {
  return insertMany(dedup, slot, id, 1, time, 0, isNew);
}

/** Looks `count` ids up: `found` becomes 1 for each that was accepted within the window before `now`, else 0. */
export function findMany(dedup: usize, slot: u32, ids: usize, count: u32, now: i64, found: usize): u32 {
  const work = threadAt(dedup, slot) + WORK;
  let hits: u32 = 0;
  while (count > 0) {
    const group = min(count, GROUP);
    for (let i: u32 = 0; i < group; i++) prepare(dedup, work + <usize>i * WORK_BYTES, ids + (<usize>i << 4));
    hits += findGroup(dedup, slot, group, now, found);
    ids += <usize>group << 4;
    found += group;
    count -= group;
  }
  return hits;
}
