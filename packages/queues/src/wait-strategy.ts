/**
 * How to wait, as objects: the same reader or producer waits by spinning where microseconds count and by sleeping where
 * they don't. (The idea and the names are the LMAX Disruptor's.)
 *
 * A strategy looks at a {@link Waitable}, and holds nothing of its own: one object serves any number of threads' waits.
 */
import type { Parker } from "./parker.ts";

/** Something that can be waited for: a reader's next record, a producer's space. */
export interface Waitable {
  /** Whether it is there now. Any number of times; no side effect. */
  ready(): boolean;
  /** Announces a sleep at {@link parker}. {@link ready} is asked once more after it. */
  prepare(): void;
  /** Where the waiting thread sleeps. */
  readonly parker: Parker;
}

/** Waits on the calling thread, which does nothing else meanwhile. */
export interface WaitStrategy {
  /**
   * Waits until `source` is ready.
   * @param timeoutMs 0 or more; `Infinity` waits for ever.
   * @returns false when the time was over first.
   */
  wait(source: Waitable, timeoutMs: number): boolean;
}

/** Looks at the clock once in so many spins: the look costs as much as several of them. */
const SPINS_PER_LOOK = 256;

/** Never sleeps: the lowest latency, for the price of a whole core. */
export class BusySpinWaitStrategy implements WaitStrategy {
  wait(source: Waitable, timeoutMs: number): boolean {
    if (source.ready()) return true;
    const ends = performance.now() + timeoutMs;
    for (;;) {
      for (let spin = 0; spin < SPINS_PER_LOOK; spin++) {
        if (source.ready()) return true;
        Atomics.pause();
      }
      if (performance.now() >= ends) return source.ready();
    }
  }
}

export interface BackoffOptions {
  /** Looks with a pause between them before the first yield. 1,000 unless given: some 30 µs. */
  readonly spins?: number;
  /** Sleeps of 0.05 ms, which let another thread have the core, before the thread parks. 10 unless given. */
  readonly yields?: number;
}

const YIELD_MS = 0.05;

/** Spins a while, then yields the core, then parks until it is woken: quick under load, and nothing at rest. */
export class BackoffWaitStrategy implements WaitStrategy {
  readonly #spins: number;
  readonly #yields: number;

  constructor({ spins = 1_000, yields = 10 }: BackoffOptions = {}) {
    this.#spins = spins;
    this.#yields = yields;
  }

  wait(source: Waitable, timeoutMs: number): boolean {
    if (source.ready()) return true;
    const ends = performance.now() + timeoutMs;
    for (let spin = 0; spin < this.#spins; spin++) {
      if (source.ready()) return true;
      Atomics.pause();
      if (spin % SPINS_PER_LOOK === SPINS_PER_LOOK - 1 && performance.now() >= ends) return source.ready();
    }
    for (let n = 0; n < this.#yields; n++) {
      const left = ends - performance.now();
      if (left <= 0) return source.ready();
      if (sleep(source, Math.min(YIELD_MS, left))) return true;
    }
    return parkUntilReady(source, ends);
  }
}

/** Parks at once: for threads that wait long, and for machines with fewer cores than threads. */
export class BlockingWaitStrategy implements WaitStrategy {
  wait(source: Waitable, timeoutMs: number): boolean {
    if (source.ready()) return true;
    return parkUntilReady(source, performance.now() + timeoutMs);
  }
}

function parkUntilReady(source: Waitable, ends: number): boolean {
  for (;;) {
    const left = ends - performance.now();
    if (left <= 0) return source.ready();
    if (sleep(source, left)) return true;
  }
}

/** One sleep; whether it is there afterwards. */
function sleep(source: Waitable, timeoutMs: number): boolean {
  source.prepare();
  if (source.ready()) source.parker.cancel();
  else source.parker.park(timeoutMs);
  return source.ready();
}

export interface AsyncWaitOptions {
  /** 0 or more; waits for ever unless given. */
  readonly timeoutMs?: number;
  /** Ends the wait: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits in `Atomics.waitAsync`: for threads with an event loop, which goes on meanwhile. */
export class AsyncWaitStrategy {
  /** @returns false when the time was over first. */
  async wait(
    source: Waitable,
    { timeoutMs = Number.POSITIVE_INFINITY, signal }: AsyncWaitOptions = {},
  ): Promise<boolean> {
    if (source.ready()) return true;
    const ends = performance.now() + timeoutMs;
    const wake = () => source.parker.unpark();
    signal?.addEventListener("abort", wake);
    // A sleep in Atomics.waitAsync alone doesn't keep a process alive.
    const alive = setInterval(() => undefined, 2 ** 30);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const left = ends - performance.now();
        if (left <= 0) return source.ready();
        source.prepare();
        if (source.ready() || signal?.aborted === true) source.parker.cancel();
        else await source.parker.parkAsync(left);
        if (source.ready()) return true;
      }
    } finally {
      clearInterval(alive);
      signal?.removeEventListener("abort", wake);
    }
  }
}
