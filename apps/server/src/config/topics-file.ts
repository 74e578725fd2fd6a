/** `topics.conf`: which priority a topic has, whatever its frames say. A line each: `topic:PRIORITY`; `#` comments. */
import { readFileSync } from "node:fs";
import type { TopicOverride } from "@esc/dispatcher";
import { PRIORITY_NAMES, Priority, type PriorityName, patternProblem } from "@esc/events";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { didYouMean } from "./nearest.ts";
import { firstLineNotUtf8 } from "./utf8-lines.ts";

/** Read when `router.topics_file` names none, relative to where the server is started; it may be missing. */
export const DEFAULT_TOPICS_FILE = "config/topics.conf";

/** A topic with a priority behind it, and something behind that: `a:HIGH b`, as of `a:HIGH b:LOW`. */
const TWO_RULES = new RegExp(`:\\s*(${PRIORITY_NAMES.join("|")})[\\s,;]`, "i");
const MAX_LINES = 10_000;
const MAX_BYTES = 1_048_576;

/**
 * Parses the file's text.
 * @param file its name, for messages.
 * @throws ConfigError `ESC_CONFIG_INVALID` naming every line that is wrong.
 */
export function parseTopics(text: string, file: string): TopicOverride[] {
  // Some editors put a byte order mark first.
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  if (lines.length > MAX_LINES || Buffer.byteLength(text) > MAX_BYTES) {
    throw new ConfigError([{ where: file, what: `takes at most ${MAX_LINES} lines and ${MAX_BYTES} bytes` }]);
  }
  const problems: ConfigProblem[] = [];
  const seen = new Map<string, { priority: Priority; line: number }>();
  for (const [index, content] of lines.entries()) {
    const where = `${file}:${index + 1}`;
    const rule = content.replace(/#.*$/, "").trim();
    if (rule === "") continue;
    // The last colon: a topic may have some of its own.
    const colon = rule.lastIndexOf(":");
    if (colon < 1) {
      problems.push({ where, what: `expected topic:PRIORITY, found "${rule}"` });
      continue;
    }
    const pattern = rule.slice(0, colon).trim();
    const name = rule
      .slice(colon + 1)
      .trim()
      .toUpperCase();
    const problem = TWO_RULES.test(pattern) ? "each rule takes a line of its own" : patternProblem(pattern);
    if (problem !== undefined) problems.push({ where, what: `topic "${pattern}": ${problem}` });
    if (!(name in Priority)) {
      problems.push({ where, what: `"${name}" is no priority.${didYouMean(name, PRIORITY_NAMES)}` });
    }
    if (problem !== undefined || !(name in Priority)) continue;
    const priority = Priority[name as PriorityName];
    const before = seen.get(pattern);
    if (before !== undefined && before.priority !== priority) {
      problems.push({ where, what: `topic "${pattern}" has another priority on line ${before.line} already` });
    }
    seen.set(pattern, { priority, line: index + 1 });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return [...seen].map(([pattern, { priority }]) => ({ pattern, priority }));
}

/**
 * Reads the file.
 * @param required whether somebody asked for it by name; the default one may be missing.
 * @throws ConfigError as {@link parseTopics}, and when a required file can't be read.
 */
export function readTopics(file: string, required: boolean): TopicOverride[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !required) return [];
    throw new ConfigError([
      {
        where: file,
        key: "router.topics_file",
        what: code === "ENOENT" ? "there is no such file" : `can't be read (${code})`,
      },
    ]);
  }
  const line = firstLineNotUtf8(bytes);
  if (line !== undefined) throw new ConfigError([{ where: `${file}:${line}`, what: "has bytes that aren't UTF-8" }]);
  return parseTopics(bytes.toString("utf8"), file);
}
