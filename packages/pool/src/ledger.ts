/**
 * The ledger of a pool in debug mode: for each block whether it is out, in which generation, who acquired it and where.
 * In shared memory, so that any thread can name the culprit. Outside debug mode there is none, and no cost.
 *
 * Entry of block i (512 bytes):
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | i32 | 0 never acquired; h the block is out with handle h; ~h it is free and will be handed out as h |
 * | 4 | i32 | thread id of who acquired it last |
 * | 8 | i32 | bytes of the text |
 * | 12 | | UTF-8: label and stack of that acquisition |
 *
 * A thread can be ended between any two calls here, so the order is such that `recover` can tell how far it came: an
 * acquisition is entered before the block leaves the magazine; a release says which block it will put in (`pending`),
 * then enters it, then puts it in.
 */
import { EscError } from "@esc/events";
import { LEDGER_ENTRY_BYTES, NONE, SlotWord } from "./pool-layout.ts";
import type { OutstandingBlock } from "./pool-stats.ts";

const STATE = 0;
const THREAD = 1;
const TEXT_LENGTH = 2;
const TEXT = 12;
const WORDS = LEDGER_ENTRY_BYTES / 4;
/** What released blocks are filled with: a pointer, a length or a double made of it is conspicuous. */
const POISON = 0xdb;

export class Ledger {
  readonly #pool: string;
  readonly #entries: Int32Array;
  readonly #texts: Uint8Array;
  readonly #blocks: Uint8Array;
  readonly #strideBytes: number;
  readonly #indexMask: number;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(
    pool: string,
    entries: Int32Array,
    blocks: Uint8Array,
    sizes: { strideBytes: number; indexMask: number },
  ) {
    this.#pool = pool;
    this.#entries = entries;
    this.#texts = new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
    this.#blocks = blocks;
    this.#strideBytes = sizes.strideBytes;
    this.#indexMask = sizes.indexMask;
  }

  /** Enters that `handle` is out. Before it leaves the magazine. @throws EscError `ESC_POOL_WRITE_AFTER_RELEASE`. */
  enterAcquired(handle: number, threadId: number, text: string): void {
    const entry = this.#entry(handle);
    const block = this.#block(handle);
    if (this.#entries[entry + STATE] !== 0 && !block.every((byte) => byte === POISON)) {
      block.fill(POISON);
      throw new EscError(
        "ESC_POOL_WRITE_AFTER_RELEASE",
        `Pool "${this.#pool}": a block was written to after its release. Who acquired it last: ${this.#text(handle)}`,
      );
    }
    const bytes = this.#encoder.encode(text).subarray(0, LEDGER_ENTRY_BYTES - TEXT);
    this.#texts.set(bytes, entry * 4 + TEXT);
    this.#entries[entry + THREAD] = threadId;
    this.#entries[entry + TEXT_LENGTH] = bytes.length;
    Atomics.store(this.#entries, entry + STATE, handle);
  }

  /** @throws EscError `ESC_POOL_STALE` when `handle` is not out, or its block is out under another. */
  check(handle: number): void {
    const state = Atomics.load(this.#entries, this.#entry(handle) + STATE);
    if (state === handle) return;
    const now = state === 0 ? "was never acquired" : state < 0 ? "is free" : "is out under another handle";
    const last = state === 0 ? "" : ` Who acquired it last: ${this.#text(handle)}`;
    throw new EscError("ESC_POOL_STALE", `Pool "${this.#pool}": the block of handle ${handle} ${now}.${last}`);
  }

  /**
   * Enters that `handle` was released, to be handed out as `next`. The slot's owner only; put it in and then
   * {@link settle}.
   * @throws EscError `ESC_POOL_DOUBLE_RELEASE`, `ESC_POOL_STALE`.
   */
  enterReleased(handle: number, next: number, slot: Int32Array): void {
    const entry = this.#entry(handle);
    if (this.#entries[entry + STATE] === ~next) throw this.#doubleRelease(handle);
    this.check(handle);
    this.#block(handle).fill(POISON);
    slot[SlotWord.pending] = next;
    if (Atomics.compareExchange(this.#entries, entry + STATE, handle, ~next) !== handle) {
      slot[SlotWord.pending] = NONE;
      throw this.#doubleRelease(handle);
    }
  }

  /** The released block is in the magazine. */
  settle(slot: Int32Array): void {
    slot[SlotWord.pending] = NONE;
  }

  /**
   * Sets right what a thread left that ended in the middle of a call. Who has taken its slot over.
   * @returns how many releases it completed, 0 or 1.
   */
  recover(slot: Int32Array): number {
    const pending = slot[SlotWord.pending] as number;
    const count = slot[SlotWord.count] as number;
    const top = slot[SlotWord.magazine + count - 1];
    const halfway = pending !== NONE && top !== pending && this.#entries[this.#entry(pending) + STATE] === ~pending;
    if (halfway) {
      slot[SlotWord.magazine + count] = pending;
      slot[SlotWord.count] = count + 1;
    }
    this.settle(slot);
    for (let i = 0; i < (slot[SlotWord.count] as number); i++) {
      const handle = slot[SlotWord.magazine + i] as number;
      if (this.#entries[this.#entry(handle) + STATE] !== handle) continue;
      this.#block(handle).fill(POISON);
      Atomics.store(this.#entries, this.#entry(handle) + STATE, ~handle);
    }
    return halfway ? 1 : 0;
  }

  /** All blocks that are out, by index. */
  outstanding(): OutstandingBlock[] {
    const all: OutstandingBlock[] = [];
    for (let entry = 0; entry < this.#entries.length; entry += WORDS) {
      const handle = Atomics.load(this.#entries, entry + STATE);
      if (handle <= 0) continue;
      all.push({ handle, threadId: this.#entries[entry + THREAD] as number, acquiredBy: this.#text(handle) });
    }
    return all;
  }

  #entry(handle: number): number {
    return (handle & this.#indexMask) * WORDS;
  }

  #block(handle: number): Uint8Array {
    const start = (handle & this.#indexMask) * this.#strideBytes;
    return this.#blocks.subarray(start, start + this.#strideBytes);
  }

  #text(handle: number): string {
    const entry = this.#entry(handle);
    const start = entry * 4 + TEXT;
    // TextDecoder refuses shared memory: slice() copies.
    return this.#decoder.decode(this.#texts.slice(start, start + (this.#entries[entry + TEXT_LENGTH] as number)));
  }

  #doubleRelease(handle: number): EscError {
    return new EscError(
      "ESC_POOL_DOUBLE_RELEASE",
      `Pool "${this.#pool}": handle ${handle} was released already. Who acquired it: ${this.#text(handle)}`,
    );
  }
}
