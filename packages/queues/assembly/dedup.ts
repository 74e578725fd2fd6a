// The deduplicator's operations: have I accepted this 128-bit id within the window? Lock-free, any number of threads up to
// the bound, no waiting. `docs/deduplicator.md` has the proofs.
//
// Ids come in groups of up to 32: one announcement for all, and their cache misses overlap, since a group's buckets are
// touched before the first is looked at.

import {
  ACCEPTED, CLEAN, COUNT, DUPLICATES, FORGOTTEN_AT_ONCE, FORGOTTEN_UP_TO, GENERATIONS, GENERATION_IDS, GROUP, KEY, NEVER,
  NEWEST, WINDOW, WORK, WORK_BYTES, entryAt, indexOf, raise, threadAt,
} from "./dedup-layout";
import { announce, bucketsToClear, clearSome, enter, leave, oldestReadable, tryAdvance } from "./dedup-phase";
import { writeItem } from "./dedup-slot";
import { DUPLICATE, FULL, MOVED, NEW, accept, freeze } from "./dedup-table";
import { remembers, remembersSought, seek, seekFree, tableBits, touchLine, touchTags } from "./dedup-tags";

const NO_TABLE: u32 = u32.MAX_VALUE;

/**
 * Reads an id into a group. The masks make halves of 0 as rare as the key is hard to guess, whatever the ids look like. The
 * hash is Thorup's pair-multiply-shift ("High Speed Hashing for Integers and Strings", 2015), strongly universal: who
 * doesn't know the key can't aim ids at one bucket. The last steps are a bijection, so they keep that, and spread the
 * evenly spaced values that counters give.
 */
// @ts-ignore: decorator
@inline
function prepare(dedup: usize, item: usize, id: usize): void {
  const lo = load<u64>(id) ^ load<u64>(dedup + KEY);
  const hi = load<u64>(id, 8) ^ load<u64>(dedup + KEY, 8);
  const product =
    (load<u64>(dedup + KEY, 16) + (lo & 0xffffffff)) * (load<u64>(dedup + KEY, 24) + (lo >> 32)) +
    (load<u64>(dedup + KEY, 32) + (hi & 0xffffffff)) * (load<u64>(dedup + KEY, 40) + (hi >> 32)) +
    load<u64>(dedup + KEY, 48);
  let hash = <u32>(product >> 32);
  hash ^= hash >>> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >>> 13;
  writeItem(dedup, item, lo, hi, hash);
}

// @ts-ignore: decorator
@inline
function itemAt(work: usize, i: u32): usize {
  return work + <usize>i * WORK_BYTES;
}

/** The table before another: the generation before its. */
// @ts-ignore: decorator
@inline
function before(dedup: usize, index: u32): u32 {
  return (index == 0 ? load<u32>(dedup + GENERATIONS) : index) - 1;
}

/**
 * The tables of the `count` generations that end with the one of table `index`, without those whose newest acceptance is out of
 * the window.
 */
// @ts-ignore: decorator
@inline
function tablesThatRemember(dedup: usize, index: u32, count: u32, now: i64, window: i64): u64 {
  let tables: u64 = 0;
  for (; count > 0; count--) {
    const newest = atomic.load<i64>(entryAt(dedup, index) + NEWEST);
    if (newest != NEVER && now - newest <= window) tables |= tableBits(index);
    index = before(dedup, index);
  }
  return tables;
}

/**
 * Loads what a group is going to look at, so that its cache misses overlap: all tags first, then the lines that they point at; for
 * an id that is nowhere the line of table `target` where it will be placed, if that isn't `NO_TABLE`. The result is of no use but to
 * be stored, or the compiler would leave the loads out.
 */
// @ts-ignore: decorator
@inline
function touch(dedup: usize, work: usize, count: u32, tables: u64, target: u32): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) sum |= <u64>touchTags(dedup, itemAt(work, i));
  for (let i: u32 = 0; i < count; i++) {
    const item = itemAt(work, i);
    if (!seek(dedup, tables, item) && target != NO_TABLE) seekFree(dedup, target, item);
  }
  // A loop of its own: of one as long as the one before it only a few turns fit into the processor's window at once.
  for (let i: u32 = 0; i < count; i++) sum |= touchLine(itemAt(work, i));
  return sum;
}

/** Settled: generation k arbitrates; the older ones are only read, nobody accepts in them any more. */
// @ts-ignore: decorator
@inline
function checkSettled(dedup: usize, k: u32, older: u64, item: usize, sought: bool, now: i64, window: i64): u32 {
  const tables = older | tableBits(k);
  if (sought ? remembersSought(dedup, tables, item, now, window) : remembers(dedup, tables, item, now, window)) return DUPLICATE;
  return accept(dedup, k, item, now, window);
}

/**
 * On the way from k to k + 1: the id's slot in k is frozen first. From then on nobody accepts it in k, whichever phase he is
 * in, and k + 1 arbitrates between all. If k remembers it, it is a duplicate for all.
 */
function checkOnTheWay(dedup: usize, k: u32, next: u32, older: u64, item: usize, now: i64, window: i64): u32 {
  if (remembers(dedup, older, item, now, window)) return DUPLICATE;
  if (!freeze(dedup, k, item, now, window)) return DUPLICATE;
  return accept(dedup, next, item, now, window);
}

/** Checks and inserts a prepared group; writes 1 (new) or 0 at `isNew` for each and returns how many are new. */
function checkGroup(dedup: usize, slot: u32, count: u32, now: i64, window: i64, isNew: usize): u32 {
  const thread = threadAt(dedup, slot);
  const work = thread + WORK;
  let accepted: u32 = 0;
  let i: u32 = 0;
  do {
    const phase = enter(dedup, slot, now);
    const settled = (phase & 1) == 0;
    const k = indexOf(dedup, phase >> 1);
    const target = settled ? k : indexOf(dedup, (phase >> 1) + 1);
    const entry = entryAt(dedup, target);
    const older = tablesThatRemember(dedup, before(dedup, k), <u32>((phase >> 1) - oldestReadable(dedup, phase)), now, window);
    // What was found in this operation holds for this operation: later ones may be in another phase.
    const sought = i == 0 && count > 1;
    if (sought) store<u8>(isNew, <u8>touch(dedup, work, count, older | tableBits(k), target));
    const held = atomic.load<u32>(entry + COUNT);
    const limit = load<u32>(dedup + GENERATION_IDS);
    let first: u32 = 0;
    while (i < count) {
      // Full: the next id goes into the next generation, if it can. The first of an entry goes on in any case.
      if (first > 0 && held + first >= limit) break;
      const item = itemAt(work, i);
      let outcome = settled
        ? checkSettled(dedup, k, older, item, sought, now, window)
        : checkOnTheWay(dedup, k, target, older, item, now, window);
      first += outcome >> 2;
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
    if (first > 0) atomic.add<u32>(entry + COUNT, first);
    if (settled && first > 0 && atomic.load<u64>(dedup + CLEAN) <= phase >> 1) {
      clearSome(dedup, slot, phase, first * bucketsToClear(dedup));
    }
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
  const generations = <u32>(newest + 1 - oldestReadable(dedup, phase));
  const tables = tablesThatRemember(dedup, indexOf(dedup, newest), generations, now, window);
  if (count > 1) store<u8>(found, <u8>touch(dedup, work, count, tables, NO_TABLE));
  let hits: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const item = itemAt(work, i);
    const hit = count > 1 ? remembersSought(dedup, tables, item, now, window) : remembers(dedup, tables, item, now, window);
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
    for (let i: u32 = 0; i < group; i++) prepare(dedup, itemAt(work, i), ids + (<usize>i << 4));
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
      prepare(dedup, itemAt(work, i), <usize>load<u32>(addresses + (<usize>i << 2)));
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
    for (let i: u32 = 0; i < group; i++) prepare(dedup, itemAt(work, i), ids + (<usize>i << 4));
    hits += findGroup(dedup, slot, group, now, found);
    ids += <usize>group << 4;
    found += group;
    count -= group;
  }
  return hits;
}
