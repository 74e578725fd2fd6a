/** The handler API: what users write. */
import { EscError, LANE_NAMES, type LaneName, patternProblem, TopicPattern } from "@esc/events";
import type { RecordView } from "@esc/storage";

/** An event as a handler sees it. Valid during the call (until the promise settles); `copy()` outlives it. */
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
>;

/** Where handlers write lines for people. */
export interface HandlerLogger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What a handler has besides the event. */
export interface HandlerContext {
  readonly lane: LaneName;
  readonly logger: HandlerLogger;
  /** Aborted when the server stops: long work should end. */
  readonly signal: AbortSignal;
}

export interface HandlerDefinition {
  /** Topics or patterns (`*` one level, `>` the rest). */
  readonly topics: string | readonly string[];
  /** Only events of this lane; of every lane unless given. */
  readonly lane?: LaneName;
  /**
   * Handles one event. A throw or a rejection makes the event a dead letter. Events of a lane are handled in order:
   * the next one waits for the promise.
   */
  handle(event: EventView, context: HandlerContext): void | Promise<void>;
}

/** Topics or patterns (`*` one level, `>` the rest). */
export type Topics = string | readonly string[];

/** A checked handler. */
export interface Handler {
  readonly patterns: readonly TopicPattern[];
  readonly lane: LaneName | undefined;
  readonly handle: HandlerDefinition["handle"];
}

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

function toHandler(definition: unknown, where: string): Handler {
  if (typeof definition !== "object" || definition === null) {
    throw invalid(where, "a handler is an object: export default defineHandler({ topics, handle })");
  }
  const { topics, lane, handle } = definition as Partial<HandlerDefinition>;
  if (typeof handle !== "function") throw invalid(where, "`handle` must be a function (event, context)");
  const patterns = checkTopics(topics, (what) => invalid(where, what));
  if (lane !== undefined && !LANE_NAMES.includes(lane)) {
    throw invalid(where, `\`lane\` must be one of ${LANE_NAMES.join(", ")}, not ${JSON.stringify(lane)}`);
  }
  return { patterns, lane, handle };
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
