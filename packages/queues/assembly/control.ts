// The control block of a ring: what producers, consumers and the log know of each other.
//
// A position is a count of bytes since the start (u64, a multiple of 8); position p lies at data + p mod capacity.
// `claims.ts` moves the claim word and `published`, `cursors.ts` the consumers, `lane.ts` what only lanes have.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 ×3 | capacity in bytes (a power of two), address of the data, kind |
// | 12 | u32 ×3 | offset of the consumers, behind the producers; how many consumers; further parkers for each reason |
// | 24 | i32 | producers' places that were ever taken: none behind them holds a claim |
// | 32 | u32 ×8 | parkers to wake on publication; + 1 where a publication lets the owner nap |
// | 64 | u32 ×8 | parkers to wake when space is freed and was wanted |
// | 96 | u32 ×8 | parkers to wake when the durable position moves |
// | 128 | u64 | claim: low half position / 8, high half next sequence, both modulo 2^32 |
// | 256 | u64 ×2 | published position, next sequence to be published |
// | 384 | i32 ×2 | space wanted: 1 while a producer waits for space; consumers that don't gate |
// | 512 | u64 ×2 | durable position, next sequence to become durable |
// | 640 | u64 ×2 | position that producers ask skipping consumers to skip to; position that an acknowledgement waits for |
// | 768 + 128·i | | producer i of 16, see `claims.ts` |
// | 2816 + 384·j | | consumer j of 8, see `cursors.ts` |
// | 5888 | u32 ×3·n | n further parkers for each reason, in the order above; none unless the ring was made for more |
//
// A ring may be made for more producers and consumers (`setPlaces`): what follows the producers moves back then. Nobody
// looks at more places than the ring has, so one with few pays nothing for it.
//
// Each part is written by one side and has a pair of lines (128 bytes) of its own: the prefetcher of x86 pairs them.

import { rouse, unparkAll } from "./parker";

const CAPACITY: usize = 0;
const DATA: usize = 4;
const KIND: usize = 8;
const CONSUMERS_AT: usize = 12;
const CONSUMER_PLACES: usize = 16;
const MORE_PARKERS: usize = 20;
export const TAKEN: usize = 24;
export const ON_PUBLISH: usize = 32;
export const ON_SPACE: usize = 64;
export const ON_DURABLE: usize = 96;
const PARKERS: usize = 8;
export const CLAIM: usize = 128;
export const PUBLISHED: usize = 256;
export const PUBLISHED_SEQUENCE: usize = 264;
export const SPACE_WANTED: usize = 384;
export const TAPS: usize = 388;
export const DURABLE: usize = 512;
export const DURABLE_SEQUENCE: usize = 520;
export const SKIP_TO: usize = 640;
export const SYNC_TO: usize = 648;
export const PRODUCERS: usize = 768;
export const PRODUCER_BYTES: usize = 128;
export const MAX_PRODUCERS: usize = 16;
export const CONSUMERS: usize = PRODUCERS + MAX_PRODUCERS * PRODUCER_BYTES;
export const CONSUMER_BYTES: usize = 384;
export const MAX_CONSUMERS: usize = 8;
export const RING_CONTROL_BYTES: usize = CONSUMERS + MAX_CONSUMERS * CONSUMER_BYTES;

/** Event records, several producers: a lane. */
export const KIND_EVENTS: u32 = 0;
/** Framed records (`frames.ts`), one producer. */
export const KIND_SPSC: u32 = 1;
/** Framed records, several producers. */
export const KIND_MPSC: u32 = 2;
/** Cells of 8 bytes (`cells.ts`), several producers. */
export const KIND_CELLS: u32 = 3;

/** Before any other thread has the ring. `sequence` is the first record's. */
export function ringInit(ring: usize, kind: u32, capacity: u32, data: usize, sequence: u64): void {
  store<u32>(ring + CAPACITY, capacity);
  store<u32>(ring + DATA, <u32>data);
  store<u32>(ring + KIND, kind);
  store<u64>(ring + PUBLISHED_SEQUENCE, sequence);
  store<u64>(ring + DURABLE_SEQUENCE, sequence);
  setPlaces(ring, <u32>MAX_PRODUCERS, <u32>MAX_CONSUMERS, 0);
  atomic.store<u64>(ring + CLAIM, (sequence & 0xffffffff) << 32);
}

/** How many producers, consumers and further parkers there is room for. Right behind `ringInit`. */
export function setPlaces(ring: usize, producers: u32, consumers: u32, moreParkers: u32): void {
  store<u32>(ring + CONSUMERS_AT, <u32>PRODUCERS + producers * <u32>PRODUCER_BYTES);
  store<u32>(ring + CONSUMER_PLACES, consumers);
  store<u32>(ring + MORE_PARKERS, moreParkers);
}

/** Where the producers' places end and the consumers' begin. */
// @ts-ignore: decorator
@inline
export function consumersOf(ring: usize): usize {
  return ring + <usize>load<u32>(ring + CONSUMERS_AT);
}

export function producerPlaces(ring: usize): u32 {
  return (load<u32>(ring + CONSUMERS_AT) - <u32>PRODUCERS) / <u32>PRODUCER_BYTES;
}

export function consumerPlaces(ring: usize): u32 {
  return load<u32>(ring + CONSUMER_PLACES);
}

/** Further parkers of a reason: behind the consumers. */
function moreParkers(ring: usize, reason: usize): usize {
  const list = (reason - ON_PUBLISH) >> 5;
  const bytes = <usize>load<u32>(ring + MORE_PARKERS) << 2;
  return consumersOf(ring) + <usize>consumerPlaces(ring) * CONSUMER_BYTES + list * bytes;
}

// @ts-ignore: decorator
@inline
export function kind(ring: usize): u32 {
  return load<u32>(ring + KIND);
}

// @ts-ignore: decorator
@inline
export function capacity(ring: usize): u32 {
  return load<u32>(ring + CAPACITY);
}

/** Where what is at `position` lies. */
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
 * Keeps everything before it before everything after it, plain accesses too. An atomic addition of nothing to a word of
 * the thread's own, because the compiler can't emit `atomic.fence`; it acquires and releases, which on x86 (a locked
 * instruction) and Arm (`ldaddal`) is a full barrier.
 */
// @ts-ignore: decorator
@inline
export function fence(own: usize): void {
  atomic.add<i32>(own, 0);
}

/** Stores the greater of the two. */
export function raise(p: usize, value: u64): void {
  let seen = atomic.load<u64>(p);
  while (seen < value) {
    const before = atomic.cmpxchg<u64>(p, seen, value);
    if (before == seen) return;
    seen = before;
  }
}

/** Set in a parker's entry; its address is a multiple of 4. */
const LETS_NAP: usize = 1;

function addParker(ring: usize, reason: usize, parker: usize): bool {
  return addTo(ring + reason, PARKERS, parker) || addTo(moreParkers(ring, reason), load<u32>(ring + MORE_PARKERS), parker);
}

function addTo(list: usize, places: usize, parker: usize): bool {
  for (let i: usize = 0; i < places; i++) {
    const before = atomic.cmpxchg<u32>(list + (i << 2), 0, <u32>parker);
    if (before == 0 || before == <u32>parker) return true;
  }
  return false;
}

/** @param letsNap whether a publication leaves an owner alone that naps. */
export function wakeOnPublish(ring: usize, parker: usize, letsNap: bool): bool {
  return addParker(ring, ON_PUBLISH, parker | usize(letsNap));
}

export function wakeOnSpace(ring: usize, parker: usize): bool {
  return addParker(ring, ON_SPACE, parker);
}

export function wakeOnDurable(ring: usize, parker: usize): bool {
  return addParker(ring, ON_DURABLE, parker);
}

// @ts-ignore: decorator
@inline
export function wakeAll(ring: usize, reason: usize): void {
  if (atomic.load<u32>(ring + reason) != 0) wakeParkers(ring, reason, false);
}

/** The same where it can't wait: who naps is woken as well. */
export function rouseAll(ring: usize, reason: usize): void {
  wakeParkers(ring, reason, true);
}

function wakeParkers(ring: usize, reason: usize, urgent: bool): void {
  if (!wakeThese(ring + reason, PARKERS, urgent)) return;
  const more = load<u32>(ring + MORE_PARKERS);
  if (more != 0) wakeThese(moreParkers(ring, reason), more, urgent);
}

/** @returns whether the list is full: then there may be more in the next. */
function wakeThese(list: usize, places: usize, urgent: bool): bool {
  for (let i: usize = 0; i < places; i++) {
    const entry = <usize>atomic.load<u32>(list + (i << 2));
    if (entry == 0) return false;
    if (urgent || !(entry & LETS_NAP)) rouse(entry & ~LETS_NAP);
    else unparkAll(entry & ~LETS_NAP);
  }
  return true;
}

/**
 * Says that space is wanted: the next consumer that moves wakes the parkers. Prepare the parker before, or that wake-up
 * finds nobody; look for space once more afterwards.
 */
export function wantSpace(ring: usize): void {
  atomic.store<i32>(ring + SPACE_WANTED, 1);
}

export function wakeProducers(ring: usize): void {
  if (atomic.load<i32>(ring + SPACE_WANTED) != 0) {
    atomic.store<i32>(ring + SPACE_WANTED, 0);
    wakeAll(ring, ON_SPACE);
  }
}
