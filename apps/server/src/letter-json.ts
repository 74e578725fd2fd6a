/** Dead letters as JSON: over HTTP, and from `esc dlq --json`. */
import type { Letter, LetterSummary } from "@esc/processors";
import { asText } from "./commands/log-event-text.ts";

/** A dead letter as both tell it. Times are ISO 8601. */
export interface SummaryJson {
  readonly number: number;
  readonly state: string;
  readonly lane: string;
  readonly sequence: number;
  readonly topic: string;
  readonly priority: string;
  readonly id?: string;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  readonly received: string;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly payloadBytes: number;
}

/** A whole one. What isn't UTF-8 comes as base64. */
export interface LetterJson extends SummaryJson {
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function summaryJson(letter: LetterSummary): SummaryJson {
  const { number, state, lane, sequence, topic, priority, id, reason, error, attempts, payloadBytes } = letter;
  return {
    ...{ number, state, lane, sequence, topic, priority },
    ...(id !== undefined && { id }),
    ...{ reason, error, attempts },
    received: iso(letter.receivedMs),
    firstAt: iso(letter.firstAtMs),
    lastAt: iso(letter.lastAtMs),
    payloadBytes,
  };
}

export function letterJson(letter: Letter): LetterJson {
  const text = asText(letter.payload);
  return {
    ...summaryJson(letter),
    ...(text === undefined ? { payloadBase64: Buffer.from(letter.payload).toString("base64") } : { payload: text }),
    metadata: Object.fromEntries(
      [...letter.metadata].map(([key, value]) => [key, asText(value) ?? Buffer.from(value).toString("base64")]),
    ),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
