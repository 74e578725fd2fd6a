/** The metadata of an event that is published within the process: what its publisher says, and what the lanes read. */
import { encodeMetadata } from "./record.ts";

/** Keys of metadata that the lanes themselves read. Values are decimal text. */
export const EventKey = {
  /** When handlers get the event, ms since the epoch. */
  deliverAt: "deliverAt",
  /** The dead letter, by its sequence, that this event was. */
  retried: "dl.retried",
  /** And why it had become one. */
  retriedReason: "dl.retried.reason",
} as const;

/** What may be said of an event beside its topic and its bytes. */
export interface EventExtras {
  readonly metadata?: Readonly<Record<string, Uint8Array | string>> | undefined;
  /** Milliseconds since the epoch. */
  readonly deliverAt?: number | undefined;
}

/**
 * The block that stands in the record; empty when there is nothing to say.
 * @param invalid makes the error that is thrown for what can't be, from what is wrong.
 */
export function eventMetadata(extras: EventExtras, invalid: (what: string) => Error): Uint8Array {
  const { metadata = {}, deliverAt } = extras;
  if (deliverAt !== undefined && !(deliverAt >= 0 && deliverAt <= Number.MAX_SAFE_INTEGER)) {
    throw invalid("`deliverAt` is a time in milliseconds since the epoch");
  }
  const entries: [string, Uint8Array][] = [];
  // First: what doesn't fit any more is cut off at the end.
  if (deliverAt !== undefined) entries.push([EventKey.deliverAt, Buffer.from(String(Math.floor(deliverAt)))]);
  for (const [key, value] of Object.entries(metadata)) {
    // What the lanes read is said by fields, or by nobody.
    if (key === EventKey.deliverAt || key.startsWith("dl.")) throw invalid(`metadata can't have a key "${key}"`);
    if (typeof value !== "string" && !(value instanceof Uint8Array))
      throw invalid("metadata's values are bytes or strings");
    entries.push([key, typeof value === "string" ? Buffer.from(value) : value]);
  }
  const block = encodeMetadata(entries);
  const wanted = entries.reduce((sum, [key, value]) => sum + 3 + Buffer.byteLength(key) + value.length, 0);
  if (block.length !== wanted) throw invalid("metadata takes 65535 bytes at most, and a key 255");
  return block;
}
