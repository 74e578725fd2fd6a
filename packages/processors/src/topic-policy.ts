/** What a topic's events may take and how they are delivered, where it differs from the rest: by pattern, first match wins. */
import type { TopicPattern } from "@esc/events";
import { type RetryPolicy, retryPolicy } from "./retry/retry-policy.ts";

/** A rule of the configuration. */
export interface TopicRule {
  readonly pattern: TopicPattern;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Milliseconds from reception to the end of handling, for the realtime lane. */
  readonly slaMs?: number | undefined;
  /** Handlers get the event so long after it was received, ms. */
  readonly delayMs?: number | undefined;
}

/** What holds for one topic. */
export interface TopicPolicy {
  readonly retry: RetryPolicy;
  readonly slaMs: number;
  readonly delayMs: number;
}

/**
 * What holds for a topic: the first rule that matches, over what its handlers say, over what holds for all.
 * @param said of the topic's handlers, the first one wins.
 */
export function policyOf(
  topic: string,
  rules: readonly TopicRule[],
  said: readonly Partial<RetryPolicy>[],
  all: TopicPolicy,
): TopicPolicy {
  const rule = rules.find(({ pattern }) => pattern.matches(topic));
  const base = said.reduceRight<RetryPolicy>((policy, one) => retryPolicy(one, policy), all.retry);
  return {
    retry: retryPolicy(rule?.retry ?? {}, base),
    slaMs: rule?.slaMs ?? all.slaMs,
    delayMs: rule?.delayMs ?? all.delayMs,
  };
}
