/** The configuration's keys, with what each takes and what it is when nothing is said. `config/esc.example.yaml` shows them all. */
import { patternProblem } from "@esc/events";
import { ALERT_LEVELS, BUILT_IN_KINDS, builtInProblems, FIELD_TYPES } from "@esc/processors";
import { z } from "zod";
import { definitionOf } from "../configured-built-ins.ts";

const KIB = 1_024;
const MIB = KIB * KIB;
const GIB = KIB * MIB;
const UNITS: Readonly<Record<string, number>> = { B: 1, KIB, MIB, GIB, TIB: KIB * GIB };

/** Bytes: a number, or a string with a unit (`64KiB`, `4 MiB`). */
function bytes(least: number, most: number): z.ZodType<number> {
  const expected = `a size from ${least} to ${most} bytes, as a number or like 4MiB`;
  return z.union([z.number(), z.string()], { error: expected }).transform((value, context) => {
    const match = /^(\d+)\s*([a-z]*)$/i.exec(String(value).trim());
    const unit = UNITS[(match?.[2] || "B").toUpperCase()];
    const size = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
    if (size >= least && size <= most) return size;
    context.addIssue({ code: "custom", message: expected });
    return z.NEVER;
  });
}

function whole(least: number, most: number): z.ZodNumber {
  const error = `a whole number from ${least} to ${most}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error });
}

function number(least: number, most: number): z.ZodNumber {
  const error = `a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

function powerOfTwo(least: number, most: number): z.ZodType<number> {
  const error = `a power of two from ${least} to ${most}`;
  return z
    .number({ error })
    .refine((value) => value >= least && value <= most && Number.isInteger(Math.log2(value)), { error });
}

const isShards = (value: unknown) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 64;
const shards = z.custom<number | "auto">((value) => value === "auto" || isShards(value), {
  error: "auto, or a whole number from 1 to 64",
});
const flag = z.boolean({ error: "true or false" });
const text = z.string({ error: "a string" }).min(1, { error: "a string that isn't empty" });
const host = text;
const port = whole(0, 65_535);
const NODE = "a whole number from -1 to 1023, or auto";
/** A NUMA node: -1 is none, `auto` leaves it to the plan. */
const node = z.union(
  [
    z.literal("auto"),
    z.number().refine((value) => Number.isInteger(value) && value >= -1 && value <= 1_023, { error: NODE }),
  ],
  { error: NODE },
);

function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: `one of ${values.join(", ")}` });
}

const syncPolicy = oneOf(["always", "group", "interval", "never"]);
const MOST_FRAME = 64 * MIB;
/** Each is a producer in every lane, and has a scanner's memory of its own. */
const MOST_INGEST_WORKERS = 32;
const DAY_MS = 86_400_000;

const pattern = text.superRefine((written, context) => {
  const problem = patternProblem(written);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `a topic or pattern (${problem})` });
});

/** A built-in; what of it belongs to which kind, `builtInProblems` knows. */
const builtIn = z
  .strictObject({
    name: text,
    topics: z.union([pattern, z.array(pattern).min(1)], { error: "a topic or pattern, or a list of them" }),
    lane: oneOf(["realtime", "transactional", "batch"]).optional(),
    sample: z.number({ error: "a number" }).optional(),
    kind: oneOf(BUILT_IN_KINDS),
    field: z
      .strictObject({
        offset: z.number({ error: "a number" }),
        type: oneOf(FIELD_TYPES),
        endian: oneOf(["little", "big"]).optional(),
      })
      .optional(),
    bounds: z.array(z.number({ error: "a number" }), { error: "a list of numbers" }).optional(),
    above: z.number({ error: "a number" }).optional(),
    level: oneOf(ALERT_LEVELS).optional(),
    every_ms: z.number({ error: "a number" }).optional(),
  })
  .superRefine((one, context) => {
    for (const { path, what } of builtInProblems(definitionOf(one))) {
      const written = path.map((key) => (key === "everyMs" ? "every_ms" : key));
      context.addIssue({ code: "custom", path: written, message: what });
    }
  });

/** What may be said of topics: see `processing.topics`. */
const topicRule = z.strictObject({
  topic: pattern,
  attempts: whole(1, 1_000).optional(),
  retry_delay_ms: whole(0, DAY_MS).optional(),
  sla_ms: whole(1, DAY_MS).optional(),
  delay_ms: whole(0, 31 * DAY_MS).optional(),
});

/** What is kept of one log; 0 is no limit. */
const retention = z
  .strictObject({
    max_bytes: bytes(0, 1_024 * KIB * GIB).default(0),
    max_age_ms: whole(0, 3_153_600_000_000).default(0),
    max_events: whole(0, Number.MAX_SAFE_INTEGER).default(0),
    force: flag.default(false),
  })
  .prefault({});

export const configSchema = z.strictObject({
  app_name: text.default("EventStreamCore"),
  version: z.union([text, z.number()], { error: "a string or a number" }).transform(String).default("1"),
  ingestion: z
    .strictObject({
      workers: z
        .union([z.literal("auto"), whole(1, MOST_INGEST_WORKERS)], {
          error: `auto, or a whole number from 1 to ${MOST_INGEST_WORKERS}`,
        })
        .default("auto"),
      max_frame_bytes: bytes(64, MOST_FRAME).default(MIB),
      tcp: z
        .strictObject({
          enable: flag.default(true),
          host: host.default("127.0.0.1"),
          port: port.default(9000),
          maxConnections: whole(1, 65_535).default(1_024),
          frameTimeoutMs: whole(0, 86_400_000).default(30_000),
          idleTimeoutMs: whole(0, 86_400_000).default(0),
          ackBufferBytes: bytes(4 * KIB, 64 * MIB).default(MIB),
          partialFrameBytes: bytes(64 * KIB, 16 * GIB).default(64 * MIB),
        })
        .prefault({}),
      udp: z
        .strictObject({
          enable: flag.default(true),
          host: host.default("127.0.0.1"),
          port: port.default(9001),
          bufferSize: bytes(4 * KIB, 256 * MIB).default(4 * MIB),
        })
        .prefault({}),
      in_process: z
        .strictObject({
          max_publishers: whole(0, 48).default(16),
          batch_bytes: bytes(4 * KIB, 64 * MIB).default(MIB),
        })
        .prefault({}),
    })
    .prefault({}),
  http: z
    .strictObject({ enable: flag.default(true), host: host.default("127.0.0.1"), port: port.default(8080) })
    .prefault({}),
  router: z
    .strictObject({
      shards: shards.default(1),
      strategy: oneOf(["hash", "round_robin"]).default("hash"),
      buffer_size: powerOfTwo(1_024, 8_388_608).default(262_144),
      topics_file: text.optional(),
      max_topics: whole(1, 1_048_576).default(16_384),
    })
    .prefault({}),
  numa: z
    .strictObject({
      enable: flag.default(false),
      dispatcher_node: node.default(-1),
      realtime_proc_node: node.default(-1),
      transactional_proc_node: node.default(-1),
    })
    .prefault({}),
  storage: z
    .strictObject({
      path: text.default("./data"),
      segment_bytes: bytes(64 * KIB, GIB).default(64 * MIB),
      preallocate_bytes: bytes(0, 64 * MIB).default(MIB),
      sync: z
        .strictObject({
          realtime: syncPolicy.default("interval"),
          transactional: syncPolicy.default("group"),
          batch: syncPolicy.default("interval"),
          dead_letters: syncPolicy.default("interval"),
        })
        .prefault({}),
      sync_interval_ms: whole(1, 60_000).default(200),
      group_bytes: bytes(4 * KIB, 64 * MIB).default(4 * MIB),
      group_delay_ms: whole(0, 10_000).default(0),
      gather_ms: whole(0, 100).default(1),
      retention: z
        .strictObject({
          check_interval_ms: whole(100, 3_600_000).default(10_000),
          realtime: retention,
          transactional: retention,
          batch: retention,
          dead_letters: retention,
        })
        .prefault({}),
      max_groups: whole(1, 1_024).default(64),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
      format: oneOf(["auto", "pretty", "json"]).default("auto"),
    })
    .prefault({}),
  handlers: z.array(text, { error: "a list of paths" }).default([]),
  handler_timeout_ms: whole(1, DAY_MS).default(30_000),
  handler_stall_ms: whole(1_000, DAY_MS).default(30_000),
  handlers_debug: flag.default(false),
  handlers_memory: bytes(16 * MIB, 64 * KIB * MIB).default(512 * MIB),
  builtins: z.array(builtIn, { error: "a list of built-ins" }).default([]),
  processing: z
    .strictObject({
      concurrency: whole(1, 1_024).default(64),
      max_held: whole(1, 65_536).default(4_096),
      max_held_bytes: bytes(64 * KIB, 16 * KIB * MIB).default(64 * MIB),
      retry: z
        .strictObject({
          attempts: whole(1, 1_000).default(3),
          delay_ms: whole(0, DAY_MS).default(100),
          factor: number(1, 100).default(2),
          max_delay_ms: whole(0, DAY_MS).default(30_000),
          jitter: number(0, 1).default(0.5),
        })
        .prefault({}),
      sla_ms: whole(1, DAY_MS).default(5),
      topics: z.array(topicRule, { error: "a list of topics" }).default([]),
      dedup: z
        .strictObject({
          enable: flag.default(true),
          window_ms: whole(1, 2 ** 30).default(600_000),
          capacity: whole(1, 50_000_000).default(1_048_576),
        })
        .prefault({}),
      delayed: z
        .strictObject({
          max_events: whole(1, 4_194_304).default(65_536),
          max_bytes: bytes(64 * KIB, 16 * KIB * MIB).default(64 * MIB),
        })
        .prefault({}),
      restart: z
        .strictObject({
          delay_ms: whole(1, DAY_MS).default(100),
          max_delay_ms: whole(1, DAY_MS).default(10_000),
        })
        .prefault({}),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      level: oneOf(ALERT_LEVELS).default("INFO"),
      queue_length: whole(1, 1_000_000).default(1_000),
      webhook: text
        .refine((url) => /^https?:$/.test(URL.parse(url)?.protocol ?? ""), { error: "an http or https address" })
        .optional(),
      timeout_ms: whole(1, 3_600_000).default(2_000),
      attempts: whole(1, 100).default(3),
    })
    .prefault({}),
  spin_us: whole(0, 10_000).default(200),
  dead_letters: z.strictObject({ buffer_size: powerOfTwo(1_024, 8_388_608).default(65_536) }).prefault({}),
  shutdown: z.strictObject({ grace_ms: whole(100, 3_600_000).default(10_000) }).prefault({}),
});

/**
 * The configuration as the server uses it: the file's keys by the file's names; sizes in bytes, times in milliseconds,
 * paths absolute. Never changes.
 */
export type Config = Immutable<z.output<typeof configSchema>>;

type Immutable<Value> = Value extends object ? { readonly [Key in keyof Value]: Immutable<Value[Key]> } : Value;

/** Bytes of ring per unit of a `buffer_size`: what a usual event takes with its header, rounded up. */
export const BYTES_PER_EVENT = 128;

/** The path of every key that takes a value, in the schema's order. */
export function leafPaths(): string[][] {
  return [...leaves(configSchema, [])].map(([path]) => path);
}

/** The keys that there may be at a place, in lists too; none where there are none. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType | undefined = configSchema;
  for (const key of path) {
    const inner: z.ZodType | undefined = unwrapped(schema);
    if (inner instanceof z.ZodArray) schema = inner.element as z.ZodType;
    else schema = inner instanceof z.ZodObject ? (inner.shape[String(key)] as z.ZodType | undefined) : undefined;
  }
  const inner = unwrapped(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrapped(schema: z.ZodType | undefined): z.ZodType | undefined {
  let inner = schema;
  while (inner instanceof z.ZodPrefault || inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
}

/** The schema of one key's value. */
export function leafSchema(path: readonly string[]): z.ZodType | undefined {
  for (const [leaf, schema] of leaves(configSchema, [])) if (leaf.join(".") === path.join(".")) return schema;
  return undefined;
}

function* leaves(schema: z.ZodType, path: readonly string[]): Generator<[string[], z.ZodType]> {
  const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
  if (!(inner instanceof z.ZodObject)) {
    yield [[...path], inner];
    return;
  }
  for (const [key, child] of Object.entries(inner.shape)) yield* leaves(child as z.ZodType, [...path, key]);
}
