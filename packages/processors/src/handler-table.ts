/** Which handlers an event's topic has. Worked out once per topic and kept by the hash that stands in the record. */
import type { LaneName } from "@esc/events";
import type { RecordView } from "@esc/storage";
import type { Handler, HandlerDefinition } from "./handler.ts";

/** A topic and what handles it. */
export interface TopicHandlers {
  readonly topic: string;
  readonly handlers: readonly HandlerDefinition["handle"][];
}

interface Known extends TopicHandlers {
  readonly bytes: Uint8Array;
}

/** Topics remembered; then the table begins anew. */
const MAX_TOPICS = 16_384;

export class HandlerTable {
  readonly #handlers: readonly Handler[];
  readonly #known = new Map<number, Known>();

  /** @param handlers of all lanes; those of other lanes are left out. */
  constructor(handlers: readonly Handler[], lane: LaneName) {
    this.#handlers = handlers.filter((handler) => handler.lane === undefined || handler.lane === lane);
  }

  /** Whether no event of the lane has a handler: then nobody needs to look at them one by one. */
  get empty(): boolean {
    return this.#handlers.length === 0;
  }

  /** The handlers of the record that the view stands on. */
  find(view: RecordView): TopicHandlers {
    const known = this.#known.get(view.topicHash);
    if (known !== undefined && view.hasTopic(known.bytes)) return known;
    return this.#learn(view);
  }

  #learn(view: RecordView): TopicHandlers {
    const { topic } = view;
    const handlers = this.#handlers
      .filter((handler) => handler.patterns.some((pattern) => pattern.matches(topic)))
      .map((handler) => handler.handle);
    const learned = { topic, handlers, bytes: Uint8Array.from(view.topicBytes) };
    if (this.#known.size >= MAX_TOPICS) this.#known.clear();
    this.#known.set(view.topicHash, learned);
    return learned;
  }
}
