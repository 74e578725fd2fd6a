/** A segment file read through a scanner's buffer: memory is bounded by the buffer, which grows for a longer record. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { paddedLength, RecordOffset } from "@esc/events";
import { MAX_RECORD_BYTES, RecordScanner } from "./record-scanner.ts";

export class SegmentInput {
  readonly path: string;
  readonly #fd: number;
  #scanner: RecordScanner;

  /** @throws the system's error when the file can't be opened. */
  constructor(path: string, scanner: RecordScanner) {
    this.path = path;
    this.#scanner = scanner;
    this.#fd = openSync(path, "r");
  }

  /** What {@link load} filled; another one after a longer record. */
  get scanner(): RecordScanner {
    return this.#scanner;
  }

  /** Bytes of the file now. */
  size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Fills the buffer from an offset of the file on. Returns how many bytes there were. */
  load(offset: number): number {
    const { buffer } = this.#scanner;
    let loaded = 0;
    while (loaded < buffer.length) {
      const got = readSync(this.#fd, buffer, loaded, buffer.length - loaded, offset + loaded);
      if (got === 0) break;
      loaded += got;
    }
    return loaded;
  }

  /** As {@link load}, into a larger buffer where the first record needs one and the file has all of it. */
  loadWhole(offset: number): number {
    const loaded = this.load(offset);
    if (loaded < this.#scanner.buffer.length) return loaded;
    const length = this.#scanner.lengthAt(0);
    if (length < RecordOffset.body || length > MAX_RECORD_BYTES || paddedLength(length) <= loaded) return loaded;
    if (offset + paddedLength(length) > this.size()) return loaded;
    this.#scanner = new RecordScanner(paddedLength(length));
    return this.load(offset);
  }

  /** Whether the file holds zeros only from an offset up to another. Overwrites the buffer. */
  allZeros(from: number, to: number): boolean {
    for (let at = from; at < to; ) {
      const loaded = Math.min(this.load(at), to - at);
      if (loaded === 0) return false;
      if (!this.#scanner.allZeros(0, loaded)) return false;
      at += loaded;
    }
    return true;
  }

  /** Sequence of the record at an offset, where a good one stands there. */
  goodAt(offset: number): number | undefined {
    const loaded = this.loadWhole(offset);
    this.#scanner.scan(0, loaded, 0);
    return this.#scanner.records > 0 ? this.#scanner.firstSequence : undefined;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
