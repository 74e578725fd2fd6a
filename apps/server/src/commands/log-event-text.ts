/** An event of a log as `esc log cat` shows it: a line for people, or a line of JSON. */
import { decodeDeadLetter, type RecordView } from "@esc/storage";

/**
 * A line for people: time, lane and sequence, priority, topic, id, payload. Payloads that aren't plain text are shown as hex.
 * @param maxChars of the payload; what is longer is cut, and its length in bytes told.
 */
export function eventText(lane: string, view: RecordView, maxChars = Number.POSITIVE_INFINITY): string {
  const { id, payload } = view;
  const text = asText(payload);
  // Control and format characters would drive the terminal, or turn what it shows around.
  const whole = text !== undefined && !UNPRINTABLE.test(text) ? text : `0x${Buffer.from(payload).toString("hex")}`;
  const shown = whole.length > maxChars ? `${cut(whole, maxChars)}… (${payload.length} bytes)` : whole;
  const idText = id === undefined ? "" : ` id=${Buffer.from(id).toString("hex")}`;
  const topic = view.topic.replace(new RegExp(UNPRINTABLE, "gu"), "?");
  return `${timeText(view)} ${lane}#${view.sequence} ${view.priority} ${topic}${idText}${whyDead(view)} ${shown}\n`;
}

/** Of a dead letter: why, where from, after how many attempts. */
function whyDead(view: RecordView): string {
  const dead = decodeDeadLetter(view.metadata);
  if (dead === undefined) return "";
  const { lane, sequence, reason, attempts, error } = dead.letter;
  const [first = ""] = error.split("\n", 1);
  const why = `${lane}#${sequence} ${reason}, ${attempts} attempts${first === "" ? "" : `: ${first}`}`;
  return ` [${why.replace(new RegExp(UNPRINTABLE, "gu"), "?")}]`;
}

/** A line of JSON. A payload or metadata value that isn't UTF-8 comes as base64. */
export function eventJson(lane: string, view: RecordView): string {
  const { id, payload, metadata } = view;
  const text = asText(payload);
  const dead = decodeDeadLetter(metadata);
  return `${JSON.stringify({
    lane,
    sequence: view.sequence,
    time: timeText(view),
    priority: view.priority,
    source: view.source,
    topic: view.topic,
    ...(id && { id: Buffer.from(id).toString("hex") }),
    ...(metadata.size > 0 && {
      metadata: Object.fromEntries(
        [...metadata].map(([key, value]) => [key, asText(value) ?? Buffer.from(value).toString("base64")]),
      ),
    }),
    ...(dead && { deadLetter: dead.letter }),
    ...(text === undefined ? { payloadBase64: Buffer.from(payload).toString("base64") } : { payload: text }),
  })}\n`;
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

/** ISO 8601 with nanoseconds. */
function timeText(view: RecordView): string {
  return `${new Date(view.timeMs).toISOString().slice(0, -1)}${String(view.timeNs).padStart(6, "0")}Z`;
}

/** Bytes as text, where they are well-formed UTF-8. */
export function asText(bytes: Uint8Array): string | undefined {
  try {
    // A copy, for the decoder takes no shared memory; and byte for byte, so that a mark at the start isn't swallowed.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

/** At most so many UTF-16 units, and no half of a pair. */
function cut(text: string, maxChars: number): string {
  const head = text.slice(0, maxChars);
  return /[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head;
}
