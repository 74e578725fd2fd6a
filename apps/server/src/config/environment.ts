/** Configuration by environment variables: `ESC_` and the key's path in capitals, `ESC_STORAGE_PATH` for storage.path. */
import { parse } from "yaml";
import type { ConfigProblem } from "./config-error.ts";
import { didYouMean } from "./nearest.ts";
import { leafPaths, leafSchema } from "./schema.ts";

const PREFIX = "ESC_";
/** Variables with our prefix that are no keys: the file to read. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(["ESC_CONFIG"]);

/**
 * What Kubernetes puts into a pod's environment for a Service named `esc`, or `esc-…`: its address, in names that look like
 * ours. Nobody asked for them, so they are no mistake.
 */
const SERVICE_LINK =
  /^ESC_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
/** `ESC_HTTP_PORT` is such a name and a key's as well: here the value tells which one it is. */
const SERVICE_LINK_VALUE = /^(tcp|udp|sctp):\/\//;

export interface AppliedEnvironment {
  /** Variables that stand for no key. */
  readonly problems: ConfigProblem[];
  /** By key: the variable that set it. */
  readonly used: ReadonlyMap<string, string>;
  /** Variables of a Kubernetes Service, which were passed over. */
  readonly serviceLinks: readonly string[];
}

/** The variable of a key. */
export function variableName(path: readonly string[]): string {
  return `${PREFIX}${path.join("_").toUpperCase()}`;
}

/** Puts the variables' values into the raw configuration, over what the file says. */
export function applyEnvironment(
  raw: Record<string, unknown>,
  env: Readonly<Record<string, string | undefined>>,
): AppliedEnvironment {
  const byName = new Map(leafPaths().map((path) => [variableName(path), path]));
  const used = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  const serviceLinks: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || value === undefined || OTHER_VARIABLES.has(name)) continue;
    const path = byName.get(name);
    if (SERVICE_LINK.test(name) && (path === undefined || SERVICE_LINK_VALUE.test(value))) {
      serviceLinks.push(name);
    } else if (path === undefined) {
      const what = `this environment variable stands for no key.${didYouMean(name, [...byName.keys()])}`;
      problems.push({ where: name, what });
    } else if (put(raw, path, fromText(path, value))) used.set(path.join("."), name);
  }
  return { problems, used, serviceLinks };
}

/** @returns false when a section holds something else than keys: that is the file's mistake, and is told as such. */
function put(raw: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let section = raw;
  for (const key of path.slice(0, -1)) {
    section[key] ??= {};
    const next = section[key];
    if (typeof next !== "object" || next === null || Array.isArray(next)) return false;
    section = next as Record<string, unknown>;
  }
  section[path.at(-1) as string] = value;
  return true;
}

function fromText(path: readonly string[], text: string): unknown {
  if (path[0] === "handlers") {
    return text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  }
  if (["processing.topics", "builtins"].includes(path.join("."))) return fromYaml(text);
  // Where a text will do it is one: a folder named 2026 is no number.
  if (leafSchema(path)?.safeParse(text).success) return text;
  const scalar = fromYaml(text);
  return typeof scalar === "number" || typeof scalar === "boolean" ? scalar : text;
}

/** What the text is as YAML; the text itself where it is none. */
function fromYaml(text: string): unknown {
  try {
    return parse(text, { logLevel: "silent" });
  } catch {
    return text;
  }
}
