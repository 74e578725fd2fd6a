/** Dead letters: events that could not be processed, whole, with why. They go through a ring of their own to a log of their own. */
import { type LaneName, Priority, Source } from "@esc/events";
import type { RecordAppender } from "@esc/queues";
import { encodeDeadLetter, type RecordView } from "@esc/storage";
import type { DeadLetterReason } from "../lane/held-work.ts";

/** What is known of a failure. */
export interface Failure {
  readonly reason: DeadLetterReason;
  /** How often it was tried; 0 when never. */
  readonly attempts: number;
  readonly error?: unknown;
  /** When it failed first, ms since the epoch; now unless given. */
  readonly firstAtMs?: number | undefined;
}

/** Topics of the results of windows whose handlers failed: this and the window's name. */
export const WINDOW_TOPIC = "esc.window.";

export class DeadLetters {
  readonly #appender: Pick<RecordAppender, "append">;
  readonly #lane: LaneName;

  constructor(appender: Pick<RecordAppender, "append">, lane: LaneName) {
    this.#appender = appender;
    this.#lane = lane;
  }

  /**
   * Writes the event that the view stands on.
   * @returns false when the dead letters' ring is full: nothing was written.
   */
  write(view: RecordView, failure: Failure): boolean {
    return this.#appender.append({
      topic: view.topicBytes,
      payload: view.payload,
      priority: Priority[view.priority],
      source: Source[view.source],
      timeMs: view.timeMs,
      timeNs: view.timeNs,
      id: view.id,
      metadata: this.#metadata(view.sequence, failure, view.metadata),
    });
  }

  /** Writes a window's result: under a topic of its own, as JSON. @returns as {@link write}. */
  writeWindow(name: string, result: string, lastSequence: number, failure: Failure): boolean {
    return this.#appender.append({
      topic: Buffer.from(WINDOW_TOPIC + name),
      payload: Buffer.from(result),
      priority: Priority.BATCH,
      source: Source.inProcess,
      timeMs: Date.now(),
      metadata: this.#metadata(lastSequence, failure, new Map()),
    });
  }

  #metadata(sequence: number, failure: Failure, own: ReadonlyMap<string, Uint8Array>): Uint8Array {
    const { reason, attempts, error } = failure;
    const lastAtMs = Date.now();
    const text = error === undefined ? "" : String(error instanceof Error ? (error.stack ?? error.message) : error);
    const letter = { lane: this.#lane, sequence, reason, error: text, attempts };
    return encodeDeadLetter({ ...letter, firstAtMs: failure.firstAtMs ?? lastAtMs, lastAtMs }, own);
  }
}
