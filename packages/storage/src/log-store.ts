/**
 * What a lane's log is to those who use it: a sequence of records that grows at one end and is given up at the other.
 * `SegmentedLog` keeps it in files, `MemoryLog` in memory; `log-store.fixture.ts` says what every one must do.
 */
import type { EscError } from "@esc/events";
import type { RecordReader } from "./record-reader.ts";

/** Where a reader begins. */
export interface ReadFrom {
  /** At this sequence, or the first behind it that is there. */
  readonly fromSequence?: number;
  /** At the first record that isn't earlier than this, ms since the epoch. */
  readonly fromTimeMs?: number;
  /** Behind the last record that is there now. */
  readonly fromEnd?: boolean;
}

export interface LogStore {
  /** Sequence of the first record that is kept; {@link nextSequence} when there is none. */
  readonly firstSequence: number;
  /** Sequence of the next record to append. */
  readonly nextSequence: number;
  /** Everything before this sequence survives the machine's end. */
  readonly durableSequence: number;
  /** Why the log takes nothing more, if it doesn't. */
  readonly failure: EscError | undefined;

  /**
   * Appends whole records that lie one behind the other; not yet durable.
   * @throws EscError `ESC_LOG_WRITE_FAILED` (nothing of it stays; the same records may be appended later),
   *   `ESC_LOG_SYNC_FAILED` (final), `ESC_LOG_SEQUENCE` (a caller's mistake).
   */
  append(bytes: Uint8Array, offset: number, length: number, firstSequence: number, records: number): void;
  /** Makes all that was appended durable. @throws EscError `ESC_LOG_SYNC_FAILED`, from then on always. */
  sync(): void;
  /** Reads from some place on; by pull, beside the writer. Dispose of it. */
  read(from?: ReadFrom): RecordReader;
  /** Gives up records before a sequence, as far as that can be done by the piece. Returns how many records that were. */
  truncateBefore(sequence: number): number;
  close(): void;
}
