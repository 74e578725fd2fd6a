// Threads that offer ids to one deduplicator, for the explorer: 4 tables, a generation is full after one id, so two
// are remembered for certain; window 100 ms.
// Every id hashes to the first bucket of its kind, so that all meet there.
//
// An id is written as two digits, hi and lo: 12 has hi 1 and lo 2, and 0 is all zeros.
//
// | offset | what |
// |---|---|
// | 128·i | thread i: its id at 0, its flag at 16, outcomes from 32 on: u32, 1 + new |
// | 512 | the deduplicator |

import { checkAndInsertMany, findMany } from "../dedup";
import { COUNT, dedupInit, generationAt, threadAt } from "../dedup-layout";
import { announce, clearSome, enter, freeSlot, leave, takeSlot } from "../dedup-phase";

const OUTCOMES: usize = 32;
export const DEDUP: usize = 512;
const THREADS: u32 = 3;

export function setup(base: usize): void {
  dedupInit(base + DEDUP, 4, THREADS, 1, 1, 100, 2);
  for (let i: u32 = 0; i < THREADS; i++) takeSlot(base + DEDUP);
}

export function one(base: usize, thread: u32, id: u32, now: u32, outcome: u32): void {
  const own = base + <usize>thread * 128;
  store<u64>(own, id % 10);
  store<u64>(own, id / 10, 8);
  const isNew = checkAndInsertMany(base + DEDUP, thread, own, 1, now, own + 16);
  store<u32>(own + OUTCOMES + (<usize>outcome << 2), 1 + isNew);
}

/** Offers up to three ids one after the other; 99 is none. */
export function offer(base: usize, thread: u32, now: u32, a: u32, b: u32, c: u32): void {
  one(base, thread, a, now, 0);
  if (b != 99) one(base, thread, b, now, 1);
  if (c != 99) one(base, thread, c, now, 2);
}

/** Offers two ids in one batch. */
export function offerBatch(base: usize, thread: u32, now: u32, a: u32, b: u32): void {
  const ids = base + <usize>thread * 128 + 64;
  store<u64>(ids, a % 10);
  store<u64>(ids, a / 10, 8);
  store<u64>(ids, b % 10, 16);
  store<u64>(ids, b / 10, 24);
  const isNew = base + <usize>thread * 128 + 16;
  checkAndInsertMany(base + DEDUP, thread, ids, 2, now, isNew);
  store<u32>(base + <usize>thread * 128 + OUTCOMES, 1 + <u32>load<u8>(isNew));
  store<u32>(base + <usize>thread * 128 + OUTCOMES, 1 + <u32>load<u8>(isNew, 1), 4);
}

/** Offers one id twice, with two clocks. */
export function offerAgain(base: usize, thread: u32, id: u32, now: u32, later: u32): void {
  one(base, thread, id, now, 0);
  one(base, thread, id, later, 1);
}

/** Looks an id up. */
export function find(base: usize, thread: u32, id: u32, now: u32): void {
  const own = base + <usize>thread * 128;
  store<u64>(own, id % 10);
  store<u64>(own, id / 10, 8);
  store<u32>(own + OUTCOMES, 1 + findMany(base + DEDUP, thread, own, 1, now, own + 16));
}

/** Begins an operation and ends in the middle of it. */
export function die(base: usize, thread: u32): void {
  announce(base + DEDUP, threadAt(base + DEDUP, thread));
}

/** Makes generation 0 full, as an accepted id would. */
export function fill(base: usize): void {
  fillGeneration(base, 0, 1);
}

function fillGeneration(base: usize, generation: u64, ids: u32): void {
  atomic.store<u32>(generationAt(base + DEDUP, generation) + COUNT, ids);
}

/** Makes a generation full and goes on from it. */
export function advanceFrom(base: usize, thread: u32, generation: u64, ids: u32, now: u32): void {
  fillGeneration(base, generation, ids);
  enter(base + DEDUP, thread, now);
  leave(threadAt(base + DEDUP, thread));
}

/** Clears what is to be cleared; single ids do it bit by bit. */
export function clear(base: usize, thread: u32): void {
  const own = threadAt(base + DEDUP, thread);
  const phase = announce(base + DEDUP, own);
  while (clearSome(base + DEDUP, thread, phase, 1000)) {}
  leave(own);
}

/** Takes the generation on to 3, with id 12 in generation 1, and clears generation 0. */
export function rotateThrice(base: usize, thread: u32, now: u32): void {
  fillGeneration(base, 0, 1);
  one(base, thread, 12, now, 0);
  advanceFrom(base, thread, 1, 1, now);
  advanceFrom(base, thread, 2, 1, now);
  clear(base, thread);
}

/** Begins an operation, ends in the middle of it, and is evicted. */
export function dieAndBeEvicted(base: usize, thread: u32): void {
  die(base, thread);
  freeSlot(base + DEDUP, thread);
}
