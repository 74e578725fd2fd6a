// Where a deduplicator's bytes lie. `docs/deduplicator.md` tells the algorithm.
//
// Control block:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 ×2 | generations' tables G, threads that may take part |
// | 8 | u32 ×2 | buckets of a table for ids without a half of 0, ids after which a generation is full |
// | 16 | i64 | window in ms |
// | 24 | u64 | ids that may be accepted within the window before one is forgotten early |
// | 32 | u64 ×7 | the key: two masks for an id's halves, five numbers for the hash |
// | 88 | u32 ×3 | offset of the tags and offset of the tables from here, bytes of tags for a bucket |
// | 128 | u64 | phase: 2·k settled on generation k, 2·k + 1 on the way from k to k + 1 |
// | 256 | u64 | clean: the newest generation whose table is clean or in use |
// | 264 | u32 ×2 | clearing: the slot + 1 that does it now or 0, next bucket to clear |
// | 272 | u64 | ids forgotten early by clearing |
// | 280 | i64 | newest acceptance that was forgotten early |
// | 384 + 128·i | | generation whose number is i modulo G, i of up to 16 |
// | 2432 + 1152·j | | thread j of `threads` |
//
// Generation: i64 start (its times are relative to it), i64 newest and i64 oldest acceptance, i64 the clock when it was
// retired, u32 slots in use. Written by whoever accepts an id in it.
//
// Thread: u64 the phase it is in + 1 or 0 outside of an operation, u32 taken, u64 new, u64 duplicates, u64 forgotten at
// once; at 128 room for a group of 32 ids, 24 bytes each: lo, hi, u32 first bucket, u8 kind,
// u8 mark. Written by that thread only.
//
// Tables: buckets of one cache line, three slots each; one table behind the other, by generation modulo G. So what is accepted
// now goes into one table's pages: with the tables' buckets side by side a million ids were a fifth slower to insert.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u64 ×3 | lo of slots 0 to 2 |
// | 24 | u64 ×3 | hi |
// | 48 | u32 ×3 | time: bit 31 frozen; below it 0 never accepted, else ms since the generation's start + 2^30 + 1 |
//
// Tags: for bucket b a u32 for each table, filled up to a multiple of four. Bytes 0 to 2 are the tags (8 bits of the hash, never
// 0) of the ids accepted in its slots; byte 3 has a bit (one of 8, by the hash) for each id that found it full and went on. 16
// bytes tell in which lines of four tables an id can be, and for an id that is nowhere it is nearly always none.

export const GENERATIONS: usize = 0;
export const THREADS: usize = 4;
export const BUCKETS: usize = 8;
export const GENERATION_IDS: usize = 12;
export const WINDOW: usize = 16;
export const CAPACITY: usize = 24;
export const KEY: usize = 32;
const TAGS: usize = 88;
const TABLES: usize = 92;
const TAGS_STRIDE: usize = 96;
export const PHASE: usize = 128;
export const CLEAN: usize = 256;
export const CLEARING: usize = 264;
export const CLEAR_NEXT: usize = 268;
export const FORGOTTEN: usize = 272;
export const FORGOTTEN_UP_TO: usize = 280;
const GENERATION_TABLE: usize = 384;
const GENERATION_BYTES: usize = 128;
const MAX_GENERATIONS: usize = 16;
const THREAD_TABLE: usize = GENERATION_TABLE + MAX_GENERATIONS * GENERATION_BYTES;

export const START: usize = 0;
export const NEWEST: usize = 8;
export const OLDEST: usize = 16;
export const RETIRED_AT: usize = 24;
export const COUNT: usize = 32;

export const GROUP: u32 = 32;
export const ANNOUNCED: usize = 0;
export const TAKEN: usize = 8;
export const ACCEPTED: usize = 16;
export const DUPLICATES: usize = 24;
export const FORGOTTEN_AT_ONCE: usize = 32;
export const WORK: usize = 128;
export const WORK_BYTES: usize = 32;
const THREAD_BYTES: usize = 1152;

export const NEVER: i64 = i64.MIN_VALUE;

/** Buckets for ids with one half of 0, either way; an id of zeros has one of its own behind them. */
export const SIDE_BUCKETS: u32 = 32;
const EXTRA_BUCKETS: u32 = 2 * SIDE_BUCKETS + 1;

// @ts-ignore: decorator
@inline
export function threadAt(dedup: usize, slot: u32): usize {
  return dedup + THREAD_TABLE + <usize>slot * THREAD_BYTES;
}

/** Which of the tables a generation has. */
// @ts-ignore: decorator
@inline
export function indexOf(dedup: usize, generation: u64): u32 {
  return <u32>(generation % <u64>load<u32>(dedup + GENERATIONS));
}

/** A generation's entry, by its table's index. */
// @ts-ignore: decorator
@inline
export function entryAt(dedup: usize, index: u32): usize {
  return dedup + GENERATION_TABLE + <usize>index * GENERATION_BYTES;
}

// @ts-ignore: decorator
@inline
export function generationAt(dedup: usize, generation: u64): usize {
  return entryAt(dedup, indexOf(dedup, generation));
}

// @ts-ignore: decorator
@inline
export function bucketsOfTable(dedup: usize): u32 {
  return load<u32>(dedup + BUCKETS) + EXTRA_BUCKETS;
}

/** A bucket of a table. */
// @ts-ignore: decorator
@inline
export function bucketAt(dedup: usize, index: u32, bucket: u32): usize {
  return dedup + <usize>load<u32>(dedup + TABLES) + ((<usize>index * <usize>bucketsOfTable(dedup) + bucket) << 6);
}

/** The tags of a bucket of all tables. */
// @ts-ignore: decorator
@inline
export function tagsAt(dedup: usize, bucket: u32): usize {
  return dedup + <usize>load<u32>(dedup + TAGS) + <usize>bucket * <usize>load<u32>(dedup + TAGS_STRIDE);
}

/** Vectors of 16 bytes that a bucket's tags are. */
// @ts-ignore: decorator
@inline
export function tagVectors(dedup: usize): u32 {
  return load<u32>(dedup + TAGS_STRIDE) >> 4;
}

/** Stores the greater of the two. */
// @ts-ignore: decorator
@inline
export function raise(p: usize, value: i64): void {
  let seen = atomic.load<i64>(p);
  while (seen < value) {
    const before = atomic.cmpxchg<i64>(p, seen, value);
    if (before == seen) return;
    seen = before;
  }
}

/** Stores the lesser of the two. */
// @ts-ignore: decorator
@inline
export function lower(p: usize, value: i64): void {
  let seen = atomic.load<i64>(p);
  while (seen > value) {
    const before = atomic.cmpxchg<i64>(p, seen, value);
    if (before == seen) return;
    seen = before;
  }
}

/** Makes a generation's entry ready for a new one: nothing accepted, no start yet. */
export function resetGeneration(generation: usize): void {
  atomic.store<i64>(generation + START, NEVER);
  atomic.store<i64>(generation + NEWEST, NEVER);
  atomic.store<i64>(generation + OLDEST, i64.MAX_VALUE);
  atomic.store<i64>(generation + RETIRED_AT, NEVER);
  atomic.store<u32>(generation + COUNT, 0);
}

/** Before any other thread has the deduplicator. The key is in place and everything else is 0. */
export function dedupInit(dedup: usize, generations: u32, threads: u32, buckets: u32, generationIds: u32, window: i64, capacity: u64): void {
  store<u32>(dedup + GENERATIONS, generations);
  store<u32>(dedup + THREADS, threads);
  store<u32>(dedup + BUCKETS, buckets);
  store<u32>(dedup + GENERATION_IDS, generationIds);
  store<i64>(dedup + WINDOW, window);
  store<u64>(dedup + CAPACITY, capacity);
  const tags = <u32>THREAD_TABLE + threads * <u32>THREAD_BYTES;
  const stride = (generations * 4 + 15) & ~15;
  store<u32>(dedup + TAGS, tags);
  store<u32>(dedup + TAGS_STRIDE, stride);
  store<u32>(dedup + TABLES, (tags + bucketsOfTable(dedup) * stride + 127) & ~127);
  atomic.store<i64>(dedup + FORGOTTEN_UP_TO, NEVER);
  for (let g: u32 = 0; g < generations; g++) resetGeneration(generationAt(dedup, g));
  atomic.store<u64>(dedup + CLEAN, generations - 1);
}
