/**
 * One lane's log in files: records as they lay in the ring, one behind the other, in segments, each with a sparse index.
 * One writer; `docs/durability.md` says what each step promises.
 */
import { join } from "node:path";
import { EscError } from "@esc/events";
import { type LogFs, nodeFs, writeWhole } from "./log-fs.ts";
import { LogReader } from "./log-reader.ts";
import type { LogStore, ReadFrom } from "./log-store.ts";
import { type Recovery, recoverLog } from "./recovery.ts";
import { indexPath, listSequences, segmentName } from "./segment-files.ts";
import { SegmentIndex } from "./segment-index.ts";
import { removeSegments } from "./segment-removal.ts";
import { WriteAheadRoom } from "./write-ahead-room.ts";

export interface SegmentedLogOptions {
  /** The lane's folder; made when missing. */
  readonly dir: string;
  /** A segment is closed before it would exceed this, in bytes; it holds at least one write. */
  readonly segmentBytes: number;
  /** Zeros written ahead of the end while writes are small, in bytes; none unless given. */
  readonly preallocateBytes?: number;
  /** What {@link recoverLog} returned for the folder, when it was called already. */
  readonly recovery?: Recovery;
  readonly fs?: LogFs;
}

/**
 * Entries of the open segment's index after which its file is written anew: 64 MiB that a reader may have to walk, some 50
 * ms. Oftener would cost more than it saves: each time is a file made and renamed, which the next sync has to carry.
 */
const INDEX_EVERY_ENTRIES = 1_024;
const NOTHING = new DataView(new ArrayBuffer(0));

/**
 * The log to append to. One thread, and one log per folder (see `DirectoryLock`); it blocks in the system's calls, so its
 * thread should have nothing else to do. An append is one write, and makes no objects.
 *
 * @example
 * using log = SegmentedLog.open({ dir: "data/log/batch", segmentBytes: 268_435_456 });
 * log.append(bytes, 0, bytes.length, log.nextSequence, records);
 * log.sync(); // now durable
 */
export class SegmentedLog implements LogStore {
  readonly dir: string;
  readonly recovery: Recovery;
  readonly #fs: LogFs;
  readonly #segmentBytes: number;
  readonly #room: WriteAheadRoom;
  readonly #index: SegmentIndex;
  #indexedEntries = 0;
  #path = "";
  #fd: number | undefined;
  #end = 0;
  #next: number;
  #durable: number;
  #segments: number;
  #bytes: number;
  #failure: EscError | undefined;
  /** Over the memory that was appended from last. */
  #view: DataView = NOTHING;

  private constructor(options: SegmentedLogOptions, recovery: Recovery) {
    this.dir = options.dir;
    this.recovery = recovery;
    this.#fs = options.fs ?? nodeFs;
    this.#segmentBytes = options.segmentBytes;
    this.#room = new WriteAheadRoom(options.preallocateBytes ?? 0);
    this.#next = recovery.nextSequence;
    this.#durable = recovery.nextSequence;
    this.#segments = recovery.segments;
    this.#bytes = recovery.bytes;
    const { resume } = recovery;
    const first = resume === undefined ? this.#next : resume.firstSequence;
    this.#index = (resume && SegmentIndex.decode(resume.index, first)) ?? new SegmentIndex(first);
    this.#indexedEntries = this.#index.entries;
    if (resume !== undefined) {
      this.#fd = this.#fs.open(resume.path);
      this.#path = resume.path;
      this.#end = resume.end;
      this.#room.reset(resume.end);
    }
  }

  /**
   * Opens the log of a folder to append to it, after {@link recoverLog} where that wasn't done yet.
   * @throws the system's error when the folder can't be read or written.
   */
  static open(options: SegmentedLogOptions): SegmentedLog {
    return new SegmentedLog(options, options.recovery ?? recoverLog(options.dir, options.fs));
  }

  get firstSequence(): number {
    return listSequences(this.dir)[0] ?? this.#next;
  }

  get nextSequence(): number {
    return this.#next;
  }

  get durableSequence(): number {
    return this.#durable;
  }

  /** Segments: those found when it was opened, and those made since. */
  get segments(): number {
    return this.#segments;
  }

  /** Bytes of records in these segments. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Why the log takes nothing more, if it doesn't: a failed sync is final until the log is opened anew. */
  get failure(): EscError | undefined {
    return this.#failure;
  }

  /**
   * Appends whole records that lie one behind the other. They are in the operating system's hands afterwards, not yet on
   * disk: {@link sync} is what makes them durable.
   * @param bytes may be shared memory.
   * @param firstSequence of the first record; must be {@link nextSequence}.
   * @throws EscError `ESC_LOG_WRITE_FAILED` (nothing of it stays; the caller may try again once there is space),
   *   `ESC_LOG_SYNC_FAILED` (final), `ESC_LOG_SEQUENCE` (a caller's mistake).
   */
  append(bytes: Uint8Array, offset: number, length: number, firstSequence: number, records: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (firstSequence !== this.#next) {
      throw new EscError("ESC_LOG_SEQUENCE", `${this.dir}: the next record is ${this.#next}, not ${firstSequence}.`);
    }
    if (this.#fd === undefined || (this.#end > 0 && this.#end + length > this.#segmentBytes)) this.#roll();
    const fd = this.#fd as number;
    this.#room.make(this.#fs, fd, this.#end, length, this.#segmentBytes);
    let written = 0;
    try {
      while (written < length) {
        const got = this.#fs.write(fd, bytes, offset + written, length - written, this.#end + written);
        if (got <= 0) throw new Error("the system wrote no byte");
        written += got;
      }
    } catch (cause) {
      this.#takeBack(fd, cause);
    }
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    this.#index.addRecords(this.#view, bytes.byteOffset + offset, length, this.#end, firstSequence);
    this.#end += length;
    this.#bytes += length;
    this.#next += records;
    if (this.#index.entries - this.#indexedEntries >= INDEX_EVERY_ENTRIES) this.#writeIndex();
  }

  /** Makes everything appended so far durable. @throws EscError `ESC_LOG_SYNC_FAILED`, from then on always. */
  sync(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#fd === undefined) return;
    try {
      this.#fs.datasync(this.#fd);
    } catch (cause) {
      // After a failed sync the system may have thrown the pages away and say yes next time (the "fsyncgate" of 2018):
      // only reading the file again can tell what is there, and that is what opening it anew does.
      throw this.#fail(
        "ESC_LOG_SYNC_FAILED",
        "a sync failed, so it isn't known what is on disk. Restart to recover",
        cause,
      );
    }
    this.#durable = this.#next;
  }

  read(from: ReadFrom = {}): LogReader {
    return new LogReader({ dir: this.dir, ...from });
  }

  /** Deletes whole segments, oldest first, that hold only records before a sequence; never the last one. Any thread may. */
  truncateBefore(sequence: number): number {
    const { records, segments, bytes } = removeSegments(this.dir, (each) => each.endSequence <= sequence, this.#fs);
    this.#segments -= segments;
    this.#bytes -= bytes;
    return records;
  }

  /** Closes the file, without the room made ahead of its end; syncs nothing. */
  close(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    // First, so that a descriptor whose closing fails is never used or closed again: it may be another file's by then.
    this.#fd = undefined;
    if (this.#failure === undefined) {
      this.#writeIndex();
      if (this.#room.behind(this.#end)) {
        try {
          this.#fs.truncate(fd, this.#end);
        } catch {
          // Zeros that stay behind are taken away by the next start.
        }
      }
    }
    this.#fs.close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #roll(): void {
    let created: number;
    const path = join(this.dir, segmentName(this.#next));
    try {
      this.#leave();
      created = this.#fs.create(path);
    } catch (cause) {
      if (this.#failure !== undefined) throw this.#failure;
      throw this.#writeFailed("no new segment could be made", cause);
    }
    this.#fd = created;
    this.#path = path;
    this.#end = 0;
    this.#room.reset(0);
    this.#index.reset(this.#next);
    this.#indexedEntries = 0;
    this.#segments++;
    try {
      this.#fs.syncDirectory(this.dir);
    } catch (cause) {
      // As with a file's: saying yes the next time would prove nothing, and without its name the file is lost.
      throw this.#fail(
        "ESC_LOG_SYNC_FAILED",
        "a new segment's name could not be made durable. Restart to recover",
        cause,
      );
    }
  }

  /** Closes the segment for good: it ends with its last record, and all of it is durable before the next one begins. */
  #leave(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    if (this.#room.behind(this.#end)) {
      this.#fs.truncate(fd, this.#end);
      this.#room.reset(this.#end);
    }
    this.sync();
    this.#index.closed = true;
    this.close();
  }

  /** Beside the segment. One that can't be written is no loss: it is made anew from the segment. */
  #writeIndex(): void {
    this.#indexedEntries = this.#index.entries;
    this.#index.synced = this.#durable === this.#next;
    try {
      writeWhole(this.#fs, indexPath(this.#path), this.#index.encode(), false);
    } catch {
      // As above.
    }
  }

  /** A write failed in the middle: what came of it is cut away, so that the file ends with a whole record. */
  #takeBack(fd: number, cause: unknown): never {
    try {
      this.#fs.truncate(fd, this.#end);
      this.#room.reset(this.#end);
    } catch (truncateCause) {
      throw this.#fail(
        "ESC_LOG_SYNC_FAILED",
        "a write failed and could not be taken back. Restart to recover",
        truncateCause,
      );
    }
    throw this.#writeFailed("a write failed", cause);
  }

  #writeFailed(what: string, cause: unknown): EscError {
    const full = (cause as NodeJS.ErrnoException).code === "ENOSPC";
    const advice = full ? " The disk is full: make space, or limit what is kept (storage.retention)." : "";
    return new EscError("ESC_LOG_WRITE_FAILED", `${this.dir}: ${what} (${describe(cause)}).${advice}`, { cause });
  }

  #fail(code: string, what: string, cause: unknown): EscError {
    this.#failure = new EscError(code, `${this.dir}: ${what} (${describe(cause)}).`, { cause });
    return this.#failure;
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
