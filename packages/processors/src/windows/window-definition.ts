/** The window API: what users write to get numbers over many events instead of a call for each. */
import { EscError, LANE_NAMES, type LaneName } from "@esc/events";
import { checkTopics, type EventView, type HandlerContext, type Topics } from "../handler.ts";

/** What bounds a window. */
export type WindowShape =
  /** One behind the other: closed after so long, or so many events, whatever comes first. At least one of the two. */
  | { readonly tumbling: { readonly ms?: number; readonly count?: number } }
  /** Of `ms`, a new one every `everyMs`: an event is in several. */
  | { readonly sliding: { readonly ms: number; readonly everyMs: number } }
  /** Of `count` events, a new one every `every` events. */
  | { readonly sliding: { readonly count: number; readonly every: number } };

/** Why a window was closed. */
export type WindowClosing =
  /** Its time is over. */
  | "time"
  /** It has as many events as it takes. */
  | "count"
  /** Too many windows were open: the oldest is closed early. Another one may begin for the same time. */
  | "memory"
  /** The server stops. */
  | "stop";

/** What a window's handler gets: plain data. */
export interface WindowResult {
  readonly window: string;
  readonly key: string;
  /**
   * The same whenever the same window is handled again, as after a crash: name, key, start and first sequence.
   */
  readonly id: string;
  /** Milliseconds since the epoch. Of a window by count alone: times of its first and last event. */
  readonly startMs: number;
  readonly endMs: number;
  readonly closedBy: WindowClosing;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly count: number;
  /** Of `value`; without it 0. */
  readonly sum: number;
  /** Of `value`; null without it. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** By the percents asked for: `{ 99: 12.5 }`. Within 1% of the true value. */
  readonly percentiles: Readonly<Record<number, number>>;
}

export interface WindowDefinition {
  /** For people, metrics and results; one of its own. */
  readonly name: string;
  readonly topics: Topics;
  /** The lane whose events it takes: "batch" unless given. */
  readonly lane?: LaneName;
  readonly shape: WindowShape;
  /** Events of each key have windows of their own; by topic unless given. */
  readonly key?: (event: EventView) => string;
  /** The number to add up; events are only counted without. */
  readonly value?: (event: EventView) => number;
  /** Percents to tell, 0 to 100, at most 16. */
  readonly percentiles?: readonly number[];
  /** The event's time in ms since the epoch; when it was received unless given. */
  readonly time?: (event: EventView) => number;
  /**
   * What becomes of an event whose window's time is over. "drop" (unless given): it is counted. "side": it goes to
   * `handleLate`. "include": windows stay open for `latenessMs` more, so that it comes in; what comes later still is counted.
   */
  readonly late?: "drop" | "side" | "include";
  /** With `late: "include"`: how long a window stays open behind its end, by the events' time, in ms. */
  readonly latenessMs?: number;
  /** When no event came for so long, time goes on without; the window's own length unless given. */
  readonly idleMs?: number;
  /** Windows open at the same time at most, 1 to 65,536; 1,024 unless given. One more closes the oldest early. */
  readonly maxOpen?: number;
  handle(result: WindowResult, context: HandlerContext): void | Promise<void>;
  handleLate?(event: EventView, context: HandlerContext): void;
}

/** A checked window. */
export interface Window {
  readonly definition: WindowDefinition;
  readonly patterns: ReturnType<typeof checkTopics>;
  readonly lane: LaneName;
}

const FIELDS: ReadonlySet<string> = new Set([
  ...["name", "topics", "lane", "shape", "key", "value", "percentiles", "time", "late", "latenessMs", "idleMs"],
  ...["maxOpen", "handle", "handleLate"],
]);
const LATE = ["drop", "side", "include"];
const MOST_MS = 31 * 86_400_000;
const MOST_COUNT = 1_000_000_000;
/** Windows that one event may be in. */
const MOST_OVERLAP = 64;

/**
 * Checks a window's definition where it is written and gives it back: what a handler module exports, alone or in an
 * array with handlers.
 * @throws EscError `ESC_WINDOW_INVALID` naming the field that is wrong.
 * @example
 * export default defineWindow({
 *   name: "orders-per-minute",
 *   topics: "order.*",
 *   shape: { tumbling: { ms: 60_000 } },
 *   value: (event) => event.json().total,
 *   handle: (result, { logger }) => logger.info(`${result.key}: ${result.count} orders, ${result.sum}`),
 * });
 */
export function defineWindow(definition: WindowDefinition): WindowDefinition {
  toWindow(definition, "defineWindow");
  return definition;
}

/** Whether an exported value is meant to be a window. */
export function looksLikeWindow(exported: unknown): boolean {
  return typeof exported === "object" && exported !== null && "shape" in exported;
}

/** @param where the file, for messages. @throws EscError `ESC_WINDOW_INVALID`. */
export function toWindow(given: unknown, where: string): Window {
  const no = (what: string) => new EscError("ESC_WINDOW_INVALID", `${where}: ${what}.`);
  if (typeof given !== "object" || given === null)
    throw no("a window is an object: defineWindow({ name, topics, shape, handle })");
  const unknown = Object.keys(given).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw no(`there is no \`${unknown}\`. There is ${[...FIELDS].join(", ")}`);
  const definition = given as WindowDefinition;
  const { name, lane = "batch", late = "drop", percentiles = [] } = definition;
  if (typeof name !== "string" || !/^[\w.:-]{1,64}$/.test(name)) {
    throw no("`name` takes 1 to 64 letters, digits and . : - _");
  }
  const patterns = checkTopics(definition.topics, (what) => no(what));
  if (!LANE_NAMES.includes(lane)) throw no(`\`lane\` must be one of ${LANE_NAMES.join(", ")}`);
  const shapeProblem = problemOfShape(definition.shape);
  if (shapeProblem !== undefined) throw no(`\`shape\` ${shapeProblem}`);
  for (const field of ["key", "value", "time", "handleLate"] as const) {
    if (definition[field] !== undefined && typeof definition[field] !== "function")
      throw no(`\`${field}\` must be a function`);
  }
  if (typeof definition.handle !== "function") throw no("`handle` must be a function (result, context)");
  if (!LATE.includes(late)) throw no(`\`late\` must be one of ${LATE.join(", ")}`);
  if ((late === "side") !== (definition.handleLate !== undefined)) {
    throw no('`handleLate` goes with `late: "side"`, and that with `handleLate`');
  }
  if ((late === "include") !== (definition.latenessMs !== undefined)) {
    throw no('`latenessMs` goes with `late: "include"`, and that with `latenessMs`');
  }
  for (const field of ["latenessMs", "idleMs"] as const) {
    if (definition[field] !== undefined && !within(definition[field], 1, MOST_MS))
      throw no(`\`${field}\` takes 1 to ${MOST_MS} ms`);
  }
  if (definition.maxOpen !== undefined && !within(definition.maxOpen, 1, 65_536))
    throw no("`maxOpen` takes 1 to 65536");
  if (!Array.isArray(percentiles) || percentiles.length > 16 || !percentiles.every((one) => one >= 0 && one <= 100)) {
    throw no("`percentiles` takes up to 16 numbers from 0 to 100");
  }
  if (percentiles.length > 0 && definition.value === undefined)
    throw no("`percentiles` are of a `value`: give that too");
  return { definition, patterns, lane };
}

function problemOfShape(shape: unknown): string | undefined {
  const help = "takes { tumbling: { ms, count } }, { sliding: { ms, everyMs } } or { sliding: { count, every } }";
  if (typeof shape !== "object" || shape === null || Object.keys(shape).length !== 1) return help;
  const { tumbling, sliding } = shape as { tumbling?: Record<string, number>; sliding?: Record<string, number> };
  const bounds = tumbling ?? sliding;
  if (typeof bounds !== "object" || bounds === null) return help;
  const fields = Object.keys(bounds).sort().join();
  if (
    tumbling !== undefined
      ? !["count", "count,ms", "ms"].includes(fields)
      : !["everyMs,ms", "count,every"].includes(fields)
  ) {
    return help;
  }
  for (const [field, value] of Object.entries(bounds)) {
    const most = field === "ms" || field === "everyMs" ? MOST_MS : MOST_COUNT;
    if (!within(value, 1, most)) return `takes a whole number from 1 to ${most} as \`${field}\`, not ${String(value)}`;
  }
  if (tumbling !== undefined) return undefined;
  const length = bounds.ms ?? bounds.count ?? 0;
  const every = bounds.everyMs ?? bounds.every ?? 0;
  if (every > length) return "slides by more than its length: events between would be in no window";
  if (length / every > MOST_OVERLAP) return `slides so often that an event is in more than ${MOST_OVERLAP} windows`;
  return undefined;
}

function within(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
