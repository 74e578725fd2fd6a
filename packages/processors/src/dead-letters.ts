/** Dead letters: events that could not be processed, whole, with why. They go through a ring of their own to a log of their own. */
import { type LaneName, Priority, Source } from "@esc/events";
import type { RecordAppender } from "@esc/queues";
import { encodeDeadLetter, type RecordView } from "@esc/storage";

/** Why an event became a dead letter. */
export type DeadLetterReason =
  /** The handler threw or rejected. */
  | "handler_failed"
  /** The handler's promise did not settle in time. */
  | "handler_timeout"
  /** The lane was full, and its rule is to give up the oldest. */
  | "lane_overflow";

export class DeadLetters {
  readonly #appender: RecordAppender;
  readonly #lane: LaneName;

  constructor(appender: RecordAppender, lane: LaneName) {
    this.#appender = appender;
    this.#lane = lane;
  }

  /**
   * Writes the event that the view stands on.
   * @param firstAtMs when it failed first, ms since the epoch; now unless given.
   * @returns false when the dead letters' ring is full: nothing was written.
   */
  write(view: RecordView, reason: DeadLetterReason, attempts: number, error?: unknown, firstAtMs?: number): boolean {
    const lastAtMs = Date.now();
    const text = error === undefined ? "" : String(error instanceof Error ? (error.stack ?? error.message) : error);
    const times = { firstAtMs: firstAtMs ?? lastAtMs, lastAtMs };
    const letter = { ...times, lane: this.#lane, sequence: view.sequence, reason, error: text, attempts };
    return this.#appender.append({
      topic: view.topicBytes,
      payload: view.payload,
      priority: Priority[view.priority],
      source: Source[view.source],
      timeMs: view.timeMs,
      timeNs: view.timeNs,
      id: view.id,
      metadata: encodeDeadLetter(letter, view.metadata),
    });
  }
}
