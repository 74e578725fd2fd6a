/** Reads the configuration: defaults, then a YAML file, then environment variables. Every mistake is told with its place. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Document, isNode, LineCounter, parse, parseDocument } from "yaml";
import type { z } from "zod";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { didYouMean } from "./nearest.ts";
import { BYTES_PER_EVENT, type Config, configSchema, leafPaths } from "./schema.ts";

export interface LoadConfigOptions {
  /** A YAML file; defaults alone without. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What paths that don't stand in the file are relative to. */
  readonly cwd: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file's absolute path, where there was one. */
  readonly file: string | undefined;
  /** What is accepted but does nothing in this version: to be told at the start. */
  readonly warnings: readonly string[];
}

/** Variables with our prefix that are no configuration keys. */
const OTHER_VARIABLES = new Set(["ESC_CONFIG"]);
const MAX_FILE_BYTES = 1_048_576;

/** @throws ConfigError `ESC_CONFIG_INVALID` naming everything that is wrong. */
export function loadConfig({ file, env, cwd }: LoadConfigOptions): LoadedConfig {
  const path = file === undefined ? undefined : resolve(cwd, file);
  const source = path === undefined ? undefined : readYaml(path, file as string);
  const raw: Record<string, unknown> = source === undefined ? {} : source.value;
  const fromEnv = applyEnvironment(raw, env);
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.flatMap((issue) => problemsOf(issue, raw, source, fromEnv)));
  const config = parsed.data;
  checkTogether(config, source, fromEnv);
  const fileDir = path === undefined ? cwd : dirname(path);
  const base = (key: string) => (fromEnv.has(key) || !stands(raw, key) ? cwd : fileDir);
  config.storage.path = resolve(base("storage.path"), config.storage.path);
  config.handlers = config.handlers.map((handler) => resolve(base("handlers"), handler));
  if (config.router.topics_file !== undefined) {
    config.router.topics_file = resolve(base("router.topics_file"), config.router.topics_file);
  }
  return { config, file: path, warnings: warningsOf(config) };
}

interface YamlSource {
  readonly name: string;
  readonly value: Record<string, unknown>;
  /** `file:line:column` of a key, or of the nearest one above it. */
  place(path: readonly PropertyKey[]): string;
}

function readYaml(path: string, name: string): YamlSource {
  const fail = (what: string, where = name) => new ConfigError([{ where, what }]);
  let content: string;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw fail("is a folder; give a YAML file");
    if (stat.size > MAX_FILE_BYTES) throw fail(`is larger than ${MAX_FILE_BYTES} bytes; that is no configuration`);
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw fail(code === "ENOENT" ? "there is no such file" : `can't be read (${code})`);
  }
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => ({ where: at(error.pos[0]), what: error.message })));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw fail((error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("must hold keys and values (a YAML map)", at(0));
  return {
    name,
    value: value as Record<string, unknown>,
    place: (keys) => {
      const offset = offsetOf(document, keys);
      return offset === undefined ? name : at(offset);
    },
  };
}

/** Where a key stands in the document; the map that should have held it when it doesn't. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    if (typeof parent === "object" && parent !== null && "items" in parent) {
      for (const item of parent.items as { key?: unknown }[]) {
        if (isNode(item.key) && String(item.key) === String(key)) return item.key.range?.[0];
      }
    }
    const value = document.getIn(path.slice(0, depth), true);
    if (isNode(value)) return value.range?.[0];
  }
  return undefined;
}

/** `ESC_STORAGE_PATH` for storage.path. */
function variableName(path: readonly string[]): string {
  return `ESC_${path.join("_").toUpperCase()}`;
}

/** Puts the variables' values into the raw configuration; returns which key each came from. */
function applyEnvironment(raw: Record<string, unknown>, env: LoadConfigOptions["env"]): Map<string, string> {
  const byName = new Map(leafPaths().map((path) => [variableName(path), path]));
  const used = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("ESC_") || value === undefined || OTHER_VARIABLES.has(name)) continue;
    const path = byName.get(name);
    if (path === undefined) {
      problems.push({
        where: name,
        what: `this environment variable stands for no key.${didYouMean(name, [...byName.keys()])}`,
      });
      continue;
    }
    let at = raw;
    for (const key of path.slice(0, -1)) {
      const child = at[key];
      if (typeof child !== "object" || child === null || Array.isArray(child)) at[key] = {};
      at = at[key] as Record<string, unknown>;
    }
    at[path.at(-1) as string] = variableValue(path, value);
    used.set(path.join("."), name);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return used;
}

function variableValue(path: readonly string[], value: string): unknown {
  if (path[0] === "handlers")
    return value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  try {
    // Numbers and flags as YAML writes them; a path or a host stays what it is.
    const scalar: unknown = parse(value);
    return typeof scalar === "number" || typeof scalar === "boolean" ? scalar : value;
  } catch {
    return value;
  }
}

function problemsOf(
  issue: z.core.$ZodIssue,
  raw: Record<string, unknown>,
  source: YamlSource | undefined,
  fromEnv: ReadonlyMap<string, string>,
): ConfigProblem[] {
  const where = (path: readonly PropertyKey[]) => fromEnv.get(path.join(".")) ?? source?.place(path) ?? "defaults";
  if (issue.code === "unrecognized_keys") {
    const known = leafPaths()
      .filter((path) => issue.path.every((key, index) => path[index] === key))
      .map((path) => path[issue.path.length] as string);
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return { where: where(path), key: path.join("."), what: `unknown key.${didYouMean(key, [...new Set(known)])}` };
    });
  }
  const found = issue.path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    raw,
  );
  const expected =
    issue.code === "invalid_type" && issue.expected === "object" ? "keys and values (a map)" : issue.message;
  return [
    {
      where: where(issue.path),
      key: issue.path.join("."),
      what: `expected ${expected}, found ${JSON.stringify(found)}`,
    },
  ];
}

/** What holds between keys. */
function checkTogether(config: Config, source: YamlSource | undefined, fromEnv: ReadonlyMap<string, string>): void {
  const { router, dead_letters, ingestion } = config;
  const problems: ConfigProblem[] = [];
  for (const [key, size] of [
    ["router.buffer_size", router.buffer_size],
    ["dead_letters.buffer_size", dead_letters.buffer_size],
  ] as const) {
    const most = (size * BYTES_PER_EVENT) / 4 - 8_192;
    if (ingestion.max_frame_bytes > most) {
      problems.push({
        where: fromEnv.get(key) ?? source?.place(key.split(".")) ?? "defaults",
        key,
        what: `a ring of ${size} × ${BYTES_PER_EVENT} bytes takes frames of up to ${most} bytes, but ingestion.max_frame_bytes is ${ingestion.max_frame_bytes}: enlarge the one or lower the other`,
      });
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function stands(raw: Record<string, unknown>, key: string): boolean {
  return (
    key.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], raw) !==
    undefined
  );
}

function warningsOf({ router, numa }: Config): string[] {
  const warnings: string[] = [];
  if (router.shards > 1) warnings.push(`router.shards is ${router.shards}, but this version runs one shard per lane`);
  if (numa.enable) warnings.push("numa.enable is true, but this version places no threads");
  return warnings;
}
