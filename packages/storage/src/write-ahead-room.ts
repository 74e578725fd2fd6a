/**
 * Zeros written ahead of a log's end, so that a small record's sync has no new size and no new blocks to make durable
 * besides its bytes: on ext4 that takes a third to a half off an `fdatasync` (0.13 → 0.08 ms for 4 KiB; a longer `ftruncate`
 * alone takes off nothing at 4 KiB). Large groups gain nothing, and would be written twice, so room is made only
 * while writes are small: `docs/durability.md` has the measurement.
 */
import type { LogFs } from "./log-fs.ts";

/** A write this many times smaller than the room is a small one. */
const SMALL = 16;
/** Small writes in a row before room is made: a single one between large ones isn't worth it. */
const IN_A_ROW = 8;

export class WriteAheadRoom {
  readonly #bytes: number;
  readonly #zeros: Uint8Array;
  /** Offset up to which the file has bytes, zeros included. */
  #end = 0;
  #small = 0;

  /** @param bytes made at once; 0 makes none. */
  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#zeros = new Uint8Array(bytes);
  }

  /** Another file, or this one cut: it ends at `end`. */
  reset(end: number): void {
    this.#end = end;
  }

  /** Whether the file goes on behind its last record. */
  behind(end: number): boolean {
    return this.#end > end;
  }

  /** Makes room for a write of `length` at `end` where that pays, up to `most` bytes of file. A full disk makes none. */
  make(fs: LogFs, fd: number, end: number, length: number, most: number): void {
    if (length * SMALL > this.#bytes) {
      this.#small = 0;
    } else if (end + length > this.#end && ++this.#small >= IN_A_ROW) {
      const room = Math.min(this.#bytes, most - end);
      let made = 0;
      try {
        while (made < room) {
          const got = fs.write(fd, this.#zeros, made, room - made, end + made);
          if (got <= 0) break;
          made += got;
        }
      } catch {
        // The record's own write tells whether there is space for it.
      }
      this.#end = Math.max(this.#end, end + made);
    }
    this.#end = Math.max(this.#end, end + length);
  }
}
