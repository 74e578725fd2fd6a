/** Walks a whole segment file and says what is in it: what recovery and `esc log verify` go by. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { RecordOffset } from "@esc/events";
import { MAX_RECORD_BYTES, RecordScanner, ScanEnd, scanEndText } from "./record-scanner.ts";

/** A place in a segment that isn't a good record. */
export interface Damage {
  readonly path: string;
  /** Byte offset in the file where the good records end. */
  readonly offset: number;
  /** Bytes up to the next good record, or to the end of the file. */
  readonly bytes: number;
  readonly reason: string;
  /** The sequences that are missing: from, and up to where it is known. */
  readonly missingFrom: number;
  readonly missingTo: number | undefined;
}

/** What a segment holds. */
export interface SegmentCheck {
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
  readonly tombstones: number;
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  readonly firstTimeMs: number | undefined;
  readonly lastTimeMs: number | undefined;
  /** Places that aren't good records although good ones, of this log or another, stand behind them. */
  readonly damage: readonly Damage[];
  /** What stands behind the last good record, when nothing good does: a write that a crash cut off. */
  readonly tornTail: Damage | undefined;
  /** The first sequence that can't have been in this segment: behind damage at its end, a number on the safe side. */
  readonly nextSequence: number;
}

/** Walks a segment. Reads it whole, in pieces; memory is bounded by the buffer and the longest record. */
export function checkSegment(
  path: string,
  firstSequence: number,
  scanner: RecordScanner = new RecordScanner(),
): SegmentCheck {
  const fd = openSync(path, "r");
  try {
    return new SegmentWalk(path, fd, firstSequence, scanner).walk();
  } finally {
    closeSync(fd);
  }
}

class SegmentWalk {
  readonly #path: string;
  readonly #fd: number;
  readonly #size: number;
  #scanner: RecordScanner;
  #next: number;
  #offset = 0;
  #records = 0;
  #tombstones = 0;
  #first: { sequence: number; timeMs: number } | undefined;
  #last: { sequence: number; timeMs: number } | undefined;
  readonly #damage: Damage[] = [];

  constructor(path: string, fd: number, firstSequence: number, scanner: RecordScanner) {
    this.#path = path;
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
    this.#next = firstSequence;
    this.#scanner = scanner;
  }

  walk(): SegmentCheck {
    let tornTail: Damage | undefined;
    while (this.#offset < this.#size) {
      const reason = this.#walkGood();
      if (reason === undefined) break;
      const resumed = this.#findGood(this.#next, this.#next + this.#mostRecords);
      const damage: Damage = {
        path: this.#path,
        offset: this.#offset,
        bytes: (resumed?.offset ?? this.#size) - this.#offset,
        reason,
        missingFrom: this.#next,
        missingTo: resumed === undefined ? undefined : resumed.sequence - 1,
      };
      if (resumed !== undefined) {
        this.#damage.push(damage);
        this.#offset = resumed.offset;
        this.#next = resumed.sequence;
        continue;
      }
      // Good records of any other sequence (a file that was swapped or renamed) are somebody's data: never a torn tail.
      if (this.#findGood(0, Number.MAX_SAFE_INTEGER) === undefined) {
        tornTail = damage;
      } else {
        this.#damage.push(damage);
        this.#next += this.#mostRecords;
      }
      break;
    }
    return {
      path: this.#path,
      bytes: this.#size,
      records: this.#records,
      tombstones: this.#tombstones,
      firstSequence: this.#first?.sequence,
      lastSequence: this.#last?.sequence,
      firstTimeMs: this.#first?.timeMs,
      lastTimeMs: this.#last?.timeMs,
      damage: this.#damage,
      tornTail,
      nextSequence: this.#next,
    };
  }

  /** Walks good records from the offset on; undefined at the end of the file, else why it stopped there. */
  #walkGood(): string | undefined {
    while (this.#offset < this.#size) {
      const length = this.#load(this.#offset);
      const end = this.#scanner.scan(0, length, this.#next);
      this.#count();
      const atEnd = this.#offset + (length - this.#scanner.bytes) >= this.#size;
      if (end === ScanEnd.end) continue;
      if (end !== ScanEnd.partial) return scanEndText(end);
      if (atEnd) return scanEndText(end);
      // The record goes on behind the buffer: read on from its start, into a larger buffer when it filled this one.
      if (this.#scanner.bytes === 0) {
        const larger = this.#scanner.buffer.length * 2;
        if (larger > 2 * MAX_RECORD_BYTES) return scanEndText(ScanEnd.badLength);
        this.#scanner = this.#scanner.atLeast(larger);
      }
    }
    return undefined;
  }

  #count(): void {
    const scanner = this.#scanner;
    if (scanner.records > 0) {
      this.#first ??= { sequence: scanner.firstSequence, timeMs: scanner.firstTimeMs };
      this.#last = { sequence: scanner.lastSequence, timeMs: scanner.lastTimeMs };
      this.#records += scanner.records;
      this.#tombstones += scanner.tombstones;
      this.#next = scanner.lastSequence + 1;
    }
    this.#offset += scanner.bytes;
  }

  /** More records than the file can hold: none is shorter than its header. */
  get #mostRecords(): number {
    return Math.ceil(this.#size / RecordOffset.body);
  }

  /** The first good record behind the offset with a sequence in the range. */
  #findGood(atLeast: number, atMost: number): { offset: number; sequence: number } | undefined {
    // A record that lies across two loads is found by the second: loads overlap by half the buffer.
    const step = this.#scanner.buffer.length / 2;
    for (let at = this.#offset + 8; at < this.#size; at += step) {
      const length = this.#load(at);
      const found = this.#scanner.find(0, length, atLeast, atMost);
      if (found < 0) continue;
      this.#scanner.scan(found, length, 0);
      return { offset: at + found, sequence: this.#scanner.firstSequence };
    }
    return undefined;
  }

  #load(offset: number): number {
    const { buffer } = this.#scanner;
    let loaded = 0;
    while (loaded < buffer.length) {
      const got = readSync(this.#fd, buffer, loaded, buffer.length - loaded, offset + loaded);
      if (got === 0) break;
      loaded += got;
    }
    return loaded;
  }
}
