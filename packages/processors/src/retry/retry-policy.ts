/** When a failed event is tried again: exponential backoff with jitter. Pure: chance comes in as a function. */
import { EscError } from "@esc/events";

export interface RetryPolicy {
  /** Times that an event is handled at most, the first included: 1 to 1,000. 1 is no retry. */
  readonly attempts: number;
  /** Wait before the second attempt, ms. */
  readonly delayMs: number;
  /** Each further wait is this many times longer, 1 to 100. */
  readonly factor: number;
  /** No wait is longer, ms. */
  readonly maxDelayMs: number;
  /**
   * Share of a wait that is left to chance, 0 to 1. Many events that failed together (a database that was away) come back
   * spread over it instead of all at once.
   */
  readonly jitter: number;
}

/** One attempt. */
export const NO_RETRY: RetryPolicy = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };

/**
 * Wait before the next attempt, in ms.
 * @param failed attempts that have failed, 1 or more.
 * @param random from 0 to 1.
 */
export function retryDelayMs(policy: RetryPolicy, failed: number, random: () => number): number {
  // The power may overflow to Infinity: cut, since no number of attempts is too many and 0 times Infinity is no wait.
  const growth = Math.min(policy.factor ** (failed - 1), Number.MAX_VALUE);
  const full = Math.min(policy.maxDelayMs, policy.delayMs * growth);
  return full * (1 - policy.jitter * random());
}

const RANGES: Readonly<Record<keyof RetryPolicy, readonly [least: number, most: number]>> = {
  attempts: [1, 1_000],
  delayMs: [0, 86_400_000],
  factor: [1, 100],
  maxDelayMs: [0, 86_400_000],
  jitter: [0, 1],
};

/**
 * A policy with what is given put over what it is unless given.
 * @param where what messages name.
 * @throws EscError `ESC_RETRY_POLICY` naming the field and its range.
 */
export function retryPolicy(given: Partial<RetryPolicy>, base: RetryPolicy, where = "retry"): RetryPolicy {
  const policy = { ...base, ...given };
  for (const [name, value] of Object.entries(policy)) {
    const range = RANGES[name as keyof RetryPolicy];
    if (range === undefined) {
      throw new EscError(
        "ESC_RETRY_POLICY",
        `${where}: there is no \`${name}\`. There is ${Object.keys(RANGES).join(", ")}.`,
      );
    }
    const [least, most] = range;
    const whole = name !== "attempts" || Number.isInteger(value);
    if (typeof value !== "number" || !(value >= least && value <= most) || !whole) {
      throw new EscError(
        "ESC_RETRY_POLICY",
        `${where}: \`${name}\` takes a ${name === "attempts" ? "whole " : ""}number from ${least} to ${most}, not ${String(value)}.`,
      );
    }
  }
  return policy;
}
