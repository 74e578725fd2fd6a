/** A configuration that can't be used: everything that is wrong with it, each with its place. */
import { EscError } from "@esc/events";

/** One thing that is wrong. */
export interface ConfigProblem {
  /** `file:line:column`, a file alone, or the name of an environment variable. */
  readonly where: string;
  /** The key's path, where the problem has one. */
  readonly key?: string;
  /** What was expected, what was found, and what may have been meant. */
  readonly what: string;
}

export class ConfigError extends EscError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ where, key, what }) => `  ${where}${key === undefined ? "" : ` ${key}`}: ${what}`);
    super("ESC_CONFIG_INVALID", `The configuration can't be used:\n${lines.join("\n")}`);
    this.problems = problems;
  }
}
