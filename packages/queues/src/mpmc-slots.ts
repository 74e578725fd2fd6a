/**
 * Several producers, several consumers, numbers: Vyukov's bounded queue. Each number goes to one of the consumers.
 * `assembly/mpmc-slots.ts` has the layout.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { parkerAt } from "./parker.ts";
import { type RingKernel, ringKernel } from "./ring-kernel.ts";
import { cellRegions, checkCapacity, noNumber } from "./slot-cells.ts";
import type { SlotsOptions } from "./spsc-slots.ts";
import type { Waitable } from "./wait-strategy.ts";

/** `MPMC_SLOTS_BYTES` and `MPMC_CELL_BYTES` of `assembly/mpmc-slots.ts`. */
const CONTROL_BYTES = 640;
const CELL_BYTES = 16;

export class MpmcSlots {
  readonly name: string;
  readonly capacity: number;
  /** To wait for a number; any number of threads. */
  readonly values: Waitable;
  /** To wait for space; any number of threads. */
  readonly space: Waitable;
  readonly #kernel: RingKernel;
  readonly #address: number;

  private constructor(arena: Arena, name: string) {
    const { control, cells } = cellRegions(arena, "mpmc-slots", name);
    this.name = name;
    this.capacity = cells.byteLength / CELL_BYTES;
    this.#kernel = ringKernel(arena);
    this.#address = regionAddress(control);
    this.values = this.#waitable(arena, 0);
    this.space = this.#waitable(arena, 1);
  }

  /** Arena bytes that it needs, alignment included. */
  static bytesFor(capacity: number): number {
    return CONTROL_BYTES + capacity * CELL_BYTES + 256;
  }

  /** Makes one. Once, before other threads attach. @throws EscError `ESC_SLOTS_CAPACITY`; ArenaError. */
  static create(arena: Arena, name: string, { capacity }: SlotsOptions): MpmcSlots {
    checkCapacity(name, capacity);
    const { control, cells } = cellRegions(arena, "mpmc-slots", name, CONTROL_BYTES, capacity * CELL_BYTES);
    ringKernel(arena).mpmcInit(regionAddress(control), capacity, regionAddress(cells));
    return new MpmcSlots(arena, name);
  }

  /** The slots of that name, in any thread. */
  static attach(arena: Arena, name: string): MpmcSlots {
    return new MpmcSlots(arena, name);
  }

  /** Numbers in it, as any thread sees them; those on their way in or out included. */
  get depth(): number {
    return this.#kernel.mpmcDepth(this.#address);
  }

  /** Puts a number in. Any thread. @returns false when full. @throws EscError `ESC_SLOTS_NUMBER` for NaN. */
  push(value: number): boolean {
    if (Number.isNaN(value)) throw noNumber();
    return this.#kernel.mpmcPush(this.#address, value) !== 0;
  }

  /** Takes the oldest number out; NaN when there is none. Any thread. */
  pop(): number {
    return this.#kernel.mpmcPop(this.#address);
  }

  #waitable(arena: Arena, space: number): Waitable {
    const kernel = this.#kernel;
    const address = this.#address;
    const parker = parkerAt(arena, kernel.mpmcParker(address, space) >>> 0, true);
    return {
      parker,
      ready: () => kernel.mpmcReady(address, space) !== 0,
      prepare: () => parker.prepare(),
    };
  }
}
