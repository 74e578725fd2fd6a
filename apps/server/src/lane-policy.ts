/** What the configuration says of topics, as processors take it. */
import { type LaneName, TopicPattern } from "@esc/events";
import { NO_RETRY, type TopicPolicy, type TopicRule } from "@esc/processors";
import type { Config } from "./config/schema.ts";

/** Rules of `processing.topics`. */
export function topicRules(config: Config): TopicRule[] {
  return config.processing.topics.map((rule) => ({
    pattern: new TopicPattern(rule.topic),
    retry: {
      ...(rule.attempts !== undefined && { attempts: rule.attempts }),
      ...(rule.retry_delay_ms !== undefined && { delayMs: rule.retry_delay_ms }),
    },
    slaMs: rule.sla_ms,
    delayMs: rule.delay_ms,
  }));
}

/** What holds for topics that no rule is about. Only the transactional lane tries again unless it is told to. */
export function lanePolicy(config: Config, lane: LaneName): TopicPolicy {
  const { retry, sla_ms: slaMs } = config.processing;
  const { attempts, delay_ms: delayMs, factor, max_delay_ms: maxDelayMs, jitter } = retry;
  const policy = { attempts, delayMs, factor, maxDelayMs, jitter };
  return { retry: lane === "transactional" ? policy : { ...policy, attempts: NO_RETRY.attempts }, slaMs, delayMs: 0 };
}
