/** A consumer of framed records: what `SpscRing.reader` and `MpscRing.reader` give. Use it on one thread. */

import { BytesView } from "@esc/arena";
import { moveView } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import { FRAME_BYTES } from "./claim.ts";
import { type Parker, parkerAt } from "./parker.ts";
import type { Ring } from "./ring.ts";
import { kernelOf, ringAddress } from "./ring.ts";
import type { RingKernel } from "./ring-kernel.ts";
import { AsyncWaitStrategy, type Waitable, type WaitStrategy } from "./wait-strategy.ts";

/** What happens to a record. The view is valid during the call; `view.copy()` outlives it. */
export type RecordHandler = (record: BytesView) => void;

/** What a reader that doesn't gate has missed. */
export interface Overrun {
  readonly records: number;
  readonly bytes: number;
}

const NOTHING = 0x8000_0000;
/** More records than a ring holds. A small integer: V8 boxes infinity where it is handed on. */
const NO_LIMIT = 0x3fff_ffff;

export class RingReader implements Waitable, AsyncIterable<BytesView>, Disposable {
  /** Which of the ring's consumers this is. */
  readonly slot: number;
  /** Whether producers wait for it. */
  readonly gating: boolean;
  readonly #ring: Ring;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #words: Uint32Array;
  readonly #run: number;
  readonly #view: BytesView;
  readonly #runBytes: number;
  #parker: Parker | undefined;
  #handled = 0;
  #expected = 0;
  #reading = false;

  /** @internal Rings make them. */
  constructor(ring: Ring, slot: number, gating: boolean) {
    this.slot = slot;
    this.gating = gating;
    this.#ring = ring;
    this.#kernel = kernelOf(ring);
    this.#address = ringAddress(ring);
    this.#words = new Uint32Array(ring.arena.memory.buffer);
    this.#run = (kernelOf(ring).consumerRun(ringAddress(ring), slot) >>> 0) / 4;
    this.#view = new BytesView(ring.arena);
    // Space goes back to the producers a quarter of the ring at a time, not only when all has been read.
    this.#runBytes = ring.capacityBytes / 4;
  }

  /** Bytes since the start that this reader has passed. */
  get position(): number {
    return this.#kernel.consumerPosition(this.#address, this.slot);
  }

  /** Bytes published and not passed. */
  get lagBytes(): number {
    return this.#kernel.publishedPosition(this.#address) - this.position;
  }

  /** Most bytes that this reader ever found before itself. */
  get highWaterBytes(): number {
    return this.#kernel.consumerHighWater(this.#address, this.slot);
  }

  /** Records passed. */
  get consumed(): number {
    return this.#kernel.consumerCount(this.#address, this.slot);
  }

  /** What it has missed since it began; records are known once there is one behind the gap. Always 0 for one that gates. */
  get overrun(): Overrun {
    return {
      records: this.#kernel.overrunRecords(this.#address, this.slot),
      bytes: this.#kernel.overrunBytes(this.#address, this.slot),
    };
  }

  /**
   * Hands the next records over, one by one, and gives their space back.
   * @param limit the most records; as many as there are in one piece unless given.
   * @returns how many there were; 0 only when there is none: claims that were given up are passed over until a record comes.
   * @throws what the handler throws: the record it threw at counts as passed.
   */
  read(handler: RecordHandler, limit = NO_LIMIT): number {
    let handled = 0;
    // Twice: once more behind the ring's end. A piece without a record doesn't count.
    for (let pieces = 0; pieces < 2 && handled < limit; ) {
      const bytes = this.#poll();
      if (bytes === 0) break;
      handled += this.#handle(handler, bytes, limit - handled);
      if (handled > 0) pieces++;
    }
    return handled;
  }

  /** Waits for records, then reads as {@link read}. @returns 0 when the time was over first. */
  take(handler: RecordHandler, strategy: WaitStrategy, timeoutMs: number, limit?: number): number {
    for (;;) {
      if (!strategy.wait(this, timeoutMs)) return 0;
      const handled = this.read(handler, limit);
      // Only claims that were given up, and no record behind them yet: on with the wait.
      if (handled > 0) return handled;
    }
  }

  /**
   * The records as they come. A record's view is valid until the next one is asked for; space goes back to the producers
   * a quarter of the ring at a time. Makes a promise per record: {@link read} is for where that counts.
   * @param signal ends it; the iteration then throws the signal's reason.
   */
  async *records(signal?: AbortSignal): AsyncGenerator<BytesView, void, void> {
    const wait = new AsyncWaitStrategy();
    for (;;) {
      await wait.wait(this, { signal });
      const bytes = this.#poll();
      if (bytes === 0) continue;
      this.#enter();
      let at = 0;
      try {
        const start = this.#words[this.#run] as number;
        const most = Math.min(bytes, this.#runBytes);
        while (at < most) {
          const record = start + at;
          const word = this.#words[record >>> 2] as number;
          if (word === 0) {
            at = bytes;
            break;
          }
          this.#expect(record, word);
          at += ((word & ~NOTHING) + 7) & ~7;
          if (word >= NOTHING) continue;
          this.#handled++;
          yield moveView(this.#view, record + FRAME_BYTES, word - FRAME_BYTES);
          signal?.throwIfAborted();
        }
      } finally {
        this.#leave(at);
      }
    }
  }

  /** The records as they come; see {@link records}. */
  [Symbol.asyncIterator](): AsyncGenerator<BytesView, void, void> {
    return this.records();
  }

  /** Whether there is anything to read. For wait strategies. */
  ready(): boolean {
    return this.#kernel.ready(this.#address, this.slot) !== 0;
  }

  /** For wait strategies. */
  prepare(): void {
    this.parker.prepare();
  }

  /** Where this reader sleeps. */
  get parker(): Parker {
    if (this.#parker === undefined) {
      this.#parker = parkerAt(this.#ring.arena, this.#kernel.consumerParker(this.#address, this.slot) >>> 0);
      this.#ring.wakeOnPublish(this.#parker);
    }
    return this.#parker;
  }

  /** Gates nobody any more. */
  [Symbol.dispose](): void {
    this.#kernel.removeConsumer(this.#address, this.slot);
  }

  #poll(): number {
    return this.gating
      ? this.#kernel.poll(this.#address, this.slot, 1) >>> 0
      : this.#kernel.pollTap(this.#address, this.slot) >>> 0;
  }

  /** Walks a piece. What was handled is given back also when the handler throws. */
  #handle(handler: RecordHandler, bytes: number, limit: number): number {
    this.#enter();
    const words = this.#words;
    const view = this.#view;
    const start = words[this.#run] as number;
    const most = Math.min(bytes, this.#runBytes);
    let at = 0;
    let handled = 0;
    try {
      while (at < most && handled < limit) {
        const word = words[(start + at) >>> 2] as number;
        if (word === 0) {
          at = bytes;
          break;
        }
        if (!this.gating) this.#expect(start + at, word);
        if (word < NOTHING) {
          const from = start + at + FRAME_BYTES;
          at += (word + 7) & ~7;
          handled++;
          handler(moveView(view, from, word - FRAME_BYTES));
        } else {
          at += word - NOTHING;
        }
      }
    } finally {
      this.#handled = handled;
      this.#leave(at);
    }
    return handled;
  }

  #enter(): void {
    if (this.#reading) {
      throw new EscError("ESC_RING_READING", "The reader is being read already: a handler may not read it again.");
    }
    this.#reading = true;
    this.#handled = 0;
  }

  #leave(bytes: number): void {
    this.#reading = false;
    if (this.gating) this.#kernel.take(this.#address, this.slot, bytes, this.#handled);
    else this.#kernel.takeTap(this.#address, this.slot, bytes, this.#handled, this.#expected);
  }

  /** Notes the sequence behind a record: what is missing in between was overrun. */
  #expect(at: number, word: number): void {
    const sequence = this.#words[(at + 4) >>> 2] as number;
    // A claim that was given up says the sequence behind itself.
    this.#expected = word >= NOTHING ? sequence : (sequence + 1) >>> 0;
  }
}
