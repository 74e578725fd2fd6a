/**
 * Whether the process has file descriptors left for one more connection. Once there are none, the event loop accepts and
 * closes what comes by itself, with the one descriptor that it keeps for that: no error, no event, nothing to count. So
 * connections are refused a little before that. The system gives the lowest number that is free, so the number that a new
 * connection has got says how near the limit is. What is kept back is for the log's next segments.
 */
import { readFileSync } from "node:fs";

/** Descriptors kept for everything else than connections. */
const KEPT = 16;
/** A limit can be changed from outside, and is read again this often. */
const READ_EVERY_MS = 1_000;

export class DescriptorRoom {
  readonly #readLimit: () => number;
  readonly #now: () => number;
  #limit = Number.POSITIVE_INFINITY;
  #readAt = Number.NEGATIVE_INFINITY;
  #exhausted = false;

  /**
   * @param readLimit how many descriptors the process may have; infinite where that can't be told.
   * @param now milliseconds from any start, never going back.
   */
  constructor(readLimit: () => number = systemLimit, now: () => number = () => performance.now()) {
    this.#readLimit = readLimit;
    this.#now = now;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether connections are refused. Goes back only once there is twice the room that is kept, so that it doesn't flutter. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** Whether a connection that has got this descriptor may stay. */
  take(descriptor: number): boolean {
    const now = this.#now();
    if (now - this.#readAt >= READ_EVERY_MS) {
      this.#limit = this.#readLimit();
      this.#readAt = now;
    }
    const left = this.#limit - 1 - descriptor;
    if (left < KEPT) this.#exhausted = true;
    else if (left >= 2 * KEPT) this.#exhausted = false;
    return left >= KEPT;
  }
}

/** The soft limit, from `/proc`; infinite on systems without. */
function systemLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch (error) {
    // None left even to read the limit with.
    return (error as NodeJS.ErrnoException).code === "EMFILE" ? 0 : Number.POSITIVE_INFINITY;
  }
}
