/** Priorities of `topics.conf` for events that don't come through ingest, whose kernel has a table of its own. */
import type { TopicOverride } from "@esc/dispatcher";
import { PRIORITY_NAMES, type PriorityName, TopicPattern } from "@esc/events";

/** Topics remembered; then it begins anew. */
const MAX_TOPICS = 16_384;

/** What overrides a topic's priority: an exact topic wins over any pattern, then the earlier rule over the later. */
export function priorityOverrides(overrides: readonly TopicOverride[]): (topic: string) => PriorityName | undefined {
  const rules = overrides.map(({ pattern, priority }) => ({ pattern: new TopicPattern(pattern), priority }));
  rules.sort((a, b) => Number(a.pattern.wildcard) - Number(b.pattern.wildcard));
  const known = new Map<string, PriorityName | undefined>();
  return (topic) => {
    if (known.has(topic)) return known.get(topic);
    const rule = rules.find(({ pattern }) => pattern.matches(topic));
    if (known.size >= MAX_TOPICS) known.clear();
    const name = rule === undefined ? undefined : PRIORITY_NAMES[rule.priority];
    known.set(topic, name);
    return name;
  };
}
