/** Whether events' topics match a pattern, without making a string of each: what was found for a topic is remembered. */
import type { TopicPattern } from "@esc/events";
import type { RecordView } from "./record-view.ts";

/** Topics remembered at most; others are worked out each time. */
const MAX_TOPICS = 4_096;

export class TopicFilter {
  readonly #pattern: TopicPattern;
  /** By hash. Two topics of one hash are told apart by their bytes; the second of them is never remembered. */
  readonly #known = new Map<number, { readonly topic: Uint8Array; readonly matches: boolean }>();

  constructor(pattern: TopicPattern) {
    this.#pattern = pattern;
  }

  matches(view: RecordView): boolean {
    const hash = view.topicHash;
    const known = this.#known.get(hash);
    if (known !== undefined && view.hasTopic(known.topic)) return known.matches;
    const matches = this.#pattern.matches(view.topic);
    if (known === undefined && this.#known.size < MAX_TOPICS) {
      this.#known.set(hash, { topic: Uint8Array.from(view.topicBytes), matches });
    }
    return matches;
  }
}
