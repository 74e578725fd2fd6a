/** The handler API: what users write. */
import { EscError, LANE_NAMES, type LaneName, type PriorityName, patternProblem, TopicPattern } from "@esc/events";
import type { RecordView } from "@esc/storage";
import type { AlertLevel } from "./alerts/alert.ts";
import type { BatchPart } from "./bulk/batch-handler.ts";
import { NO_RETRY, type RetryPolicy, retryPolicy } from "./retry/retry-policy.ts";

/**
 * An event as a handler sees it. Valid during the call (until its promise settles), with everything it gives out but
 * strings and numbers; `copy()` outlives it. With `handlers_debug` a view that was kept throws `ESC_VIEW_EXPIRED`.
 */
export type EventView = Pick<
  RecordView,
  | "sequence"
  | "timeMs"
  | "timeNs"
  | "topic"
  | "priority"
  | "source"
  | "id"
  | "metadata"
  | "payload"
  | "text"
  | "json"
  | "copy"
> & {
  /** Which attempt this is, from 1. */
  readonly attempt: number;
};

/** Where handlers write lines for people. */
export interface HandlerLogger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** An event that a handler publishes. */
export interface Emission {
  /** 1 to 65,535 bytes of UTF-8. */
  readonly topic: string;
  /** Bytes, which are copied, or a text. */
  readonly payload: Uint8Array | string;
  /** MEDIUM unless given; a topic's override in `topics.conf` wins. It decides the lane. */
  readonly priority?: PriorityName;
  /**
   * 16 bytes. Unless given, one that is the same whenever the same event is handled again, so that the transactional
   * lane takes it once.
   */
  readonly id?: Uint8Array;
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>;
  /** When its handlers get it, ms since the epoch; at once unless given. */
  readonly deliverAt?: number;
}

/** What a handler has besides the event. */
export interface HandlerContext {
  readonly lane: LaneName;
  readonly logger: HandlerLogger;
  /** Aborted when the server stops, and when the handler's time is over: long work should end. */
  readonly signal: AbortSignal;
  /**
   * Publishes an event onward, into the lane of its priority. It goes out when the handler is done: one that fails
   * publishes nothing. Where that lane has no room, the handled event is not finished before it has.
   * @throws EscError `ESC_EMIT_INVALID`, `ESC_EMIT_LIMIT` (over 1,024 in one call), `ESC_CONTEXT_EXPIRED` (the call is over).
   */
  emit(event: Emission): void;
  /** Raises an alert. A lane's alerts are bounded by the second; what is over is counted. */
  alert(level: AlertLevel, text: string): void;
}

/** Topics or patterns (`*` one level, `>` the rest). */
export type Topics = string | readonly string[];

export interface HandlerDefinition {
  readonly topics: Topics;
  /** Only events of this lane; of every lane unless given. */
  readonly lane?: LaneName;
  /** Events with the same key are handled in order, one after the other; others at the same time. The topic unless given. */
  readonly key?: (event: EventView) => string;
  /** When a failed event is tried again, where it isn't as configured. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Handles one event. A throw, a rejection, or a promise that takes longer than `handler_timeout_ms` is a failed attempt;
   * after the last one the event is a dead letter.
   */
  handle(event: EventView, context: HandlerContext): void | Promise<void>;
}

/** A checked handler. */
export interface Handler {
  readonly patterns: readonly TopicPattern[];
  readonly lane: LaneName | undefined;
  readonly key: HandlerDefinition["key"];
  readonly retry: Partial<RetryPolicy>;
  readonly handle: HandlerDefinition["handle"];
  /** Whether it returns promises: known of an async function, else learned at its first. */
  isAsync: boolean;
  /** Where it takes many events at once; `handle` gives it one alone. */
  readonly batch: BatchPart | undefined;
}

const FIELDS: ReadonlySet<string> = new Set(["topics", "lane", "key", "retry", "handle"]);

/**
 * Checks a handler's definition where it is written. The definition is returned as it is: what a handler module exports.
 * @throws EscError `ESC_HANDLER_INVALID` naming the field that is wrong.
 */
export function defineHandler(definition: HandlerDefinition): HandlerDefinition {
  toHandler(definition, "defineHandler");
  return definition;
}

/**
 * Checks what a handler module exports: a definition, or several in an array.
 * @param where the file, for messages.
 * @throws EscError `ESC_HANDLER_INVALID`.
 */
export function toHandlers(exported: unknown, where: string): Handler[] {
  const all = Array.isArray(exported) ? exported : [exported];
  return all.map((one, index) => toHandler(one, all.length > 1 ? `${where} [${index}]` : where));
}

/** @param where the file, for messages. @throws EscError `ESC_HANDLER_INVALID`. */
export function toHandler(definition: unknown, where: string): Handler {
  if (typeof definition !== "object" || definition === null) {
    throw invalid(where, "a handler is an object: export default defineHandler({ topics, handle })");
  }
  const unknown = Object.keys(definition).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw invalid(where, `there is no \`${unknown}\`. There is ${[...FIELDS].join(", ")}`);
  const { topics, lane, key, retry = {}, handle } = definition as Partial<HandlerDefinition>;
  if (typeof handle !== "function") throw invalid(where, "`handle` must be a function (event, context)");
  if (key !== undefined && typeof key !== "function") throw invalid(where, "`key` must be a function (event)");
  const error = (what: string) => invalid(where, what);
  const patterns = checkTopics(topics, error);
  checkLane(lane, error);
  checkRetry(retry, error);
  const isAsync = handle.constructor.name === "AsyncFunction";
  return { patterns, lane, key, retry, handle, isAsync, batch: undefined };
}

/** @throws what `error` makes of a sentence, when the lane isn't one. */
export function checkLane(lane: LaneName | undefined, error: (what: string) => EscError): void {
  if (lane === undefined || LANE_NAMES.includes(lane)) return;
  throw error(`\`lane\` must be one of ${LANE_NAMES.join(", ")}, not ${JSON.stringify(lane)}`);
}

/** @throws what `error` makes of a sentence, when a field of the policy is wrong. */
export function checkRetry(retry: Partial<RetryPolicy>, error: (what: string) => EscError): void {
  try {
    retryPolicy(retry, NO_RETRY, "`retry`");
  } catch (problem) {
    throw error((problem as Error).message.replace(/\.$/, ""));
  }
}

/** Patterns of a definition's `topics`. @throws what `error` makes of a sentence. */
export function checkTopics(topics: unknown, error: (what: string) => EscError): TopicPattern[] {
  const list: readonly unknown[] = typeof topics === "string" ? [topics] : Array.isArray(topics) ? topics : [];
  if (list.length === 0) throw error("`topics` must be a topic or pattern, or an array of them");
  return list.map((topic) => {
    const problem = typeof topic === "string" ? patternProblem(topic) : "a topic is a string";
    if (problem !== undefined) throw error(`topic ${JSON.stringify(topic)}: ${problem}`);
    return new TopicPattern(topic as string);
  });
}

function invalid(where: string, what: string): EscError {
  return new EscError("ESC_HANDLER_INVALID", `${where}: ${what}.`);
}
