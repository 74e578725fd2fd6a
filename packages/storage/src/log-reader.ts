/** Reading a log back: by pull, in order, with bounded memory, also while a writer appends and retention deletes. */
import { EscError, type TopicPattern } from "@esc/events";
import { findBehind } from "./behind-damage.ts";
import { endOfLog, placeIn, segmentOf, segmentOfTime } from "./log-position.ts";
import type { ReadFrom } from "./log-store.ts";
import { RecordReader } from "./record-reader.ts";
import { RecordScanner, ScanEnd, scanEndText } from "./record-scanner.ts";
import { RecordView } from "./record-view.ts";
import { listSequences, type SegmentFile, segmentFile } from "./segment-files.ts";
import { SegmentInput } from "./segment-input.ts";
import { TopicFilter } from "./topic-filter.ts";

/** A stretch of the log that can't be read. */
export interface LogGap {
  readonly path: string;
  readonly offset: number;
  readonly reason: string;
  /**
   * `damaged`: bytes that aren't good records. `missing`: sequences that no segment holds. `removed`: sequences before
   * the log's first segment, which retention took away.
   */
  readonly kind: "damaged" | "missing" | "removed";
  /** The first sequence skipped, and the last one where it is known: the one before that, where bytes hold none. */
  readonly fromSequence: number;
  readonly toSequence: number | undefined;
}

/** Where it begins: at the log's first record unless one of {@link ReadFrom} is given. */
export interface LogReaderOptions extends ReadFrom {
  /** The lane's folder. */
  readonly dir: string;
  /** The iterator gives out events of such topics only. */
  readonly topic?: TopicPattern;
  /** Read before this sequence only, asked for again with every load: how far a log is durable. */
  readonly until?: () => number;
  /** Bytes read at once, 4 MiB unless given; grows for a record that is longer. */
  readonly bufferBytes?: number;
  /** Told of every stretch that is skipped: damaged, missing between segments, or removed before the first wanted. */
  readonly onGap?: (gap: LogGap) => void;
}

/**
 * A reader of one lane's log. Every record it gives out has the right CRC and the sequence that its place in the log
 * demands. On one thread; any number of readers beside each other and beside the writer.
 *
 * @example
 * using reader = new LogReader({ dir: "data/log/transactional", fromTimeMs: Date.now() - 60_000 });
 * for (const event of reader) console.log(event.sequence, event.topic, event.text());
 */
export class LogReader extends RecordReader {
  readonly #options: LogReaderOptions;
  readonly #filter: TopicFilter | undefined;
  readonly #onGap: (gap: LogGap) => void;
  #scanner: RecordScanner;
  /** First sequence wanted; undefined until the first segment is known, when any will do. */
  #wanted: number | undefined;
  /** The first record that isn't earlier is wanted; undefined once it is found. */
  #wantedTimeMs: number | undefined;
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

  /** @throws EscError `ESC_READ_FROM` when more than one beginning is given. */
  constructor(options: LogReaderOptions) {
    super();
    const { fromSequence, fromTimeMs, fromEnd, topic, until } = options;
    if ([fromSequence, fromTimeMs, fromEnd || undefined].filter((each) => each !== undefined).length > 1) {
      throw new EscError("ESC_READ_FROM", "A reader begins at a sequence, at a time or at the end: give one of them.");
    }
    this.#options = options;
    this.#scanner = new RecordScanner(options.bufferBytes);
    this.#wanted = fromEnd ? (until?.() ?? endOfLog(options.dir)) : fromSequence;
    this.#wantedTimeMs = fromTimeMs;
    this.#filter = topic && new TopicFilter(topic);
    this.#onGap = options.onGap ?? (() => undefined);
  }

  /** @throws the system's error when a file can't be read. */
  override nextRun(): number {
    for (;;) {
      const until = this.#options.until?.() ?? 0;
      if (this.#expected > 0 && until > 0 && this.#expected >= until) return 0;
      const input = this.#input ?? this.#openNext();
      if (input === undefined) return 0;
      const loaded = input.loadWhole(this.#offset);
      const { scanner } = input;
      this.#scanner = scanner;
      const end = scanner.scan(0, loaded, this.#expected, until);
      if (scanner.records > 0) {
        this.#offset += scanner.bytes;
        this.#expected = scanner.lastSequence + 1;
        this.#runStart = this.#skipUnwanted(scanner.bytes);
        if (this.#runStart < scanner.bytes) return scanner.bytes - this.#runStart;
        continue;
      }
      if (until > 0 && this.#expected >= until) return 0;
      const atEnd = end === ScanEnd.end || this.#zerosOnly(input, loaded);
      if (!atEnd && this.#skipDamage(input, end)) continue;
      if (this.#sealed) {
        this.#leave(input, atEnd, end);
      } else if (this.#following === undefined) {
        return 0;
      } else {
        // Once more, for the writer may have filled the segment and begun the next one since it was loaded.
        this.#sealed = true;
        this.#searchedSize = -1;
      }
    }
  }

  override get bytes(): Uint8Array {
    return this.#scanner.buffer;
  }

  override get runStart(): number {
    return this.#runStart;
  }

  /** Sequence of the next record that {@link nextRun} would load, as far as that is known; 0 before the first. */
  get nextSequence(): number {
    return Math.max(this.#expected, this.#wanted ?? 0);
  }

  /** Closes the file. */
  override [Symbol.dispose](): void {
    this.#close();
  }

  protected override wants(view: RecordView): boolean {
    return this.#filter === undefined || this.#filter.matches(view);
  }

  /** The segment behind the present one. */
  get #following(): SegmentFile | undefined {
    const { dir } = this.#options;
    const current = (this.#segment as SegmentFile).firstSequence;
    for (const first of listSequences(dir)) {
      const found = first > current ? segmentFile(dir, first) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Opens the segment that holds the record wanted, or the first one behind it. */
  #openNext(): SegmentInput | undefined {
    for (;;) {
      const segment = this.#segment === undefined ? this.#firstSegment() : this.#following;
      if (segment === undefined) return undefined;
      try {
        return this.#open(segment);
      } catch (error) {
        // Retention took it away between the look and the opening: the one behind it is the next.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        if (this.#segment !== undefined) this.#segment = { ...this.#segment, firstSequence: segment.firstSequence };
      }
    }
  }

  #open(segment: SegmentFile): SegmentInput {
    const { path, firstSequence } = segment;
    const input = new SegmentInput(path, this.#scanner);
    const isFirst = this.#segment === undefined;
    const missing = isFirst ? this.#wanted : this.#expected;
    if (missing !== undefined && firstSequence > missing) this.#tellMissing(segment, missing);
    this.#wanted ??= firstSequence;
    this.#input = input;
    this.#segment = segment;
    const from = this.#wantedTimeMs === undefined ? { sequence: this.#wanted } : { timeMs: this.#wantedTimeMs };
    const place = isFirst ? placeIn(segment, input, from) : { offset: 0, sequence: firstSequence };
    this.#offset = place.offset;
    this.#expected = place.sequence;
    this.#sealed = false;
    this.#searchedSize = -1;
    return input;
  }

  #firstSegment(): SegmentFile | undefined {
    const { dir } = this.#options;
    if (this.#wantedTimeMs !== undefined) return segmentOfTime(dir, this.#wantedTimeMs);
    return segmentOf(dir, this.#wanted ?? 1);
  }

  #tellMissing({ path, firstSequence }: SegmentFile, missing: number): void {
    this.#onGap({
      path,
      offset: 0,
      reason: `sequences ${missing} to ${firstSequence - 1} are missing before it`,
      kind: listSequences(this.#options.dir)[0] === firstSequence ? "removed" : "missing",
      fromSequence: missing,
      toSequence: firstSequence - 1,
    });
  }

  /** Whether what was loaded, and the file behind it, is room that a writer made ahead. */
  #zerosOnly(input: SegmentInput, loaded: number): boolean {
    return input.scanner.allZeros(0, loaded) && input.allZeros(this.#offset + loaded, input.size());
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
    // A load beside a writer may have old bytes before new ones. Now that the later ones were seen, those before them
    // must be there: only what is bad still is damaged.
    if (input.goodAt(this.#offset) === this.#expected) return true;
    this.#onGap({
      path: input.path,
      offset: this.#offset,
      reason: scanEndText(end),
      kind: "damaged",
      fromSequence: this.#expected,
      toSequence: found.sequence - 1,
    });
    this.#offset = found.offset;
    this.#expected = found.sequence;
    return true;
  }

  /** On to the next segment. */
  #leave(input: SegmentInput, atEnd: boolean, end: ScanEnd): void {
    if (!atEnd) {
      const behind = this.#following?.firstSequence;
      this.#onGap({
        path: input.path,
        offset: this.#offset,
        reason: scanEndText(end),
        kind: "damaged",
        fromSequence: this.#expected,
        toSequence: behind === undefined ? undefined : behind - 1,
      });
      // Told, so it isn't missing on top of it.
      this.#expected = Math.max(this.#expected, behind ?? 0);
    }
    this.#close();
  }

  #close(): void {
    this.#input?.[Symbol.dispose]();
    this.#input = undefined;
  }

  /** Bytes of the run's records that come before the one wanted. */
  #skipUnwanted(length: number): number {
    const wanted = this.#wanted as number;
    const timeMs = this.#wantedTimeMs;
    // Nothing to skip is the rule, and needs no look at the records.
    if (timeMs === undefined && this.#scanner.firstSequence >= wanted) return this.#want(0);
    const view = new RecordView(this.#scanner.buffer);
    let at = 0;
    while (at < length) {
      view.moveTo(at);
      if (view.sequence >= wanted && (timeMs === undefined || view.timeMs >= timeMs)) break;
      at += view.paddedBytes;
    }
    if (at < length) this.#wantedTimeMs = undefined;
    return this.#want(at);
  }

  #want(at: number): number {
    this.#wanted = Math.max(this.#wanted as number, this.#expected);
    return at;
  }
}
