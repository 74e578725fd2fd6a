// Phases: which generation ids are accepted in, and when an old one's table may be cleared.
//
// Phase 2·k: settled on generation k. Phase 2·k + 1: on the way from k to k + 1. A thread announces the phase it found
// before it touches a table and takes the announcement back afterwards. The phase moves from p to p + 1 only when nobody
// is announced in a phase before p: so operations under way are in two phases that follow each other, never more.
//
// Announce, then look at the phase again; move the phase, having looked at the announcements: both sides are sequentially
// consistent. An announcement that the mover didn't see was stored after its look, and then its thread sees that the
// phase is past and announces anew.

import {
  ANNOUNCED, CLEAN, CLEARING, CLEAR_NEXT, COUNT, FORGOTTEN, FORGOTTEN_UP_TO, GENERATIONS, GENERATION_IDS, NEVER, NEWEST,
  PHASE, RETIRED_AT, START, TAKEN, THREADS, WINDOW, bucketsOfTable, generationAt, indexOf, raise, resetGeneration, threadAt,
} from "./dedup-layout";
import { inRange } from "./dedup-slot";
import { clearBucket, rememberedIn } from "./dedup-table";

// @ts-ignore: decorator
@inline
export function phaseOf(dedup: usize): u64 {
  return atomic.load<u64>(dedup + PHASE);
}

/** The oldest generation that an operation in `phase` reads. On the way, the one that will be cleared is given up. */
// @ts-ignore: decorator
@inline
export function oldestReadable(dedup: usize, phase: u64): u64 {
  const kept = <u64>load<u32>(dedup + GENERATIONS) - 2;
  const next = (phase + 1) >> 1;
  return next > kept ? next - kept : 0;
}

/** Begins an operation: announces the phase. Returns it. */
// @ts-ignore: decorator
@inline
export function announce(dedup: usize, thread: usize): u64 {
  while (true) {
    const phase = phaseOf(dedup);
    atomic.store<u64>(thread + ANNOUNCED, phase + 1);
    if (phaseOf(dedup) == phase) return phase;
  }
}

/** Ends an operation. */
// @ts-ignore: decorator
@inline
export function leave(thread: usize): void {
  atomic.store<u64>(thread + ANNOUNCED, 0);
}

/** Buckets that an operation clears when the next table is wanted and not clean: 64 KiB, some microseconds. */
const LATE_BUCKETS: u32 = 1024;

/** Whether an operation of a phase before `phase` is under way. */
function isHeld(dedup: usize, phase: u64): bool {
  const threads = load<u32>(dedup + THREADS);
  for (let slot: u32 = 0; slot < threads; slot++) {
    const announced = atomic.load<u64>(threadAt(dedup, slot) + ANNOUNCED);
    if (announced != 0 && announced <= phase) return true;
  }
  return false;
}

/** Moves the phase on from the one that the caller has announced; false when it can't be moved now. Never waits. */
export function tryAdvance(dedup: usize, phase: u64, now: i64): bool {
  const generation = phase >> 1;
  const settled = (phase & 1) == 0;
  if (settled && atomic.load<u64>(dedup + CLEAN) <= generation) return phaseOf(dedup) != phase;
  if (isHeld(dedup, phase)) return phaseOf(dedup) != phase;
  if (settled) {
    // All who get here are announced in this phase, so the table of k + 1 can't be in its next life yet.
    atomic.cmpxchg<i64>(generationAt(dedup, generation + 1) + START, NEVER, now);
    const count = <u64>load<u32>(dedup + GENERATIONS);
    if (generation + 2 >= count) raise(generationAt(dedup, generation + 2 - count) + RETIRED_AT, now);
  }
  atomic.cmpxchg<u64>(dedup + PHASE, phase, phase + 1);
  return true;
}

/** Begins an operation that accepts ids: moves the phase where that is due and possible, announces it, returns it. */
// @ts-ignore: decorator
@inline
export function enter(dedup: usize, slot: u32, now: i64): u64 {
  const thread = threadAt(dedup, slot);
  while (true) {
    const phase = announce(dedup, thread);
    const generation = generationAt(dedup, phase >> 1);
    const due =
      (phase & 1) != 0 || atomic.load<u32>(generation + COUNT) >= load<u32>(dedup + GENERATION_IDS) || !inRange(generation, now);
    if (!due) return phase;
    // Usually clean long before; not when threads that met at the clearing left it to each other.
    clearSome(dedup, slot, phase, LATE_BUCKETS);
    if (!tryAdvance(dedup, phase, now)) return phase;
  }
}

/** Buckets to clear for each id accepted, so that a table is clean when the generation is half full. */
// @ts-ignore: decorator
@inline
export function bucketsToClear(dedup: usize): u32 {
  return 1 + (bucketsOfTable(dedup) << 1) / load<u32>(dedup + GENERATION_IDS);
}

/**
 * Clears up to `buckets` buckets of the table that the next generation will have; the caller has announced `phase`. One
 * thread at a time; another one goes on with its own work. Returns false when there is nothing (more) to clear.
 *
 * Settled on k, nobody is in a phase before 2·k − 1, and that one already doesn't read generation k + 1 − G.
 */
export function clearSome(dedup: usize, slot: u32, phase: u64, buckets: u32): bool {
  if ((phase & 1) != 0) return false;
  const next = (phase >> 1) + 1;
  if (atomic.load<u64>(dedup + CLEAN) >= next) return false;
  if (atomic.cmpxchg<u32>(dedup + CLEARING, 0, slot + 1) != 0) return false;
  let more = atomic.load<u64>(dedup + CLEAN) < next;
  if (more) {
    const old = generationAt(dedup, next);
    const index = indexOf(dedup, next);
    const size = bucketsOfTable(dedup);
    const window = load<i64>(dedup + WINDOW);
    const retiredAt = atomic.load<i64>(old + RETIRED_AT);
    const newest = atomic.load<i64>(old + NEWEST);
    const early = newest != NEVER && retiredAt - newest <= window;
    if (early) raise(dedup + FORGOTTEN_UP_TO, newest);
    const from = atomic.load<u32>(dedup + CLEAR_NEXT);
    const to = size - from > buckets ? from + buckets : size;
    if (early) {
      let forgotten: u32 = 0;
      for (let i = from; i < to; i++) forgotten += rememberedIn(dedup, index, i, retiredAt, window);
      atomic.add<u64>(dedup + FORGOTTEN, <u64>forgotten);
    }
    for (let i = from; i < to; i++) clearBucket(dedup, index, i);
    if (to < size) {
      atomic.store<u32>(dedup + CLEAR_NEXT, to);
    } else {
      resetGeneration(old);
      atomic.store<u32>(dedup + CLEAR_NEXT, 0);
      atomic.store<u64>(dedup + CLEAN, next);
      more = false;
    }
  }
  atomic.store<u32>(dedup + CLEARING, 0);
  return more;
}

// --- threads ---

/** Takes a thread's slot; -1 when all are taken. */
export function takeSlot(dedup: usize): i32 {
  const threads = load<u32>(dedup + THREADS);
  for (let slot: u32 = 0; slot < threads; slot++) {
    if (atomic.cmpxchg<u32>(threadAt(dedup, slot) + TAKEN, 0, 1) == 0) return <i32>slot;
  }
  return -1;
}

/** Gives a slot back: its thread's own, or that of a thread that has ended, wherever it did. Its counts stay. */
export function freeSlot(dedup: usize, slot: u32): void {
  const thread = threadAt(dedup, slot);
  // What it was clearing is cleared again from where it began.
  atomic.cmpxchg<u32>(dedup + CLEARING, slot + 1, 0);
  atomic.store<u64>(thread + ANNOUNCED, 0);
  atomic.store<u32>(thread + TAKEN, 0);
}
