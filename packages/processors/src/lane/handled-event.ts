/** The view that handlers get: a record's, and which attempt it is. */
import { EventKey } from "@esc/events";
import { RecordView } from "@esc/storage";

export { EventKey };

export class HandledEvent extends RecordView {
  /** From 1. */
  attempt = 1;

  /** A view of its own over a copy of the record that a view stands on. */
  static copyOf(view: RecordView): HandledEvent {
    return new HandledEvent(view.copyBytes()).moveTo(0);
  }
}

/** Whether the event was a dead letter before: then it says nothing that it was received long ago. */
export function wasRetried(view: RecordView): boolean {
  return view.hasMetadata && view.metadata.has(EventKey.retried);
}

/**
 * Whether the dead letter that this event was had been given to handlers and windows before it became one. One that was
 * given up because the lane or the schedule was full had not.
 */
export function wasHandledBefore(metadata: ReadonlyMap<string, Uint8Array>): boolean {
  const reason = metadata.get(EventKey.retriedReason);
  return reason !== undefined && !["lane_overflow", "schedule_full"].includes(Buffer.from(reason).toString("latin1"));
}

/** A number that metadata holds as text; undefined when there is none. */
export function metadataNumber(metadata: ReadonlyMap<string, Uint8Array>, key: string): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const number = Number(Buffer.from(value).toString("latin1"));
  return Number.isFinite(number) ? number : undefined;
}
