// What a deduplicator tells about itself: statistics, and the accepted ids for a snapshot. Numbers go to JavaScript as f64.

import {
  ACCEPTED, ANNOUNCED, COUNT, DUPLICATES, FORGOTTEN, FORGOTTEN_AT_ONCE, FORGOTTEN_UP_TO, KEY, NEVER, NEWEST, OLDEST,
  TAKEN, THREADS, WINDOW, bucketsOfTable, generationAt, indexOf, threadAt,
} from "./dedup-layout";
import { announce, clearSome, leave, oldestReadable, phaseOf } from "./dedup-phase";
import { exportBucket, rememberedIn } from "./dedup-table";

/** Most ids that `exportIds` writes at once. */
export const EXPORT_IDS: u32 = 510;
const SLOTS_OF_BUCKET: u32 = 3;

/** f64 at `to`: rotations, forgotten early, newest acceptance forgotten early (or -Infinity), new, duplicates, generations. */
const HEAD: usize = 48;

// @ts-ignore: decorator
@inline
function timeToNumber(time: i64): f64 {
  return time == NEVER ? -Infinity : time == i64.MAX_VALUE ? Infinity : <f64>time;
}

/**
 * Writes the statistics at `to`, as above, then 4 f64 for each readable generation, oldest first: its number, slots in use,
 * oldest and newest acceptance. Clears what is retired first, as far as it can be, so that the forgotten are counted. Takes
 * the thread's slot.
 */
export function report(dedup: usize, slot: u32, to: usize): void {
  const thread = threadAt(dedup, slot);
  const phase = announce(dedup, thread);
  while (clearSome(dedup, slot, phase, u32.MAX_VALUE)) {}
  let forgotten = atomic.load<u64>(dedup + FORGOTTEN);
  let accepted: u64 = 0;
  let duplicates: u64 = 0;
  for (let other: u32 = 0; other < load<u32>(dedup + THREADS); other++) {
    forgotten += atomic.load<u64>(threadAt(dedup, other) + FORGOTTEN_AT_ONCE);
    accepted += atomic.load<u64>(threadAt(dedup, other) + ACCEPTED);
    duplicates += atomic.load<u64>(threadAt(dedup, other) + DUPLICATES);
  }
  const newest = (phase + 1) >> 1;
  const oldest = oldestReadable(dedup, phase);
  store<f64>(to, <f64>(phase >> 1));
  store<f64>(to, <f64>forgotten, 8);
  store<f64>(to, timeToNumber(atomic.load<i64>(dedup + FORGOTTEN_UP_TO)), 16);
  store<f64>(to, <f64>accepted, 24);
  store<f64>(to, <f64>duplicates, 32);
  store<f64>(to, <f64>(newest + 1 - oldest), 40);
  let at = to + HEAD;
  for (let generation = oldest; generation <= newest; generation++) {
    const entry = generationAt(dedup, generation);
    store<f64>(at, <f64>generation);
    store<f64>(at, <f64>atomic.load<u32>(entry + COUNT), 8);
    store<f64>(at, timeToNumber(atomic.load<i64>(entry + OLDEST)), 16);
    store<f64>(at, timeToNumber(atomic.load<i64>(entry + NEWEST)), 24);
    at += 32;
  }
  leave(thread);
}

/** Ids of one generation that are in the window at `now`; -1 when the generation isn't readable (any more). Reads its table. */
export function countLive(dedup: usize, slot: u32, generation: u64, now: i64): i32 {
  const thread = threadAt(dedup, slot);
  const phase = announce(dedup, thread);
  let live: i32 = -1;
  if (generation >= oldestReadable(dedup, phase) && generation <= (phase + 1) >> 1) {
    const index = indexOf(dedup, generation);
    const size = bucketsOfTable(dedup);
    const window = load<i64>(dedup + WINDOW);
    live = 0;
    for (let bucket: u32 = 0; bucket < size; bucket++) {
      live += rememberedIn(dedup, index, bucket, now, window);
    }
  }
  leave(thread);
  return live;
}

/** The newest generation that may hold an id accepted before this call. */
export function newestGeneration(dedup: usize): u64 {
  return (phaseOf(dedup) + 1) >> 1;
}

/**
 * Writes accepted ids from bucket `bucket` of a generation on at `to`: 24 bytes each, up to `EXPORT_IDS`. Returns how many, and
 * at `next` (f64 ×2) where to go on: the generation, or the next one with bucket 0. What has been retired meanwhile is
 * skipped. One operation, so the phase is held for as long as a call takes and no longer.
 */
export function exportIds(dedup: usize, slot: u32, generation: u64, bucket: u32, to: usize, next: usize): u32 {
  const thread = threadAt(dedup, slot);
  const phase = announce(dedup, thread);
  const oldest = oldestReadable(dedup, phase);
  if (generation < oldest) {
    generation = oldest;
    bucket = 0;
  }
  let count: u32 = 0;
  if (generation <= (phase + 1) >> 1) {
    const index = indexOf(dedup, generation);
    const size = bucketsOfTable(dedup);
    const loMask = load<u64>(dedup + KEY);
    const hiMask = load<u64>(dedup + KEY, 8);
    while (bucket < size && count + SLOTS_OF_BUCKET <= EXPORT_IDS) {
      count += exportBucket(dedup, index, bucket, loMask, hiMask, to + <usize>count * 24);
      bucket++;
    }
    if (bucket == size) {
      generation++;
      bucket = 0;
    }
  }
  leave(thread);
  store<f64>(next, <f64>generation);
  store<f64>(next, <f64>bucket, 8);
  return count;
}

/** The phase that a thread's operation is in, -1 outside of one, -2 when its slot is free. */
export function announcedPhase(dedup: usize, slot: u32): f64 {
  const thread = threadAt(dedup, slot);
  if (atomic.load<u32>(thread + TAKEN) == 0) return -2;
  return <f64>atomic.load<u64>(thread + ANNOUNCED) - 1;
}
