/** A command line that can't be used: shown without a stack, exit code 2. */
import { EscError } from "@esc/events";

/** Exit codes of `esc`. */
export const ExitCode = { ok: 0, failed: 1, usage: 2, incomplete: 3 } as const;

export class UsageError extends EscError {
  constructor(message: string) {
    super("ESC_USAGE", message);
  }
}

/** A whole number from the command line. @throws UsageError naming the option. */
export function wholeNumber(option: string, value: unknown, least: number, most: number): number {
  const number = typeof value === "boolean" ? Number.NaN : Number(value);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new UsageError(`${option} takes a whole number from ${least} to ${most}, not ${JSON.stringify(value)}.`);
}
