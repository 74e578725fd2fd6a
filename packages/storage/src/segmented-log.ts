/**
 * One lane's log: records as they lay in the ring, one behind the other, in segments. One writer; `docs/durability.md`
 * says what each step promises.
 */
import { join } from "node:path";
import { EscError } from "@esc/events";
import { type LogFs, makeDirectory, nodeFs } from "./log-fs.ts";
import { RecordScanner } from "./record-scanner.ts";
import { checkSegment, type Damage } from "./segment-check.ts";
import { listSegments, segmentName } from "./segment-files.ts";

export interface SegmentedLogOptions {
  /** The lane's folder; made when missing. */
  readonly dir: string;
  /** A segment is closed before it would exceed this, in bytes; it holds at least one write. */
  readonly segmentBytes: number;
  /** What {@link recoverLog} returned for the folder, when it was called already. */
  readonly recovery?: Recovery;
  readonly fs?: LogFs;
}

/** What recovery found and did. Plain data: it may have been done on another thread. */
export interface Recovery {
  /** Segments found, and their bytes after recovery. */
  readonly segments: number;
  readonly bytes: number;
  /** Sequence of the next record. */
  readonly nextSequence: number;
  /** What a crash had cut off and recovery took away. */
  readonly tornTail: Damage | undefined;
  /** Damage with good records behind it: nothing was taken away. */
  readonly damage: readonly Damage[];
  /** The segment to go on in, and where; a new one begins without. */
  readonly resume: { readonly path: string; readonly end: number } | undefined;
}

/**
 * Makes a lane's folder ready to append to: checks the last segment and cuts what a crash tore off its end. Damage in
 * the middle is never cut: it is reported, and appending goes on in a new segment. Reads the last segment whole.
 * @throws the system's error when the folder can't be read or written.
 */
export function recoverLog(dir: string, fs: LogFs = nodeFs): Recovery {
  makeDirectory(dir);
  const segments = listSegments(dir);
  const last = segments.at(-1);
  if (last === undefined)
    return { segments: 0, bytes: 0, nextSequence: 1, tornTail: undefined, damage: [], resume: undefined };
  const { tornTail, damage, nextSequence } = checkSegment(last.path, last.firstSequence, new RecordScanner());
  // Behind damage a new segment begins, so that the damaged file stays as it was found.
  const end = tornTail?.offset ?? last.bytes;
  const resume = damage.length > 0 ? undefined : { path: last.path, end };
  if (tornTail !== undefined && resume !== undefined) {
    const fd = fs.open(last.path);
    try {
      fs.truncate(fd, end);
      fs.datasync(fd);
    } finally {
      fs.close(fd);
    }
  }
  const cut = resume === undefined ? 0 : last.bytes - end;
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0) - cut;
  return { segments: segments.length, bytes, nextSequence, tornTail, damage, resume };
}

/**
 * The log to append to. One thread, and one log per folder (see `DirectoryLock`); it blocks in the system's calls, so its
 * thread should have nothing else to do. An append is one write, and makes no objects.
 *
 * @example
 * using log = SegmentedLog.open({ dir: "data/log/batch", segmentBytes: 268_435_456 });
 * log.append(bytes, 0, bytes.length, log.nextSequence, records);
 * log.sync(); // now durable
 */
export class SegmentedLog {
  readonly dir: string;
  readonly recovery: Recovery;
  readonly #fs: LogFs;
  readonly #segmentBytes: number;
  #fd: number | undefined;
  #end = 0;
  #next: number;
  #segments: number;
  #bytes: number;
  #failure: EscError | undefined;

  private constructor(options: SegmentedLogOptions, recovery: Recovery) {
    this.dir = options.dir;
    this.recovery = recovery;
    this.#fs = options.fs ?? nodeFs;
    this.#segmentBytes = options.segmentBytes;
    this.#next = recovery.nextSequence;
    this.#segments = recovery.segments;
    this.#bytes = recovery.bytes;
    if (recovery.resume !== undefined) {
      this.#fd = this.#fs.open(recovery.resume.path);
      this.#end = recovery.resume.end;
    }
  }

  /**
   * Opens the log of a folder to append to it, after {@link recoverLog} where that wasn't done yet.
   * @throws the system's error when the folder can't be read or written.
   */
  static open(options: SegmentedLogOptions): SegmentedLog {
    return new SegmentedLog(options, options.recovery ?? recoverLog(options.dir, options.fs));
  }

  /** Sequence of the next record to append. */
  get nextSequence(): number {
    return this.#next;
  }

  /** Segments, those found when it was opened included. */
  get segments(): number {
    return this.#segments;
  }

  /** Bytes of all segments. */
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
    this.#end += length;
    this.#bytes += length;
    this.#next += records;
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
  }

  /** Closes the file; syncs nothing. */
  close(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    // First, so that a descriptor whose closing fails is never used or closed again: it may be another file's by then.
    this.#fd = undefined;
    this.#fs.close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #roll(): void {
    if (this.#fd !== undefined) this.sync();
    let created: number;
    try {
      this.close();
      created = this.#fs.create(join(this.dir, segmentName(this.#next)));
    } catch (cause) {
      throw new EscError("ESC_LOG_WRITE_FAILED", `${this.dir}: no new segment could be made (${describe(cause)}).`, {
        cause,
      });
    }
    this.#fd = created;
    this.#end = 0;
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

  /** A write failed in the middle: what came of it is cut away, so that the file ends with a whole record. */
  #takeBack(fd: number, cause: unknown): never {
    try {
      this.#fs.truncate(fd, this.#end);
    } catch (truncateCause) {
      throw this.#fail(
        "ESC_LOG_SYNC_FAILED",
        "a write failed and could not be taken back. Restart to recover",
        truncateCause,
      );
    }
    throw new EscError("ESC_LOG_WRITE_FAILED", `${this.dir}: a write failed (${describe(cause)}).`, { cause });
  }

  #fail(code: string, what: string, cause: unknown): EscError {
    this.#failure = new EscError(code, `${this.dir}: ${what} (${describe(cause)}).`, { cause });
    return this.#failure;
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
