/**
 * A clock that every thread of the process shares: nanoseconds of the system's monotonic clock, as `process.hrtime` has
 * them, at the price of `performance.now()`.
 *
 * `process.hrtime.bigint()` makes a BigInt a call, `process.hrtime()` an array. `performance.now()` makes neither and counts
 * the same clock, from a start of its own which may differ from thread to thread. So the difference of the two is measured
 * once.
 */

/** Readings at the start; the closest pair is taken. A few microseconds in all. */
const TRIES = 64;

export interface MonotonicClock {
  /** Now, in ns from a start that all threads have in common; never goes back. A fraction of a ns means nothing. */
  now(): number;
  /** The same moment as `performance.now()` gave, for who has asked that already. */
  at(performanceNowMs: number): number;
  /** At most so many ns between this thread's reading and the system's. */
  readonly errorNs: number;
}

/** Makes the calling thread's; not to be handed to another. Exact to 1 ns up to 104 days after the machine's start. */
export function monotonicClock(): MonotonicClock {
  let closest = Number.POSITIVE_INFINITY;
  let offsetNs = 0;
  for (let i = 0; i < TRIES; i++) {
    const before = process.hrtime.bigint();
    const now = performance.now();
    const after = process.hrtime.bigint();
    const width = Number(after - before);
    if (width >= closest) continue;
    closest = width;
    offsetNs = Number(before) + width / 2 - now * 1e6;
  }
  return {
    now: () => performance.now() * 1e6 + offsetNs,
    at: (performanceNowMs) => performanceNowMs * 1e6 + offsetNs,
    errorNs: closest / 2,
  };
}
