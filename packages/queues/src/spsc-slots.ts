/**
 * One producer, one consumer, numbers: handles, indexes, measurements. No header and no view: the fastest ring here.
 * `assembly/spsc-slots.ts` has the layout.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import { type Parker, parkerAt } from "./parker.ts";
import { type RingKernel, ringKernel } from "./ring-kernel.ts";
import { cellRegions, checkCapacity, checkRange, copyIn, noNumber } from "./slot-cells.ts";
import type { Waitable } from "./wait-strategy.ts";

/** `SPSC_SLOTS_BYTES` of `assembly/spsc-slots.ts`. */
const CONTROL_BYTES = 1_024;
/** Of the low halves of the sides' own indexes, in 32-bit words. */
const OWN_TAIL = 384 / 4;
const OWN_HEAD = 512 / 4;

export interface SlotsOptions {
  /** Numbers that fit: a power of two, 2 to 2^26. */
  readonly capacity: number;
}

interface Side {
  readonly arena: Arena;
  readonly kernel: RingKernel;
  readonly address: number;
  readonly cells: Float64Array;
  /** The control block, as words. */
  readonly words: Uint32Array;
}

export class SpscSlots {
  readonly name: string;
  readonly capacity: number;
  readonly #side: Side;

  private constructor(arena: Arena, name: string) {
    const { control, cells } = cellRegions(arena, "spsc-slots", name);
    this.name = name;
    this.capacity = cells.byteLength / 8;
    this.#side = {
      arena,
      kernel: ringKernel(arena),
      address: regionAddress(control),
      cells: new Float64Array(arena.memory.buffer, regionAddress(cells), this.capacity),
      words: new Uint32Array(arena.memory.buffer, regionAddress(control), CONTROL_BYTES / 4),
    };
  }

  /** Arena bytes that it needs, alignment included. */
  static bytesFor(capacity: number): number {
    return CONTROL_BYTES + capacity * 8 + 256;
  }

  /** Makes one. Once, before other threads attach. @throws EscError `ESC_SLOTS_CAPACITY`; ArenaError. */
  static create(arena: Arena, name: string, { capacity }: SlotsOptions): SpscSlots {
    checkCapacity(name, capacity);
    const { control, cells } = cellRegions(arena, "spsc-slots", name, CONTROL_BYTES, capacity * 8);
    ringKernel(arena).slotsInit(regionAddress(control), capacity, regionAddress(cells));
    return new SpscSlots(arena, name);
  }

  /** The slots of that name, in any thread. */
  static attach(arena: Arena, name: string): SpscSlots {
    return new SpscSlots(arena, name);
  }

  /** Numbers in it, as any thread sees them. */
  get depth(): number {
    return this.#side.kernel.slotsDepth(this.#side.address);
  }

  /** The side that puts in, for this thread. @throws EscError `ESC_SLOTS_TAKEN` while another has it. */
  producer(): SpscSlotsProducer {
    this.#take(0);
    return new SpscSlotsProducer(this.#side);
  }

  /**
   * The side that takes out, for this thread.
   * @param releaseEvery numbers taken out before the producer gets their space back, all at once; what is left comes back
   *   when the consumer finds nothing more. 1 unless given. More saves the consumer a shared store each (6 ns of some 15),
   *   and is for a producer that never waits for something else that the consumer does after a pop.
   * @throws EscError `ESC_SLOTS_TAKEN` while another has it, `ESC_SLOTS_CAPACITY`.
   */
  consumer({ releaseEvery = 1 }: { readonly releaseEvery?: number } = {}): SpscSlotsConsumer {
    if (!(Number.isInteger(releaseEvery) && releaseEvery >= 1 && releaseEvery <= this.capacity)) {
      throw new EscError(
        "ESC_SLOTS_CAPACITY",
        `releaseEvery is 1 to the capacity (${this.capacity}), not ${releaseEvery}.`,
      );
    }
    this.#take(1);
    this.#side.kernel.slotsReleaseEvery(this.#side.address, releaseEvery);
    return new SpscSlotsConsumer(this.#side);
  }

  /** Frees a side whose thread has ended, for another to take. What it had not published is not seen. */
  reclaim(side: "producer" | "consumer"): void {
    this.#side.kernel.slotsLeave(this.#side.address, side === "consumer" ? 1 : 0);
  }

  #take(consumer: number): void {
    if (this.#side.kernel.slotsTake(this.#side.address, consumer) !== 0) return;
    throw new EscError(
      "ESC_SLOTS_TAKEN",
      `"${this.name}" has its one ${consumer === 1 ? "consumer" : "producer"} already: dispose of that one, or reclaim() it when its thread has ended.`,
    );
  }
}

export class SpscSlotsProducer implements Waitable, Disposable {
  readonly #side: Side;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #mask: number;
  #parker: Parker | undefined;

  /** @internal */
  constructor(side: Side) {
    this.#side = side;
    this.#kernel = side.kernel;
    this.#address = side.address;
    this.#mask = side.cells.length - 1;
  }

  /** Puts a number in. @returns false when full. @throws EscError `ESC_SLOTS_NUMBER` for NaN. */
  push(value: number): boolean {
    if (Number.isNaN(value)) throw noNumber();
    return this.#kernel.slotsPush(this.#address, value) !== 0;
  }

  /**
   * Puts numbers in and publishes them at once.
   * @param values from index `from` (0) up to, not including, `to` (all).
   * @returns how many fitted, from the first on.
   * @throws EscError `ESC_SLOTS_NUMBER` for NaN: nothing was put in; `ESC_SLOTS_RANGE`.
   */
  pushMany(values: Float64Array, from = 0, to = values.length): number {
    checkRange(from, to, values.length);
    const count = this.#kernel.slotsFree(this.#address, to - from);
    if (count === 0) return 0;
    const { cells, words } = this.#side;
    if (!copyIn(cells, (words[OWN_TAIL] as number) & this.#mask, values, from, count)) throw noNumber();
    this.#kernel.slotsPublish(this.#address, count);
    return count;
  }

  /** Whether there is space. For wait strategies. */
  ready(): boolean {
    return this.#kernel.slotsFree(this.#address, 1) !== 0;
  }

  prepare(): void {
    this.parker.prepare();
  }

  /** Where this side sleeps. */
  get parker(): Parker {
    this.#parker ??= parkerAt(this.#side.arena, this.#kernel.slotsParker(this.#address, 0) >>> 0);
    return this.#parker;
  }

  /** Gives the side back. */
  [Symbol.dispose](): void {
    this.#kernel.slotsLeave(this.#address, 0);
  }
}

export class SpscSlotsConsumer implements Waitable, Disposable {
  readonly #side: Side;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #mask: number;
  #parker: Parker | undefined;

  /** @internal */
  constructor(side: Side) {
    this.#side = side;
    this.#kernel = side.kernel;
    this.#address = side.address;
    this.#mask = side.cells.length - 1;
  }

  /**
   * Takes the oldest number out; NaN when there is none. Under a stream of numbers that come one by one, a look for more
   * takes up to 0.4 µs, so that the two threads don't fight for a line at each number; the first one after a pause is seen at once.
   */
  pop(): number {
    return this.#kernel.slotsPop(this.#address);
  }

  /**
   * Takes numbers out, oldest first.
   * @param target gets them from index `from` (0) up to, not including, `to` (all of it).
   * @returns how many there were. @throws EscError `ESC_SLOTS_RANGE`.
   */
  popMany(target: Float64Array, from = 0, to = target.length): number {
    checkRange(from, to, target.length);
    const count = this.#kernel.slotsAvailable(this.#address, to - from);
    if (count === 0) return 0;
    const { cells, words } = this.#side;
    const mask = this.#mask;
    let at = words[OWN_HEAD] as number;
    for (let i = from; i < from + count; i++) target[i] = cells[at++ & mask] as number;
    this.#kernel.slotsRelease(this.#address, count);
    return count;
  }

  /** Whether there is a number. For wait strategies. */
  ready(): boolean {
    return this.#kernel.slotsAvailable(this.#address, 1) !== 0;
  }

  prepare(): void {
    this.parker.prepare();
  }

  /** Where this side sleeps. */
  get parker(): Parker {
    this.#parker ??= parkerAt(this.#side.arena, this.#kernel.slotsParker(this.#address, 1) >>> 0);
    return this.#parker;
  }

  /** Gives the side back. */
  [Symbol.dispose](): void {
    this.#kernel.slotsLeave(this.#address, 1);
  }
}
