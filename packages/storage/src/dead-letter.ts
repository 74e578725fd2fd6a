/**
 * Dead letters on disk: the event as it was, and in its metadata why and when it became one. Whoever writes them and
 * whoever shows them goes by this file.
 */
import { decodeMetadata, encodeMetadata } from "@esc/events";

/** Keys of a dead letter's metadata, before the event's own. Values are UTF-8; numbers are decimal. */
export const DeadLetterKey = {
  /** The lane that the event was in, and its sequence there. */
  lane: "dl.lane",
  sequence: "dl.sequence",
  /** A code for programs, and a text for people. */
  reason: "dl.reason",
  error: "dl.error",
  attempts: "dl.attempts",
  /** When it failed first and last, ms since the epoch. */
  firstAt: "dl.first_at",
  at: "dl.at",
} as const;

/** An event's own key that begins as ours do is kept under this. */
const PREFIX = "dl.";
const OWN = "dl.own.";

/** What is kept of an error's text, in characters. */
const MAX_ERROR_TEXT = 1_024;
/** A metadata block's length is a u16. */
const MAX_BLOCK_BYTES = 0xffff;

/** Why, where from, and when. */
export interface DeadLetter {
  readonly lane: string;
  readonly sequence: number;
  readonly reason: string;
  /** Up to 1,024 characters. */
  readonly error: string;
  /** How often it was tried; 0 when never. */
  readonly attempts: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/**
 * The metadata of a dead letter. The event's own entries are kept whole, as long as both fit into 65,535 bytes: first the
 * error's text gives way, then the last of the event's own entries.
 */
export function encodeDeadLetter(letter: DeadLetter, own: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const theirs = encodeMetadata([...own].map(([key, value]) => [key.startsWith(PREFIX) ? OWN + key : key, value]));
  const ours = (error: string) => {
    const texts = {
      [DeadLetterKey.lane]: letter.lane,
      [DeadLetterKey.sequence]: String(letter.sequence),
      [DeadLetterKey.reason]: letter.reason,
      [DeadLetterKey.error]: error,
      [DeadLetterKey.attempts]: String(letter.attempts),
      [DeadLetterKey.firstAt]: String(letter.firstAtMs),
      [DeadLetterKey.at]: String(letter.lastAtMs),
    };
    return encodeMetadata(Object.entries(texts).map(([key, value]) => [key, Buffer.from(value)]));
  };
  const whole = ours(letter.error.slice(0, MAX_ERROR_TEXT));
  if (whole.length + theirs.length <= MAX_BLOCK_BYTES) return Buffer.concat([whole, theirs]);
  // Ends before the first entry that doesn't fit.
  return encodeMetadata([...decodeMetadata(ours("")), ...decodeMetadata(theirs)]);
}

/** What a dead letter's metadata says, and the event's own; undefined for an event that is none. */
export function decodeDeadLetter(
  metadata: ReadonlyMap<string, Uint8Array>,
): { readonly letter: DeadLetter; readonly own: ReadonlyMap<string, Uint8Array> } | undefined {
  const text = (key: string) => {
    const value = metadata.get(key);
    return value === undefined ? undefined : Buffer.from(value).toString("utf8");
  };
  const [lane, sequence, reason] = [text(DeadLetterKey.lane), text(DeadLetterKey.sequence), text(DeadLetterKey.reason)];
  if (lane === undefined || sequence === undefined || reason === undefined) return undefined;
  const lastAtMs = Number(text(DeadLetterKey.at) ?? 0);
  const letter = {
    lane,
    sequence: Number(sequence),
    reason,
    error: text(DeadLetterKey.error) ?? "",
    attempts: Number(text(DeadLetterKey.attempts) ?? 0),
    firstAtMs: Number(text(DeadLetterKey.firstAt) ?? lastAtMs),
    lastAtMs,
  };
  const own = new Map<string, Uint8Array>();
  for (const [key, value] of metadata) {
    if (key.startsWith(OWN)) own.set(key.slice(OWN.length), value);
    else if (!key.startsWith(PREFIX)) own.set(key, value);
  }
  return { letter, own };
}
