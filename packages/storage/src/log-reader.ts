/** Reading a log back: by pull, in order, with bounded memory, also while a writer appends. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { RecordOffset } from "@esc/events";
import { RecordScanner, ScanEnd, scanEndText } from "./record-scanner.ts";
import { RecordView } from "./record-view.ts";
import { listSegments, type SegmentFile } from "./segment-files.ts";

/** A stretch of the log that can't be read. */
export interface LogGap {
  readonly path: string;
  readonly offset: number;
  readonly reason: string;
}

export interface LogReaderOptions {
  /** The lane's folder. */
  readonly dir: string;
  /** Sequence of the first record wanted; 1 unless given. */
  readonly fromSequence?: number;
  /** Bytes read at once, 4 MiB unless given; grows for a record that is longer. */
  readonly bufferBytes?: number;
  /** Told of every stretch that is skipped because it is damaged. */
  readonly onGap?: (gap: LogGap) => void;
}

export class LogReader {
  readonly #dir: string;
  readonly #onGap: (gap: LogGap) => void;
  #scanner: RecordScanner;
  #next: number;
  #segment: SegmentFile | undefined;
  #fd: number | undefined;
  #offset = 0;
  #runStart = 0;

  constructor(options: LogReaderOptions) {
    this.#dir = options.dir;
    this.#scanner = new RecordScanner(options.bufferBytes);
    this.#next = options.fromSequence ?? 1;
    this.#onGap = options.onGap ?? (() => undefined);
  }

  /**
   * Loads the next whole records that lie one behind the other into {@link bytes}.
   * @returns their bytes; 0 when there is no further record now (later there may be).
   */
  nextRun(): number {
    for (;;) {
      if (this.#fd === undefined && !this.#openNext()) return 0;
      const loaded = this.#load();
      const end = this.#scanner.scan(0, loaded, 0);
      const good = this.#scanner.bytes;
      if (good > 0) {
        this.#offset += good;
        const skip = this.#skipBefore(good);
        this.#next = Math.max(this.#next, this.#scanner.lastSequence + 1);
        if (skip < good) {
          this.#runStart = skip;
          return good - skip;
        }
        continue;
      }
      if (end === ScanEnd.partial && loaded === this.#scanner.buffer.length) {
        this.#scanner = this.#scanner.atLeast(loaded * 2);
        continue;
      }
      // A record that is cut off at the end of the last segment is one that is being written; anywhere else it is damage.
      const growing = end === ScanEnd.partial && !this.#hasFollowing;
      if (end !== ScanEnd.end && !growing && this.#skipDamage(end)) continue;
      if (!this.#leave(loaded, end)) return 0;
    }
  }

  /** Where {@link nextRun} put the records. Valid until the next call. */
  get bytes(): Uint8Array {
    return this.#scanner.buffer;
  }

  /** Offset of the run's first record in {@link bytes}. */
  get runStart(): number {
    return this.#runStart;
  }

  /** Every event in order up to the log's present end. The view is valid until the next one; tombstones are left out. */
  *[Symbol.iterator](): Generator<RecordView> {
    for (let length = this.nextRun(); length > 0; length = this.nextRun()) {
      const view = new RecordView(this.bytes);
      const end = this.#runStart + length;
      for (let at = this.#runStart; at < end; at += view.paddedBytes) {
        view.moveTo(at);
        if (!view.tombstone) yield view;
        view.moveTo(at);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  /** The segment that holds the next record, or the first one behind it. */
  #openNext(): boolean {
    const segments = listSegments(this.#dir);
    let wanted: SegmentFile | undefined;
    if (this.#segment === undefined) {
      wanted = segments.findLast((segment) => segment.firstSequence <= this.#next) ?? segments[0];
    } else {
      const current = this.#segment.firstSequence;
      wanted = segments.find((segment) => segment.firstSequence > current);
    }
    if (wanted === undefined) return false;
    this.#fd = openSync(wanted.path, "r");
    this.#segment = wanted;
    this.#offset = 0;
    return true;
  }

  get #hasFollowing(): boolean {
    const { firstSequence: current } = this.#segment as SegmentFile;
    return listSegments(this.#dir).some(({ firstSequence }) => firstSequence > current);
  }

  /** Goes on at the next good record of the segment, behind what can't be read; false when there is none. */
  #skipDamage(end: ScanEnd): boolean {
    const { path } = this.#segment as SegmentFile;
    const from = this.#offset;
    // No record is shorter than its header, so the file's size bounds how far sequences can have gone on.
    const atMost = this.#next + Math.ceil(fstatSync(this.#fd as number).size / RecordOffset.body);
    // Loads overlap by half, so that a record across two of them is found by the second.
    const step = this.#scanner.buffer.length / 2;
    for (let at = from + 8; ; at += step) {
      this.#offset = at;
      const loaded = this.#load();
      const found = this.#scanner.find(0, loaded, this.#next, atMost);
      if (found >= 0) {
        this.#offset = at + found;
        this.#onGap({ path, offset: from, reason: scanEndText(end) });
        return true;
      }
      if (loaded < this.#scanner.buffer.length) break;
    }
    this.#offset = from;
    return false;
  }

  /** The segment has no further record here: on to the next one, if there is one. */
  #leave(loaded: number, end: ScanEnd): boolean {
    const segment = this.#segment as SegmentFile;
    if (!this.#hasFollowing) return false;
    if (loaded > 0) this.#onGap({ path: segment.path, offset: this.#offset, reason: scanEndText(end) });
    this.#close();
    return true;
  }

  #close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  #load(): number {
    const { buffer } = this.#scanner;
    let loaded = 0;
    while (loaded < buffer.length) {
      const got = readSync(this.#fd as number, buffer, loaded, buffer.length - loaded, this.#offset + loaded);
      if (got === 0) break;
      loaded += got;
    }
    return loaded;
  }

  /** Bytes of the run's records that come before the one wanted. */
  #skipBefore(length: number): number {
    const view = new RecordView(this.#scanner.buffer);
    let at = 0;
    while (at < length && view.moveTo(at).sequence < this.#next) at += view.paddedBytes;
    return at;
  }
}
