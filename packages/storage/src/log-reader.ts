/** Reading a log back: by pull, in order, with bounded memory, also while a writer appends. */
import { findBehind } from "./behind-damage.ts";
import { RecordScanner, ScanEnd, scanEndText } from "./record-scanner.ts";
import { RecordView } from "./record-view.ts";
import { listSegments, type SegmentFile } from "./segment-files.ts";
import { SegmentInput } from "./segment-input.ts";

/** A stretch of the log that can't be read. */
export interface LogGap {
  readonly path: string;
  readonly offset: number;
  readonly reason: string;
}

export interface LogReaderOptions {
  /** The lane's folder. */
  readonly dir: string;
  /** Sequence of the first record wanted; the log's first unless given. */
  readonly fromSequence?: number;
  /** Bytes read at once, 4 MiB unless given; grows for a record that is longer. */
  readonly bufferBytes?: number;
  /** Told of every stretch that is skipped: damaged, or missing between segments or before the first wanted. */
  readonly onGap?: (gap: LogGap) => void;
}

/**
 * A reader of one lane's log. Every record it gives out has the right CRC and the sequence that its place in the log
 * demands. On one thread; any number of readers beside each other and beside the writer.
 *
 * @example
 * using reader = new LogReader({ dir: "data/log/transactional" });
 * for (const event of reader) console.log(event.sequence, event.topic, event.text());
 */
export class LogReader {
  readonly #dir: string;
  readonly #onGap: (gap: LogGap) => void;
  #scanner: RecordScanner;
  /** First sequence wanted; undefined until the first segment is known, when any will do. */
  #wanted: number | undefined;
  #segment: SegmentFile | undefined;
  #input: SegmentInput | undefined;
  #offset = 0;
  /** Sequence that stands at the offset, if all is well. */
  #expected = 0;
  /** The writer has left the segment: what it holds now is all it will ever hold. */
  #sealed = false;
  /** Size of the segment when nothing good was found behind the offset. */
  #searchedSize = -1;
  #runStart = 0;

  constructor(options: LogReaderOptions) {
    this.#dir = options.dir;
    this.#scanner = new RecordScanner(options.bufferBytes);
    this.#wanted = options.fromSequence;
    this.#onGap = options.onGap ?? (() => undefined);
  }

  /**
   * Loads the next whole records that lie one behind the other into {@link bytes}.
   * @returns their bytes; 0 when there is no further record now (later there may be).
   * @throws the system's error when a file can't be read.
   */
  nextRun(): number {
    for (;;) {
      const input = this.#input ?? this.#openNext();
      if (input === undefined) return 0;
      const loaded = input.loadWhole(this.#offset);
      const { scanner } = input;
      this.#scanner = scanner;
      const end = scanner.scan(0, loaded, this.#expected);
      if (scanner.records > 0) {
        this.#offset += scanner.bytes;
        this.#expected = scanner.lastSequence + 1;
        this.#runStart = this.#skipUnwanted(scanner.bytes);
        if (this.#runStart < scanner.bytes) return scanner.bytes - this.#runStart;
        continue;
      }
      if (end !== ScanEnd.end && this.#skipDamage(input, end)) continue;
      if (this.#sealed) {
        this.#leave(input, loaded, end);
      } else if (this.#following === undefined) {
        return 0;
      } else {
        // Once more, for the writer may have filled the segment and begun the next one since it was loaded.
        this.#sealed = true;
      }
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

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#close();
  }

  /** The segment behind the present one. */
  get #following(): SegmentFile | undefined {
    const current = (this.#segment as SegmentFile).firstSequence;
    return listSegments(this.#dir).find(({ firstSequence }) => firstSequence > current);
  }

  /** Opens the segment that holds the record wanted, or the first one behind it. */
  #openNext(): SegmentInput | undefined {
    const segment = this.#segment === undefined ? this.#firstSegment() : this.#following;
    if (segment === undefined) return undefined;
    const { path, firstSequence } = segment;
    const missing = this.#segment === undefined ? this.#wanted : this.#expected;
    if (missing !== undefined && firstSequence > missing) {
      this.#onGap({ path, offset: 0, reason: `sequences ${missing} to ${firstSequence - 1} are missing before it` });
    }
    this.#wanted ??= firstSequence;
    this.#input = new SegmentInput(path, this.#scanner);
    this.#segment = segment;
    this.#offset = 0;
    this.#expected = firstSequence;
    this.#sealed = false;
    this.#searchedSize = -1;
    return this.#input;
  }

  #firstSegment(): SegmentFile | undefined {
    const segments = listSegments(this.#dir);
    const wanted = this.#wanted ?? 1;
    return segments.findLast(({ firstSequence }) => firstSequence <= wanted) ?? segments[0];
  }

  /**
   * Goes on at the next good record of the segment, behind what can't be read; false when there is none, as where a
   * record is only being written.
   */
  #skipDamage(input: SegmentInput, end: ScanEnd): boolean {
    const size = input.size();
    if (size === this.#searchedSize) return false;
    const found = findBehind(input, this.#offset, this.#expected, size);
    if (found === undefined) {
      this.#searchedSize = size;
      return false;
    }
    this.#onGap({ path: input.path, offset: this.#offset, reason: scanEndText(end) });
    this.#offset = found.offset;
    this.#expected = found.sequence;
    return true;
  }

  /** On to the next segment. */
  #leave(input: SegmentInput, loaded: number, end: ScanEnd): void {
    if (loaded > 0) this.#onGap({ path: input.path, offset: this.#offset, reason: scanEndText(end) });
    this.#close();
  }

  #close(): void {
    this.#input?.[Symbol.dispose]();
    this.#input = undefined;
  }

  /** Bytes of the run's records that come before the one wanted. */
  #skipUnwanted(length: number): number {
    const wanted = this.#wanted as number;
    const view = new RecordView(this.#scanner.buffer);
    let at = 0;
    while (at < length && view.moveTo(at).sequence < wanted) at += view.paddedBytes;
    this.#wanted = Math.max(wanted, this.#expected);
    return at;
  }
}
