/**
 * A pool of fixed-size blocks in shared memory, for what outlives its slot in a ring: a retry, an open window, a payload
 * that is too big. Any thread acquires and releases, its own blocks or another's.
 *
 * Each thread has a magazine, a small stack of free blocks of its own (J. Bonwick and J. Adams, "Magazines and Vmem:
 * extending the slab allocator to many CPUs and arbitrary resources", USENIX 2001). Acquiring and releasing pop and push
 * it: a few plain loads and stores to lines no other thread writes. Only when it is empty or full does half of it move
 * from or to the shared list, in one call of the kernel. `assembly/free-list.ts` has the list and the layout.
 */
import { threadId } from "node:worker_threads";
import type { Arena, BytesView } from "@esc/arena";
import { loadKernel, moveView, regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";
import { Ledger } from "./ledger.ts";
import type { PoolKernel } from "./pool-kernel.ts";
import {
  type BlockPoolOptions,
  COUNTERS,
  Counter,
  LEDGER_ENTRY_BYTES,
  MAGIC,
  poolLayout,
  SlotWord,
  TAG_BITS,
  Word,
  writeLayout,
} from "./pool-layout.ts";
import type { OutstandingBlock, PoolStats, PoolThread } from "./pool-stats.ts";
import { ThreadSlots } from "./thread-slots.ts";

const REGION_PREFIX = "pool.";

export class BlockPool {
  readonly name: string;
  /** Bytes of a block, as asked for at creation. */
  readonly blockBytes: number;
  readonly #slots: ThreadSlots;
  readonly #kernel: PoolKernel;
  readonly #address: number;
  readonly #blocksAddress: number;
  readonly #strideBytes: number;
  readonly #firstHandle: number;
  readonly #lowMask: number;
  readonly #generation: number;
  readonly #half: number;
  readonly #slotIndex: number;
  readonly #slotAddress: number;
  readonly #ledger: Ledger | undefined;
  #slot: Int32Array;
  #counters: Float64Array;
  /** Blocks of the magazine; -1 after dispose, so that both ways lead into the slow path, which looks. */
  #magazineBlocks: number;
  /** 0 after dispose, so that no handle is in range. */
  #maxBlocks: number;

  private constructor(arena: Arena, name: string) {
    const region = arena.region(REGION_PREFIX + name);
    const { byteLength } = region;
    const address = regionAddress(region);
    const words = new Int32Array(arena.memory.buffer, address, byteLength >>> 2);
    if (Atomics.load(words, Word.magic) !== MAGIC) {
      throw new EscError("ESC_POOL_NOT_READY", `Pool "${name}" is being created; attach once create() has returned.`);
    }
    const word = (index: number) => words[index] as number;
    this.name = name;
    this.blockBytes = word(Word.blockBytes);
    this.#kernel = loadKernel<PoolKernel>(kernelBase64, arena);
    this.#address = address;
    this.#blocksAddress = address + word(Word.blocks);
    this.#strideBytes = word(Word.strideBytes);
    this.#firstHandle = word(Word.firstHandle);
    this.#generation = (word(Word.indexMask) + 1) << TAG_BITS;
    this.#lowMask = this.#generation - 1;
    this.#magazineBlocks = word(Word.magazineBlocks);
    this.#half = Math.max(1, this.#magazineBlocks >> 1);
    this.#maxBlocks = word(Word.maxBlocks);
    if (word(Word.debug) === 1) {
      const entries = (this.#maxBlocks * LEDGER_ENTRY_BYTES) / 4;
      this.#ledger = new Ledger(
        name,
        new Int32Array(arena.memory.buffer, address + word(Word.ledger), entries),
        new Uint8Array(arena.memory.buffer, this.#blocksAddress, this.#maxBlocks * this.#strideBytes),
        { strideBytes: this.#strideBytes, indexMask: word(Word.indexMask) },
      );
    }
    this.#slots = new ThreadSlots(words);
    this.#slotIndex = this.#slots.take();
    if (this.#slotIndex < 0) {
      throw new EscError(
        "ESC_POOL_THREADS",
        `Pool "${name}" is used by ${this.#slots.length} threads already. Create it with a larger maxThreads, dispose, or reclaim() from threads that ended.`,
      );
    }
    this.#slot = this.#slots.words(this.#slotIndex);
    this.#slotAddress = this.#slot.byteOffset;
    this.#counters = this.#slots.counters(this.#slotIndex);
  }

  /** Arena bytes that such a pool needs, alignment included. Pages count once they are touched. */
  static bytesFor(options: BlockPoolOptions): number {
    return poolLayout("", options).bytes + 128;
  }

  /**
   * Makes a pool. Any thread; once, before others attach. The creator is attached by it.
   * @param name 1 to 43 bytes of UTF-8, of no other pool in the arena.
   * @throws EscError `ESC_POOL_OPTIONS`; ArenaError `ESC_ARENA_EXHAUSTED`, `ESC_ARENA_REGION_EXISTS`, `ESC_ARENA_REGION_NAME`.
   * @example
   * const pool = BlockPool.create(arena, "retries", { blockBytes: 1_024, slabBlocks: 256, maxBlocks: 4_096 });
   */
  static create(arena: Arena, name: string, options: BlockPoolOptions): BlockPool {
    const layout = poolLayout(name, options);
    const address = regionAddress(arena.allocate(REGION_PREFIX + name, layout.bytes));
    const words = new Int32Array(arena.memory.buffer, address, layout.blocks >>> 2);
    // The arena's directory is append-only, so the pools before this one in it are the same for everybody.
    const pools = arena.regions().filter((region) => region.name.startsWith(REGION_PREFIX));
    const ordinal = pools.findIndex((region) => region.name === REGION_PREFIX + name);
    writeLayout(words, layout, ordinal);
    return new BlockPool(arena, name);
  }

  /**
   * The pool of that name, for the calling thread: with a magazine of its own. Once per thread; use it on that thread.
   * @throws EscError `ESC_POOL_THREADS` when `maxThreads` use it already, `ESC_POOL_NOT_READY`; ArenaError
   * `ESC_ARENA_REGION_UNKNOWN`.
   */
  static attach(arena: Arena, name: string): BlockPool {
    return new BlockPool(arena, name);
  }

  /**
   * Takes a block. What is in it is undefined. The thread that attached. A few ns; every `magazineBlocks / 2`th call or less
   * moves blocks from the shared list, which is lock-free.
   * @param label in debug mode, what {@link outstanding} and errors say about the block; ignored otherwise.
   * @returns the block's handle, an integer from 1 to 2^31 - 1 that any thread may use; -1 when neither the magazine nor
   * the shared list has a block and all have been handed out.
   * @throws EscError `ESC_POOL_DISPOSED`; in debug mode `ESC_POOL_WRITE_AFTER_RELEASE`.
   */
  acquire(label = ""): number {
    const slot = this.#slot;
    let count = slot[SlotWord.count] as number;
    if (count === 0) {
      count = this.#refill();
      if (count === 0) return -1;
    }
    const handle = slot[SlotWord.magazine - 1 + count] as number;
    if (this.#ledger !== undefined) this.#ledger.enterAcquired(handle, threadId, label + origin());
    slot[SlotWord.count] = count - 1;
    (this.#counters[Counter.acquired] as number)++;
    return handle;
  }

  /**
   * Gives a block back, whichever thread acquired it. Its handle is stale from now on. Cost as {@link acquire}.
   * @throws EscError `ESC_POOL_FOREIGN_HANDLE` when it is no handle of this pool, `ESC_POOL_DOUBLE_RELEASE` when this
   * thread released it just before, `ESC_POOL_DISPOSED`; in debug mode also whenever it was released before
   * (`ESC_POOL_DOUBLE_RELEASE`, `ESC_POOL_STALE` when it is out again or was never acquired).
   */
  release(handle: number): void {
    const index = (handle & this.#lowMask) - this.#firstHandle;
    if (index >>> 0 >= this.#maxBlocks) throw this.#refused(handle);
    const next = (handle + this.#generation) & 0x7fffffff;
    const slot = this.#slot;
    const count = slot[SlotWord.count] as number;
    if (this.#ledger !== undefined) this.#ledger.enterReleased(handle, next, slot);
    // Costs nothing: the line is at hand for the store. Under the bottom lies NONE, which is no handle.
    else if (slot[SlotWord.magazine - 1 + count] === next) throw this.#doubleRelease(handle);
    slot[SlotWord.magazine + count] = next;
    slot[SlotWord.count] = count + 1;
    (this.#counters[Counter.released] as number)++;
    if (this.#ledger !== undefined) this.#ledger.settle(slot);
    if (count >= this.#magazineBlocks) this.#flush();
  }

  /**
   * Takes up to `count` blocks into `handles`, from index 0 on.
   * @returns how many it got, 0 to `count`; fewer than asked for when the pool is full.
   * @throws as {@link acquire}; the blocks got before it are in `handles`.
   */
  acquireMany(handles: number[], count: number, label = ""): number {
    const slot = this.#slot;
    let got = 0;
    while (got < count) {
      const available = (slot[SlotWord.count] as number) || this.#refill();
      if (available === 0) break;
      // One at a time for the ledger, which has to enter each before it leaves the magazine.
      const run = Math.min(this.#ledger === undefined ? available : 1, count - got);
      for (let i = 0; i < run; i++) {
        const handle = slot[SlotWord.magazine - 1 + available - i] as number;
        if (this.#ledger !== undefined) this.#ledger.enterAcquired(handle, threadId, label + origin());
        handles[got + i] = handle;
      }
      slot[SlotWord.count] = available - run;
      (this.#counters[Counter.acquired] as number) += run;
      got += run;
    }
    return got;
  }

  /** Gives the first `count` of `handles` back. @throws as {@link release}; those before the one refused are given back. */
  releaseMany(handles: readonly number[], count: number): void {
    const slot = this.#slot;
    for (let done = 0; done < count; ) {
      const before = slot[SlotWord.count] as number;
      // None for the ledger, which has to enter each before it is put in.
      const room = this.#ledger === undefined ? this.#magazineBlocks - before : 0;
      const run = Math.min(room, count - done);
      let put = 0;
      for (; put < run; put++) {
        const handle = handles[done + put] as number;
        if (((handle & this.#lowMask) - this.#firstHandle) >>> 0 >= this.#maxBlocks) break;
        const next = (handle + this.#generation) & 0x7fffffff;
        if (slot[SlotWord.magazine - 1 + before + put] === next) break;
        slot[SlotWord.magazine + before + put] = next;
      }
      slot[SlotWord.count] = before + put;
      (this.#counters[Counter.released] as number) += put;
      done += put;
      // What found no room, and what is to be refused.
      if (done < count) this.release(handles[done++] as number);
    }
  }

  /**
   * Moves a view onto a block's bytes, of the same arena. Any thread that has the handle.
   * @returns the view.
   * @throws EscError `ESC_POOL_FOREIGN_HANDLE`, `ESC_POOL_DISPOSED`; in debug mode `ESC_POOL_STALE` when the block is not out.
   */
  view(handle: number, view: BytesView): BytesView {
    const index = (handle & this.#lowMask) - this.#firstHandle;
    if (index >>> 0 >= this.#maxBlocks) throw this.#refused(handle);
    if (this.#ledger !== undefined) this.#ledger.check(handle);
    return moveView(view, this.#blocksAddress + index * this.#strideBytes, this.blockBytes);
  }

  /** The pool's figures now. Any thread; reads every thread's line and makes an object: not for a hot path. */
  stats(): PoolStats {
    return this.#slots.stats();
  }

  /** The threads that use the pool, and those that ended without {@link dispose}. Any thread. */
  threads(): PoolThread[] {
    return this.#slots.threads();
  }

  /**
   * Gives back the magazine of a thread that has ended (its `Worker` has emitted `exit`) without dispose, and makes its
   * place free. Any other thread, several at once too. By thread id and not by slot, because ids are never given twice.
   * Blocks that the thread had acquired stay out: in debug mode {@link outstanding} finds them.
   * @param endedThreadId as `worker.threadId` was before the end. While that thread still runs, the pool would break.
   * @returns how many blocks; 0 when the thread has nothing here (any more).
   * @throws EscError `ESC_POOL_THREAD` when it is the calling thread, `ESC_POOL_DISPOSED`.
   */
  reclaim(endedThreadId: number): number {
    if (this.#maxBlocks === 0) throw this.#disposed();
    if (endedThreadId === threadId) {
      throw new EscError("ESC_POOL_THREAD", `Pool "${this.name}": thread ${threadId} runs; it gives back by dispose.`);
    }
    let blocks = 0;
    // Taken over first, so that a second thread can't, and that it can be reclaimed from this one in turn.
    for (const slot of this.#slots.takeOver(endedThreadId)) blocks += this.#leave(slot);
    return blocks;
  }

  /**
   * The blocks that are out, with who acquired them and where: at shutdown, the leaks. Debug mode only; any thread.
   * @throws EscError `ESC_POOL_NO_LEDGER` when the pool was made without `debug`.
   */
  outstanding(): OutstandingBlock[] {
    if (this.#ledger !== undefined) return this.#ledger.outstanding();
    throw new EscError("ESC_POOL_NO_LEDGER", `Pool "${this.name}" keeps no ledger; create it with debug: true.`);
  }

  /** Gives the thread's magazine back. Blocks that are out stay so. A second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#maxBlocks === 0) return;
    this.#slot = new Int32Array(SlotWord.magazine + 1);
    this.#counters = new Float64Array(COUNTERS);
    this.#magazineBlocks = -1;
    this.#maxBlocks = 0;
    this.#leave(this.#slotIndex);
  }

  #refill(): number {
    if (this.#maxBlocks === 0) throw this.#disposed();
    const taken = this.#kernel.take(this.#address, this.#slotAddress, this.#half);
    (this.#counters[taken === 0 ? Counter.failures : Counter.refills] as number)++;
    return taken;
  }

  #flush(): void {
    this.#kernel.give(this.#address, this.#slotAddress, this.#half);
    (this.#counters[Counter.flushes] as number)++;
  }

  /** Empties the magazine of a slot that the calling thread owns, then gives the slot up. */
  #leave(index: number): number {
    const slot = this.#slots.words(index);
    const completed = this.#ledger?.recover(slot) ?? 0;
    if (completed > 0) (this.#slots.counters(index)[Counter.released] as number) += completed;
    const blocks = slot[SlotWord.count] as number;
    if (blocks > 0) this.#kernel.give(this.#address, slot.byteOffset, blocks);
    this.#slots.leave(index);
    return blocks;
  }

  #refused(handle: number): EscError {
    if (this.#maxBlocks === 0) return this.#disposed();
    return new EscError("ESC_POOL_FOREIGN_HANDLE", `Pool "${this.name}": ${handle} is not a handle of this pool.`);
  }

  #doubleRelease(handle: number): EscError {
    return new EscError("ESC_POOL_DOUBLE_RELEASE", `Pool "${this.name}": handle ${handle} was released already.`);
  }

  #disposed(): EscError {
    return new EscError("ESC_POOL_DISPOSED", `Pool "${this.name}" is disposed of in this thread; attach again.`);
  }
}

/** From where a public method was called: as many frames as a ledger's entry has room for. */
function origin(): string {
  const frames = (new Error().stack ?? "").split("\n").slice(3, 6);
  return frames.map((frame) => `\n${frame.trim()}`).join("");
}
