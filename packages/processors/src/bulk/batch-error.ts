/** "It failed at this event": what a batch handler throws to save the others from being handled again. */
import { EscError } from "@esc/events";

const CODE = "ESC_BATCH_EVENT";

/**
 * Thrown by a batch handler: the events before `index` are done, the one at `index` failed, those behind it were not touched.
 * The failed one is tried again or becomes a dead letter as its topic's policy says; the rest is offered once more.
 */
export class BatchError extends EscError {
  /** Of the event that failed, in its batch. */
  readonly index: number;

  /** @param index 0 to the batch's size - 1. @param cause why: what a dead letter says. */
  constructor(index: number, cause?: unknown) {
    super(CODE, `Event ${index} of the batch failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.index = index;
  }
}

/** Which event an error is about; -1 when it says none of a batch of that size. A module may have a copy of the class. */
export function failedIndex(error: unknown, size: number): number {
  if (typeof error !== "object" || error === null) return -1;
  const { code, index } = error as Partial<BatchError>;
  return code === CODE && Number.isInteger(index) && (index as number) >= 0 && (index as number) < size
    ? (index as number)
    : -1;
}

/** What a failed event's dead letter says. */
export function causeOf(error: unknown): unknown {
  return (error as BatchError).cause ?? error;
}
