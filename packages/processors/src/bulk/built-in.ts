/** Built-ins as users define them: counts, sums, histograms and thresholds that kernels keep, without a handler's call. */
import { EscError, type LaneName, type TopicPattern } from "@esc/events";
import { ALERT_LEVELS, type AlertLevel } from "../alerts/alert.ts";
import { checkLane, checkTopics, type Topics } from "../handler.ts";

export const BUILT_IN_KINDS = ["count", "sum", "histogram", "threshold"] as const;
export type BuiltInKind = (typeof BUILT_IN_KINDS)[number];
/** In the order of their numbers in `assembly/built-ins.ts`. */
export const FIELD_TYPES = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

/** A number at a fixed place of the payload. */
export interface NumericField {
  /** Bytes from the payload's start, 0 to 67,108,863. */
  readonly offset: number;
  readonly type: FieldType;
  /** "little" unless given. */
  readonly endian?: "little" | "big" | undefined;
}

export interface BuiltInDefinition {
  /** What stats and metrics name it by: letters, digits, `_`, `.`, `-`, up to 64, a letter first. */
  readonly name: string;
  /** The filter: only events of these topics or patterns. */
  readonly topics: Topics;
  /** Only events of this lane; of every lane unless given. */
  readonly lane?: LaneName | undefined;
  /** Only the first of each so many that pass the filter, 1 to 1,000,000,000; every one unless given. */
  readonly sample?: number | undefined;
  readonly kind: BuiltInKind;
  /** Of a sum, a histogram and a threshold. */
  readonly field?: NumericField | undefined;
  /** Of a histogram: upper bounds of its buckets, 1 to 32, ascending. Values beyond the last have a bucket, too. */
  readonly bounds?: readonly number[] | undefined;
  /** Of a threshold: a value over this is one. */
  readonly above?: number | undefined;
  /** Of a threshold: its alerts' level; WARNING unless given. */
  readonly level?: AlertLevel | undefined;
  /** Of a threshold: ms from one alert to the next, which tells of all in between; 1,000 unless given. */
  readonly everyMs?: number | undefined;
}

/** A checked built-in. */
export interface BuiltIn {
  readonly name: string;
  readonly patterns: readonly TopicPattern[];
  readonly lane: LaneName | undefined;
  readonly sample: number;
  readonly kind: BuiltInKind;
  readonly field: Required<NumericField>;
  readonly bounds: readonly number[];
  readonly above: number;
  readonly level: AlertLevel;
  readonly everyMs: number;
}

/** Something that is wrong, and where in the definition. */
export interface BuiltInProblem {
  readonly path: readonly (string | number)[];
  readonly what: string;
}

export const MAX_BUILT_INS = 32;
export const MAX_BOUNDS = 32;
export const MAX_FIELD_OFFSET = 0x3ff_ffff;
export const MAX_SAMPLE = 1_000_000_000;
export const BUILT_IN_NAME = /^[a-z][\w.-]{0,63}$/i;
const FIELDS = ["name", "topics", "lane", "sample", "kind", "field", "bounds", "above", "level", "everyMs"];
const DAY_MS = 86_400_000;

/**
 * Checks a built-in's definition where it is written. The definition is returned as it is: what a handler module exports.
 * @throws EscError `ESC_BUILTIN_INVALID` naming the field that is wrong.
 * @example
 * export const cents = defineBuiltIn({
 *   name: "order-cents", topics: "order.>", kind: "sum", field: { offset: 0, type: "u32" },
 * });
 */
export function defineBuiltIn(definition: BuiltInDefinition): BuiltInDefinition {
  toBuiltIn(definition, "defineBuiltIn");
  return definition;
}

/** Whether a module's export is meant to be a built-in. */
export function looksLikeBuiltIn(exported: unknown): exported is BuiltInDefinition {
  return typeof exported === "object" && exported !== null && "kind" in exported && !("handle" in exported);
}

/** @param where the file or key, for messages. @throws EscError `ESC_BUILTIN_INVALID`. */
export function toBuiltIn(definition: BuiltInDefinition, where: string): BuiltIn {
  const invalid = (what: string) => new EscError("ESC_BUILTIN_INVALID", `${where}: ${what}.`);
  const unknown = Object.keys(definition).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw invalid(`there is no \`${unknown}\` of a built-in. There is ${FIELDS.join(", ")}`);
  const patterns = checkTopics(definition.topics, invalid);
  checkLane(definition.lane, invalid);
  const [problem] = builtInProblems(definition);
  if (problem !== undefined) throw invalid(`\`${problem.path.join(".")}\` must be ${problem.what}`);
  const {
    name,
    lane,
    kind,
    field,
    sample = 1,
    bounds = [],
    above = 0,
    level = "WARNING",
    everyMs = 1_000,
  } = definition;
  const { offset = 0, type = "u8", endian = "little" } = field ?? {};
  return { name, patterns, lane, sample, kind, field: { offset, type, endian }, bounds, above, level, everyMs };
}

/** What is wrong with a definition besides topics and lane. Also for definitions that a configuration has. */
export function builtInProblems(definition: BuiltInDefinition): BuiltInProblem[] {
  const { name, kind, field, bounds, above, sample = 1, level = "WARNING", everyMs = 1_000 } = definition;
  const problems: BuiltInProblem[] = [];
  const check = (sound: boolean, path: readonly (string | number)[], what: string) => {
    if (!sound) problems.push({ path, what });
  };
  const whole = (value: unknown, least: number, most: number) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  check(
    typeof name === "string" && BUILT_IN_NAME.test(name),
    ["name"],
    "up to 64 letters, digits, _, . and -, a letter first",
  );
  check(BUILT_IN_KINDS.includes(kind), ["kind"], `one of ${BUILT_IN_KINDS.join(", ")}`);
  check(whole(sample, 1, MAX_SAMPLE), ["sample"], `a whole number from 1 to ${MAX_SAMPLE}`);
  if (kind === "count") check(field === undefined, ["field"], "nothing: a count has no field");
  else if (typeof field !== "object" || field === null) check(false, ["field"], "a field, as { offset: 0, type: u32 }");
  else {
    check(
      whole(field.offset, 0, MAX_FIELD_OFFSET),
      ["field", "offset"],
      `a whole number from 0 to ${MAX_FIELD_OFFSET}`,
    );
    check(FIELD_TYPES.includes(field.type), ["field", "type"], `one of ${FIELD_TYPES.join(", ")}`);
    check(["little", "big"].includes(field.endian ?? "little"), ["field", "endian"], "one of little, big");
  }
  if (kind === "histogram") {
    const list = Array.isArray(bounds) ? (bounds as readonly number[]) : [];
    const ascending = list.every((bound, n) => Number.isFinite(bound) && (n === 0 || bound > (list[n - 1] as number)));
    const sound = list.length >= 1 && list.length <= MAX_BOUNDS && ascending;
    check(sound, ["bounds"], `1 to ${MAX_BOUNDS} ascending numbers`);
  } else check(bounds === undefined, ["bounds"], "nothing: only a histogram has bounds");
  if (kind === "threshold") check(Number.isFinite(above), ["above"], "a number");
  else check(above === undefined, ["above"], "nothing: only a threshold has one");
  check(ALERT_LEVELS.includes(level), ["level"], `one of ${ALERT_LEVELS.join(", ")}`);
  check(whole(everyMs, 0, DAY_MS), ["everyMs"], `a whole number from 0 to ${DAY_MS}`);
  return problems;
}
