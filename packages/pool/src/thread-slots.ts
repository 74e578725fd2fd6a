/**
 * The threads' places in a pool: who has which, and what lies in its magazine. In shared memory, so that the figures can
 * be read and a dead thread's magazine be reclaimed from anywhere.
 */
import { threadId } from "node:worker_threads";
import { COUNTERS, COUNTERS_OFFSET, Counter, SlotWord, Word } from "./pool-layout.ts";
import type { PoolStats, PoolThread } from "./pool-stats.ts";

export class ThreadSlots {
  /** How many threads can use the pool at one time. */
  readonly length: number;
  readonly #words: Int32Array;

  /** @param words the pool's words. */
  constructor(words: Int32Array) {
    this.#words = words;
    this.length = this.#word(Word.maxThreads);
  }

  /** The words of a slot, as {@link SlotWord} numbers them. */
  words(slot: number): Int32Array {
    const start = (this.#word(Word.slots) + slot * this.#word(Word.slotBytes)) / 4;
    return this.#words.subarray(start, start + this.#word(Word.slotBytes) / 4);
  }

  /** The counters of a slot, as {@link Counter} numbers them. They go on when the slot gets another owner. */
  counters(slot: number): Float64Array {
    const { buffer, byteOffset } = this.words(slot);
    return new Float64Array(buffer, byteOffset + COUNTERS_OFFSET, COUNTERS);
  }

  /** Takes a free slot for the calling thread. @returns -1 when there is none. */
  take(): number {
    for (let i = 0; i < this.length; i++) if (this.#change(i, 0, threadId + 1)) return i;
    return -1;
  }

  /** Takes the slots of a thread that has ended over, for the calling thread; only one taker gets each. */
  takeOver(endedThreadId: number): number[] {
    const taken: number[] = [];
    for (let i = 0; i < this.length; i++) if (this.#change(i, endedThreadId + 1, threadId + 1)) taken.push(i);
    return taken;
  }

  /** Gives a slot up whose magazine is empty. */
  leave(slot: number): void {
    Atomics.store(this.words(slot), SlotWord.owner, 0);
  }

  threads(): PoolThread[] {
    const all: PoolThread[] = [];
    for (let i = 0; i < this.length; i++) {
      const owner = Atomics.load(this.words(i), SlotWord.owner);
      if (owner !== 0) all.push({ threadId: owner - 1, magazineBlocks: Atomics.load(this.words(i), SlotWord.count) });
    }
    return all;
  }

  stats(): PoolStats {
    const sums = new Float64Array(COUNTERS);
    let magazineBlocks = 0;
    for (let i = 0; i < this.length; i++) {
      magazineBlocks += Atomics.load(this.words(i), SlotWord.count);
      for (const [which, value] of this.counters(i).entries()) (sums[which] as number) += value;
    }
    const acquired = sums[Counter.acquired] as number;
    const released = sums[Counter.released] as number;
    const magazineMisses = (sums[Counter.refills] as number) + (sums[Counter.flushes] as number);
    const fresh = Atomics.load(this.#words, Word.fresh);
    const maxBlocks = this.#word(Word.maxBlocks);
    const growths = Math.ceil(fresh / this.#word(Word.slabBlocks));
    const committedBlocks = Math.min(maxBlocks, growths * this.#word(Word.slabBlocks));
    return {
      maxBlocks,
      committedBlocks,
      outBlocks: acquired - released,
      freeBlocks: committedBlocks - (acquired - released),
      magazineBlocks,
      // Fresh blocks are taken only when the list is empty, so the mark is the most that ever were away from it.
      highWaterBlocks: fresh,
      growths,
      magazineHits: acquired + released - magazineMisses,
      magazineMisses,
      failures: sums[Counter.failures] as number,
    };
  }

  #change(slot: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.words(slot), SlotWord.owner, from, to) === from;
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }
}
