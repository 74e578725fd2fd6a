/**
 * A window over bytes in an arena: a flyweight. What owns the bytes (a ring, a pool) moves one view from place to place,
 * so that looking at a million records makes no object.
 *
 * Every access is checked against the window: nobody reads a neighbour's bytes by a wrong offset. Numbers are
 * little-endian, as everything in an arena is.
 */
import type { Arena } from "./arena.ts";
import { ArenaError } from "./arena-error.ts";

/** Moves a view's window: for the faces of kernels, which know where bytes lie (`@esc/arena/kernel`). */
export let moveView: (view: BytesView, address: number, length: number) => BytesView;

export class BytesView {
  readonly #data: DataView;
  readonly #bytes: Uint8Array;
  #start = 0;
  #length = 0;

  static {
    moveView = (view, address, length) => {
      view.#start = address;
      view.#length = length;
      return view;
    };
  }

  /** A view over nothing yet. One per thread and purpose; a view is not shared. */
  constructor(arena: Arena) {
    this.#data = new DataView(arena.memory.buffer);
    this.#bytes = new Uint8Array(arena.memory.buffer);
  }

  /** Bytes in the window. */
  get length(): number {
    return this.#length;
  }

  getUint8(at: number): number {
    return this.#data.getUint8(this.#at(at, 1));
  }

  setUint8(at: number, value: number): void {
    this.#data.setUint8(this.#at(at, 1), value);
  }

  getUint16(at: number): number {
    return this.#data.getUint16(this.#at(at, 2), true);
  }

  setUint16(at: number, value: number): void {
    this.#data.setUint16(this.#at(at, 2), value, true);
  }

  getInt32(at: number): number {
    return this.#data.getInt32(this.#at(at, 4), true);
  }

  setInt32(at: number, value: number): void {
    this.#data.setInt32(this.#at(at, 4), value, true);
  }

  getUint32(at: number): number {
    return this.#data.getUint32(this.#at(at, 4), true);
  }

  setUint32(at: number, value: number): void {
    this.#data.setUint32(this.#at(at, 4), value, true);
  }

  getFloat64(at: number): number {
    return this.#data.getFloat64(this.#at(at, 8), true);
  }

  setFloat64(at: number, value: number): void {
    this.#data.setFloat64(this.#at(at, 8), value, true);
  }

  /** Makes a BigInt: not for a hot path. */
  getBigUint64(at: number): bigint {
    return this.#data.getBigUint64(this.#at(at, 8), true);
  }

  setBigUint64(at: number, value: bigint): void {
    this.#data.setBigUint64(this.#at(at, 8), value, true);
  }

  /** Copies all of `source` in, from byte `at` on. */
  set(source: Uint8Array, at = 0): void {
    this.#bytes.set(source, this.#at(at, source.length));
  }

  /**
   * Copies the window out into `target` from byte `targetAt` on.
   * @returns bytes copied, the window's length.
   * @throws ArenaError `ESC_VIEW_RANGE` when it doesn't fit.
   */
  copyTo(target: Uint8Array, targetAt = 0): number {
    if (!(targetAt >= 0 && targetAt + this.#length <= target.length))
      throw outside(targetAt, this.#length, target.length);
    target.set(this.#bytes.subarray(this.#start, this.#start + this.#length), targetAt);
    return this.#length;
  }

  /** A copy that outlives the window. Allocates it. */
  copy(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#start + this.#length);
  }

  /** The window itself as an array over shared memory, valid as long as the view stays. Allocates the array's header. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#start + this.#length);
  }

  #at(at: number, width: number): number {
    if (!(at >= 0 && at + width <= this.#length)) throw outside(at, width, this.#length);
    return this.#start + at;
  }
}

function outside(at: number, width: number, length: number): ArenaError {
  return new ArenaError("ESC_VIEW_RANGE", `${width} bytes at byte ${at} are not within the ${length} that are there.`);
}
