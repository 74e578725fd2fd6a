/** What a pool tells about itself, to any thread. */

/**
 * A pool's figures. Each is read on its own while other threads go on, so sums are exact only while nobody acquires or
 * releases. Counts go on over all threads that ever used the pool.
 */
export interface PoolStats {
  /** The limit. */
  readonly maxBlocks: number;
  /** Blocks of the slabs begun so far: what memory is in use for, at most. */
  readonly committedBlocks: number;
  /** Blocks acquired and not released yet. */
  readonly outBlocks: number;
  /** Committed blocks that are not out, wherever they lie. */
  readonly freeBlocks: number;
  /** Free blocks in magazines, which only the magazine's thread can acquire. */
  readonly magazineBlocks: number;
  /** The most blocks that were ever out or in magazines at one time. Exact for `outBlocks` when magazines are of size 0. */
  readonly highWaterBlocks: number;
  /** Slabs begun. */
  readonly growths: number;
  /** Acquisitions and releases that the thread's own magazine served. */
  readonly magazineHits: number;
  /** Acquisitions and releases that needed the shared list. */
  readonly magazineMisses: number;
  /** Acquisitions that found the pool full; a batch that got fewer blocks than it asked for is one. */
  readonly failures: number;
}

/** A thread that uses a pool, or used it and died: a line of `BlockPool.threads`. */
export interface PoolThread {
  /** As `worker_threads` numbers it. */
  readonly threadId: number;
  /** Free blocks in its magazine. */
  readonly magazineBlocks: number;
}

/** A block that is out, in debug mode: a line of `BlockPool.outstanding`. */
export interface OutstandingBlock {
  readonly handle: number;
  /** The thread that acquired it. */
  readonly threadId: number;
  /** The label given to `acquire`, and from where it was called. Cut at 500 bytes. */
  readonly acquiredBy: string;
}
