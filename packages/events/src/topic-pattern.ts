/** Topic patterns: `*` stands for exactly one level, `>` at the end for one or more; levels are split by `.` or `/`. */
import { EscError } from "./esc-error.ts";

/** The longest topic, in bytes of UTF-8: its length is a u16. */
export const MAX_TOPIC_BYTES = 65_535;

/**
 * A checked pattern. Matching a topic costs time in the topic's length and never backtracks.
 *
 * @example new TopicPattern("order.*").matches("order.created") // true
 */
export class TopicPattern {
  readonly text: string;
  readonly #regexp: RegExp;

  /** @throws EscError `ESC_TOPIC_PATTERN` when the text is empty, too long, or a wildcard shares its level with letters. */
  constructor(text: string) {
    const problem = patternProblem(text);
    if (problem !== undefined) throw new EscError("ESC_TOPIC_PATTERN", `Topic pattern "${text}": ${problem}.`);
    this.text = text;
    this.#regexp = toRegExp(text);
  }

  /** Whether the pattern has a wildcard; one without matches only itself. */
  get wildcard(): boolean {
    return this.text.split(/[./]/).some((level) => level === "*" || level === ">");
  }

  matches(topic: string): boolean {
    return this.#regexp.test(topic);
  }
}

/** Whether `topic` matches `pattern`; for a pattern that is used more than once keep a {@link TopicPattern}. */
export function matchTopic(pattern: string, topic: string): boolean {
  return new TopicPattern(pattern).matches(topic);
}

/** What is wrong with a pattern, for a person; undefined when nothing is. */
export function patternProblem(text: string): string | undefined {
  if (text.length === 0) return "a pattern can't be empty";
  if (Buffer.byteLength(text) > MAX_TOPIC_BYTES) return `a pattern takes at most ${MAX_TOPIC_BYTES} bytes`;
  const levels = text.split(/[./]/);
  for (const [index, level] of levels.entries()) {
    if (level.length > 1 && /[*>]/.test(level))
      return "a wildcard stands alone in its level (order.* and not order.x*)";
    if (level === ">" && index !== levels.length - 1)
      return "`>` stands for the rest, so it can only be the last level";
  }
  return undefined;
}

function toRegExp(text: string): RegExp {
  const source = text
    .split(/([./])/)
    .map((part) => {
      if (part === "*") return "[^./]+";
      if (part === ">") return "[^]+";
      return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`);
}
