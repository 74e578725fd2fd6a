/** Reads the configuration: defaults, then a YAML file, then environment variables. Every mistake is told with its place. */
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { applyEnvironment } from "./environment.ts";
import { didYouMean } from "./nearest.ts";
import { BYTES_PER_EVENT, type Config, configSchema, keysAt } from "./schema.ts";
import { readYaml } from "./yaml-source.ts";

export interface LoadConfigOptions {
  /** A YAML file; defaults alone without. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What paths that don't stand in the file are relative to. */
  readonly cwd: string;
}

/** Characters of a wrong value that a message repeats. */
const MAX_SHOWN = 80;

export interface LoadedConfig {
  readonly config: Config;
  /** The file's absolute path, where there was one. */
  readonly file: string | undefined;
  /** What is accepted but does nothing in this version: to be told at the start. */
  readonly warnings: readonly string[];
}

/**
 * Paths come back absolute. What stands in the file is relative to the file's folder, anything else to `cwd`.
 * @throws ConfigError `ESC_CONFIG_INVALID` naming everything that is wrong.
 */
export function loadConfig({ file, env, cwd }: LoadConfigOptions): LoadedConfig {
  const path = file === undefined ? undefined : resolve(cwd, file);
  const source = path === undefined ? undefined : readYaml(path, file as string);
  const raw: Record<string, unknown> = source === undefined ? {} : source.value;
  const { problems, used, serviceLinks } = applyEnvironment(raw, env);
  const place = (key: readonly PropertyKey[]) => variableOf(key, used) ?? source?.place(key) ?? "defaults";
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) problems.push(...conflicts(parsed.data, place, (key) => valueAt(raw, key) !== undefined));
  else problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, raw, place)));
  if (!parsed.success || problems.length > 0) throw new ConfigError(withoutRepeats(problems));

  const fileDir = path === undefined ? cwd : dirname(path);
  const absolute = (key: readonly string[], value: string) =>
    resolve(used.has(key.join(".")) || valueAt(raw, key) === undefined ? cwd : fileDir, value);
  const { router, storage, handlers, ...rest } = parsed.data;
  const config: Config = {
    ...rest,
    router: {
      ...router,
      ...(router.topics_file !== undefined && { topics_file: absolute(["router", "topics_file"], router.topics_file) }),
    },
    storage: { ...storage, path: absolute(["storage", "path"], storage.path) },
    handlers: handlers.map((handler) => absolute(["handlers"], handler)),
  };
  return { config: frozen(config), file: path, warnings: [...warningsOf(config), ...serviceLinkWarning(serviceLinks)] };
}

/** A value may break several rules that are told in the same words. */
function withoutRepeats(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const told = new Map(problems.map((problem) => [`${problem.where} ${problem.key} ${problem.what}`, problem]));
  return [...told.values()];
}

/** Where a key's place is told: `file:line:column`, or the variable that set it. */
type Place = (key: readonly PropertyKey[]) => string;

/** The variable that set a key, or the list that it stands in. */
function variableOf(key: readonly PropertyKey[], used: ReadonlyMap<string, string>): string | undefined {
  for (let depth = key.length; depth > 0; depth--) {
    const name = used.get(key.slice(0, depth).join("."));
    if (name !== undefined) return name;
  }
  return undefined;
}

function problemsOf(issue: z.core.$ZodIssue, raw: unknown, place: Place): ConfigProblem[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(issue.path);
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return { where: place(path), key: path.join("."), what: `unknown key.${didYouMean(key, known)}` };
    });
  }
  const expected =
    issue.code === "invalid_type" && issue.expected === "object" ? "keys and values (a map)" : issue.message;
  return [
    {
      where: place(issue.path),
      key: issue.path.join("."),
      what: `expected ${expected}, found ${shown(valueAt(raw, issue.path))}`,
    },
  ];
}

/** A value for a message: as JSON, but for what JSON hasn't got, and not at any length. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** What doesn't fit together, though each value is sound. */
function conflicts(
  { router, dead_letters, ingestion, http, builtins }: Config,
  place: Place,
  isSet: (key: readonly string[]) => boolean,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { tcp } = ingestion;
  if (tcp.enable && http.enable && tcp.port !== 0 && tcp.port === http.port && overlap(tcp.host, http.host)) {
    // Told where it was written; one of the two may be a default.
    const keys = [
      ["http", "port"],
      ["ingestion", "tcp", "port"],
    ] as const;
    const [key, other] = isSet(keys[0]) ? keys : ([keys[1], keys[0]] as const);
    const otherPlace = isSet(other) ? place(other) : "its default";
    problems.push({
      where: place(key),
      key: key.join("."),
      what: `${http.port} is ${other.join(".")}'s already (${otherPlace}), on the same address: give one of them another port, or 0 for any`,
    });
  }
  for (const [key, size] of [
    ["router.buffer_size", router.buffer_size],
    ["dead_letters.buffer_size", dead_letters.buffer_size],
  ] as const) {
    // A record takes at most half of its ring, header, topic and metadata included.
    const most = (size * BYTES_PER_EVENT) / 2 - 8_192;
    if (ingestion.max_frame_bytes <= most) continue;
    problems.push({
      where: place(key.split(".")),
      key,
      what: `a ring of ${size} × ${BYTES_PER_EVENT} bytes takes frames of up to ${most} bytes, but ingestion.max_frame_bytes is ${ingestion.max_frame_bytes}: enlarge the one or lower the other`,
    });
  }
  for (const [n, { name }] of builtins.entries()) {
    const first = builtins.findIndex((one) => one.name === name);
    if (first === n) continue;
    const what = `"${name}" is the name of builtins.${first} already (${place(["builtins", first, "name"])}): give it one of its own`;
    problems.push({ where: place(["builtins", n, "name"]), key: `builtins.${n}.name`, what });
  }
  const { partialFrameBytes } = ingestion.tcp;
  if (partialFrameBytes < ingestion.max_frame_bytes + 4) {
    const key = "ingestion.tcp.partialFrameBytes";
    problems.push({
      where: place(key.split(".")),
      key,
      what: `${partialFrameBytes} bytes don't hold one frame of ingestion.max_frame_bytes, ${ingestion.max_frame_bytes}, and its length: enlarge the one or lower the other`,
    });
  }
  return problems;
}

/** Whether two hosts may stand for one address. */
function overlap(one: string, other: string): boolean {
  const everywhere = (host: string) => host === "0.0.0.0" || host === "::";
  const loopback = (host: string) => host.startsWith("127.") || host === "::1";
  const local = (name: string, host: string) => name === "localhost" && loopback(host);
  return one === other || everywhere(one) || everywhere(other) || local(one, other) || local(other, one);
}

function serviceLinkWarning(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  return [
    `${names.join(", ")}: passed over, as set by Kubernetes for a Service of that name; enableServiceLinks: false in the pod's spec keeps them out`,
  ];
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], raw);
}

function frozen<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

function warningsOf({ router, numa }: Config): string[] {
  const warnings: string[] = [];
  if (router.strategy === "round_robin" && router.shards !== 1) {
    warnings.push(
      "router.strategy is round_robin: events of the realtime and the batch lane are in no order; the transactional lane keeps that of each topic, and goes by hash",
    );
  }
  const { dispatcher_node: dispatcher, realtime_proc_node: realtime, transactional_proc_node: transactional } = numa;
  if (numa.enable && [dispatcher, realtime, transactional].every((node) => node === -1)) {
    warnings.push(
      "numa.enable is true, but every node is -1, so no thread is placed: set one to its number, or to auto",
    );
  }
  return warnings;
}
