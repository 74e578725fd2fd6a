// What only a lane's ring has: how far it is durable, and what producers ask of those behind them.

import { DURABLE, DURABLE_SEQUENCE, ON_DURABLE, ON_PUBLISH, SKIP_TO, SYNC_TO, raise, rouseAll, wakeAll } from "./control";

export function durable(ring: usize): u64 {
  return atomic.load<u64>(ring + DURABLE);
}

export function durableSequence(ring: usize): u64 {
  return atomic.load<u64>(ring + DURABLE_SEQUENCE);
}

/** Says that everything before `position` is durable. The log's thread only. */
export function publishDurable(ring: usize, position: u64, nextSequence: u64): void {
  atomic.store<u64>(ring + DURABLE_SEQUENCE, nextSequence);
  atomic.store<u64>(ring + DURABLE, position);
  wakeAll(ring, ON_DURABLE);
}

/** Asks consumers that skip to skip what is before `position`. */
export function askToSkip(ring: usize, position: u64): void {
  raise(ring + SKIP_TO, position);
  rouseAll(ring, ON_PUBLISH);
}

export function skipTarget(ring: usize): u64 {
  return atomic.load<u64>(ring + SKIP_TO);
}

/** Asks the log to make everything before `position` durable without waiting for its interval. */
export function askToSync(ring: usize, position: u64): void {
  if (atomic.load<u64>(ring + SYNC_TO) >= position) return;
  raise(ring + SYNC_TO, position);
  rouseAll(ring, ON_PUBLISH);
}

export function syncTarget(ring: usize): u64 {
  return atomic.load<u64>(ring + SYNC_TO);
}
