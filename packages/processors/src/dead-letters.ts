/** Dead letters: events that could not be processed, whole, with why. They go through a ring of their own to a log of their own. */
import { encodeMetadata, type LaneName, Priority, Source } from "@esc/events";
import type { RecordAppender } from "@esc/queues";
import type { RecordView } from "@esc/storage";

/** Why an event became a dead letter. */
export type DeadLetterReason =
  /** The handler threw or rejected. */
  | "handler_failed"
  /** The handler's promise did not settle in time. */
  | "handler_timeout"
  /** The lane was full, and its rule is to give up the oldest. */
  | "lane_overflow";

/** Keys of a dead letter's metadata; the event's own come behind them. */
export const DeadLetterKey = {
  lane: "dl.lane",
  sequence: "dl.sequence",
  reason: "dl.reason",
  error: "dl.error",
  attempts: "dl.attempts",
  /** Milliseconds since the epoch. */
  at: "dl.at",
} as const;

/** What is kept of an error's text, in characters. */
const MAX_ERROR_TEXT = 1_024;
const encoder = new TextEncoder();

export class DeadLetters {
  readonly #appender: RecordAppender;
  readonly #lane: LaneName;

  constructor(appender: RecordAppender, lane: LaneName) {
    this.#appender = appender;
    this.#lane = lane;
  }

  /**
   * Writes the event that the view stands on.
   * @returns false when the dead letters' ring is full: nothing was written.
   */
  write(view: RecordView, reason: DeadLetterReason, attempts: number, error?: unknown): boolean {
    const text = error === undefined ? "" : String(error instanceof Error ? (error.stack ?? error.message) : error);
    const metadata = encodeMetadata(
      [
        [DeadLetterKey.lane, this.#lane],
        [DeadLetterKey.sequence, String(view.sequence)],
        [DeadLetterKey.reason, reason],
        [DeadLetterKey.error, text.slice(0, MAX_ERROR_TEXT)],
        [DeadLetterKey.attempts, String(attempts)],
        [DeadLetterKey.at, String(Date.now())],
      ].map(([key, value]) => [key as string, encoder.encode(value)] as const),
    );
    return this.#appender.append({
      topic: view.topicBytes,
      payload: view.payload,
      priority: Priority[view.priority],
      source: Source[view.source],
      timeMs: view.timeMs,
      timeNs: view.timeNs,
      id: view.id,
      metadata: Buffer.concat([metadata, encodeMetadata(view.metadata)]).subarray(0, 0xffff),
    });
  }
}
