/** Walks a whole segment file and says what is in it: what recovery and `esc log verify` go by. */
import { RecordOffset } from "@esc/events";
import { findBehind, holdsRecords } from "./behind-damage.ts";
import { RecordScanner, ScanEnd, scanEndText } from "./record-scanner.ts";
import { INDEX_STEP_BYTES, SegmentIndex } from "./segment-index.ts";
import { SegmentInput } from "./segment-input.ts";

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
  /** Zeros from the last good record to the file's end: room that a writer made ahead, and no damage. */
  readonly preallocatedBytes: number;
  /** The first sequence that can't have been in this segment: behind damage at its end, a number on the safe side. */
  readonly nextSequence: number;
}

/**
 * Walks a segment. Reads it whole, in pieces; memory is bounded by the buffer and the longest record.
 * @param firstSequence that its name says.
 * @param scanner to use for several segments one after the other.
 * @param index to fill with what is found.
 * @throws the system's error when the file can't be read.
 */
export function checkSegment(
  path: string,
  firstSequence: number,
  scanner: RecordScanner = new RecordScanner(),
  index: SegmentIndex = new SegmentIndex(firstSequence),
): SegmentCheck {
  using input = new SegmentInput(path, scanner);
  return new SegmentWalk(input, firstSequence, index).walk();
}

class SegmentWalk {
  readonly #input: SegmentInput;
  readonly #size: number;
  readonly #index: SegmentIndex;
  #next: number;
  #offset = 0;
  #records = 0;
  #tombstones = 0;
  #first: { sequence: number; timeMs: number } | undefined;
  #last: { sequence: number; timeMs: number } | undefined;
  readonly #damage: Damage[] = [];

  constructor(input: SegmentInput, firstSequence: number, index: SegmentIndex) {
    this.#input = input;
    this.#index = index;
    this.#size = input.size();
    this.#next = firstSequence;
  }

  walk(): SegmentCheck {
    let tornTail: Damage | undefined;
    let preallocatedBytes = 0;
    for (;;) {
      const reason = this.#walkGood();
      if (reason === undefined) break;
      if (this.#input.allZeros(this.#offset, this.#size)) {
        preallocatedBytes = this.#size - this.#offset;
        break;
      }
      const found = findBehind(this.#input, this.#offset, this.#next, this.#size);
      const damage: Damage = {
        path: this.#input.path,
        offset: this.#offset,
        bytes: (found?.offset ?? this.#size) - this.#offset,
        reason,
        missingFrom: this.#next,
        missingTo: found === undefined ? undefined : found.sequence - 1,
      };
      if (found !== undefined) {
        this.#damage.push(damage);
        this.#offset = found.offset;
        this.#next = found.sequence;
        continue;
      }
      // Good records of any other sequence (a file that was swapped or renamed), or records of which it can't be told
      // whether they are a payload's bytes, may be somebody's data: never a torn tail.
      if (holdsRecords(this.#input, this.#offset, this.#size)) {
        this.#damage.push(damage);
        this.#next += Math.ceil(this.#size / RecordOffset.body);
      } else {
        tornTail = damage;
      }
      break;
    }
    this.#index.damaged = this.#damage.length > 0;
    return {
      path: this.#input.path,
      bytes: this.#size,
      records: this.#records,
      tombstones: this.#tombstones,
      firstSequence: this.#first?.sequence,
      lastSequence: this.#last?.sequence,
      firstTimeMs: this.#first?.timeMs,
      lastTimeMs: this.#last?.timeMs,
      damage: this.#damage,
      tornTail,
      preallocatedBytes,
      nextSequence: this.#next,
    };
  }

  /** Walks good records from the offset on; undefined at the end of the file, else why it stopped there. */
  #walkGood(): string | undefined {
    while (this.#offset < this.#size) {
      // What a live writer appends meanwhile is not part of this check.
      const loaded = Math.min(this.#input.loadWhole(this.#offset), this.#size - this.#offset);
      const at = this.#offset;
      const end = this.#walkLoaded(loaded);
      // A record that goes on behind the buffer: read on from its start.
      if (end === ScanEnd.end || (end === ScanEnd.partial && this.#offset > at)) continue;
      return scanEndText(end);
    }
    return undefined;
  }

  /** Walks the bytes that were loaded from the offset on, in pieces of an index's step. */
  #walkLoaded(loaded: number): ScanEnd {
    const { scanner } = this.#input;
    for (let at = 0; at < loaded; ) {
      const to = Math.min(loaded, at + INDEX_STEP_BYTES);
      let end = scanner.scan(at, to, this.#next);
      // A record longer than a step.
      if (end === ScanEnd.partial && scanner.bytes === 0 && to < loaded) end = scanner.scan(at, loaded, this.#next);
      this.#count();
      at += scanner.bytes;
      if (end === ScanEnd.partial && scanner.bytes > 0 && to < loaded) continue;
      if (end !== ScanEnd.end) return end;
    }
    return ScanEnd.end;
  }

  #count(): void {
    const { scanner } = this.#input;
    this.#index.addScanned(this.#offset, scanner);
    if (scanner.records > 0) {
      this.#first ??= { sequence: scanner.firstSequence, timeMs: scanner.firstTimeMs };
      this.#last = { sequence: scanner.lastSequence, timeMs: scanner.lastTimeMs };
      this.#records += scanner.records;
      this.#tombstones += scanner.tombstones;
      this.#next = scanner.lastSequence + 1;
    }
    this.#offset += scanner.bytes;
  }
}
