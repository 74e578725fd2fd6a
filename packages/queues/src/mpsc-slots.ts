/**
 * Up to 16 producers, numbers, up to 8 consumers that each see all of them: a ring of cells with the claims of
 * `MpscRing`, so that a batch costs one compare-and-swap however long it is.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { type Parker, parkerAt } from "./parker.ts";
import { kernelOf, Ring, RingKind, ringAddress } from "./ring.ts";
import type { RingKernel } from "./ring-kernel.ts";
import { checkRange, copyIn, copyOut, noNumber } from "./slot-cells.ts";
import type { SlotsOptions } from "./spsc-slots.ts";
import type { Waitable } from "./wait-strategy.ts";

const MAX_PRODUCERS = 16;
const CELL_BYTES = 8;

export class MpscSlots extends Ring {
  /** Numbers that fit. */
  get capacity(): number {
    return this.capacityBytes / CELL_BYTES;
  }

  /**
   * Makes one. Once, before other threads attach.
   * @param options `capacity` from 512 here.
   * @throws EscError `ESC_RING_CAPACITY`; ArenaError.
   */
  static create(arena: Arena, name: string, { capacity }: SlotsOptions): MpscSlots {
    Ring.allocate(arena, name, RingKind.cells, capacity * CELL_BYTES);
    return new MpscSlots(arena, name, RingKind.cells);
  }

  /** The slots of that name, in any thread. @throws EscError `ESC_RING_KIND`. */
  static attach(arena: Arena, name: string): MpscSlots {
    return new MpscSlots(arena, name, RingKind.cells);
  }

  /** A producer, for this thread. @throws EscError `ESC_RING_PRODUCERS` when all 16 are taken. */
  producer(): MpscSlotsProducer {
    return this.hand(new MpscSlotsProducer(this, this.takeProducer(MAX_PRODUCERS)));
  }

  /**
   * A consumer of what is published from now on, for this thread.
   * @param adopt slot of a consumer whose thread has ended.
   * @throws EscError `ESC_RING_CONSUMERS`, `ESC_RING_ADOPT`.
   */
  consumer({ adopt }: { readonly adopt?: number | undefined } = {}): MpscSlotsConsumer {
    return this.hand(new MpscSlotsConsumer(this, this.takeConsumer(adopt)));
  }

  protected override closeClaim(producer: number): void {
    this.kernel.voidCells(this.address, producer);
  }
}

/** The cells as numbers, and where positions lie in them. */
function cellsOf(ring: Ring): Float64Array {
  const data = ring.arena.region(`ring.${ring.name}.data`);
  return new Float64Array(ring.arena.memory.buffer, regionAddress(data), data.byteLength / CELL_BYTES);
}

export class MpscSlotsProducer implements Waitable, Disposable {
  readonly #ring: MpscSlots;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #producer: number;
  readonly #cells: Float64Array;
  #parker: Parker | undefined;

  /** @internal */
  constructor(ring: MpscSlots, producer: number) {
    this.#ring = ring;
    this.#kernel = kernelOf(ring);
    this.#address = ringAddress(ring);
    this.#producer = producer;
    this.#cells = cellsOf(ring);
  }

  /** Puts a number in. @returns false when full. @throws EscError `ESC_SLOTS_NUMBER` for NaN. */
  push(value: number): boolean {
    if (Number.isNaN(value)) throw noNumber();
    return this.#kernel.pushCell(this.#address, this.#producer, value) !== 0;
  }

  /**
   * Puts numbers in, one behind the other, and publishes them at once.
   * @returns how many fitted, from the first on.
   * @throws EscError `ESC_SLOTS_NUMBER` for NaN: nothing was put in; `ESC_SLOTS_RANGE`.
   */
  pushMany(values: Float64Array, from = 0, to = values.length): number {
    checkRange(from, to, values.length);
    if (from === to) return 0;
    const count = this.#kernel.claimCells(this.#address, this.#producer, to - from);
    if (count === 0) return 0;
    const cells = this.#cells;
    const at = (this.#kernel.claimStart(this.#address, this.#producer) / CELL_BYTES) & (cells.length - 1);
    if (!copyIn(cells, at, values, from, count)) {
      this.#kernel.voidCells(this.#address, this.#producer);
      throw noNumber();
    }
    this.#kernel.commitClaim(this.#address, this.#producer);
    return count;
  }

  /** Whether there is space. For wait strategies. */
  ready(): boolean {
    return this.#kernel.hasSpace(this.#address, this.#producer, CELL_BYTES) !== 0;
  }

  prepare(): void {
    this.parker.prepare();
    this.#ring.wantSpace();
  }

  /** Where this producer sleeps. */
  get parker(): Parker {
    if (this.#parker === undefined) {
      this.#parker = parkerAt(this.#ring.arena, this.#kernel.producerParker(this.#address, this.#producer) >>> 0);
      this.#ring.wakeOnSpace(this.#parker);
    }
    return this.#parker;
  }

  /** Gives the producer's place back. */
  [Symbol.dispose](): void {
    this.#kernel.removeProducer(this.#address, this.#producer);
  }
}

export class MpscSlotsConsumer implements Waitable, Disposable {
  /** Which of the ring's consumers this is. */
  readonly slot: number;
  readonly #ring: MpscSlots;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #cells: Float64Array;
  readonly #words: Uint32Array;
  readonly #first: number;
  #parker: Parker | undefined;

  /** @internal */
  constructor(ring: MpscSlots, slot: number) {
    this.slot = slot;
    this.#ring = ring;
    this.#kernel = kernelOf(ring);
    this.#address = ringAddress(ring);
    this.#cells = cellsOf(ring);
    const run = kernelOf(ring).consumerRun(ringAddress(ring), slot) >>> 0;
    this.#words = new Uint32Array(ring.arena.memory.buffer, run, 1);
    this.#first = this.#cells.byteOffset;
  }

  /**
   * Takes numbers out, oldest first.
   * @param target gets them from index `from` (0) up to, not including, `to` (all of it).
   * @returns how many there were in one piece; what lies behind the ring's end comes with the next call.
   * @throws EscError `ESC_SLOTS_RANGE`.
   */
  popMany(target: Float64Array, from = 0, to = target.length): number {
    checkRange(from, to, target.length);
    const most = to - from;
    let count = 0;
    while (count === 0 && most > 0) {
      const bytes = this.#kernel.poll(this.#address, this.slot, 0) >>> 0;
      if (bytes === 0) break;
      const found = Math.min(bytes / CELL_BYTES, most);
      const start = ((this.#words[0] as number) - this.#first) / CELL_BYTES;
      count = copyOut(this.#cells, start, target, from, found);
      this.#kernel.take(this.#address, this.slot, found * CELL_BYTES, count);
    }
    return count;
  }

  /** Whether there is a number. For wait strategies. */
  ready(): boolean {
    return this.#kernel.ready(this.#address, this.slot) !== 0;
  }

  prepare(): void {
    this.parker.prepare();
  }

  /** Where this consumer sleeps. */
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
}
