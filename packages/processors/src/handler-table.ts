/** What a topic's events come to: handlers, windows, policy. Worked out once per topic and kept by the hash in the record. */
import type { LaneName } from "@esc/events";
import type { RecordView } from "@esc/storage";
import type { TopicSla } from "./alerts/sla-monitor.ts";
import type { BuiltIn } from "./bulk/built-in.ts";
import type { Handler } from "./handler.ts";
import type { Definitions } from "./handler-module.ts";
import { NO_RETRY, type RetryPolicy } from "./retry/retry-policy.ts";
import { policyOf, type TopicPolicy, type TopicRule } from "./topic-policy.ts";
import type { Window } from "./windows/window-definition.ts";

/** A topic, and what there is to do with its events. */
export interface TopicPlan {
  readonly topic: string;
  readonly handlers: readonly Handler[];
  /** The windows that its events go into, by their number in {@link HandlerTable.windows}. */
  readonly windows: readonly number[];
  readonly retry: RetryPolicy;
  readonly delayMs: number;
  /** Where the lane has service levels. */
  readonly sla: TopicSla | undefined;
  /** Whether one of the handlers returns promises: then the event is copied, for it outlives its place in the ring. */
  readonly isAsync: boolean;
  /** Whether there is nothing but synchronous handlers to call, at once. */
  readonly isPlain: boolean;
  /** The built-ins that look at its events, a bit each, by their number in {@link HandlerTable.builtIns}. */
  readonly builtIns: number;
}

export interface HandlerTableOptions {
  readonly rules?: readonly TopicRule[];
  /** What holds where nothing else is said. */
  readonly policy?: TopicPolicy;
  /** Whether the lane has service levels. */
  readonly watchesSla?: boolean;
}

interface Known extends TopicPlan {
  readonly hash: number;
  readonly bytes: Uint8Array;
}

/** Topics remembered; then the table begins anew. */
const MAX_TOPICS = 16_384;
const PLAIN: TopicPolicy = { retry: NO_RETRY, slaMs: 5, delayMs: 0 };

export class HandlerTable {
  /** The lane's windows. */
  readonly windows: readonly Window[];
  /** The lane's handlers that take batches. */
  readonly batchHandlers: readonly Handler[];
  /** The lane's built-ins. */
  readonly builtIns: readonly BuiltIn[];
  readonly #handlers: readonly Handler[];
  readonly #options: HandlerTableOptions;
  readonly #known = new Map<number, Known>();
  /** The last one found: events of a topic often come together, and a look-up boxes the hash. */
  #last: Known | undefined;
  #leastSlaMs = Number.POSITIVE_INFINITY;

  /** @param definitions of all lanes; those of other lanes are left out. */
  constructor({ handlers, windows, builtIns }: Definitions, lane: LaneName, options: HandlerTableOptions = {}) {
    this.#handlers = handlers.filter((handler) => handler.lane === undefined || handler.lane === lane);
    this.batchHandlers = this.#handlers.filter(({ batch }) => batch !== undefined);
    this.builtIns = builtIns.filter((builtIn) => builtIn.lane === undefined || builtIn.lane === lane);
    this.windows = windows.filter((window) => window.lane === lane);
    this.#options = options;
  }

  /** Whether no handler or window is for any event of the lane: then nobody needs to look at them one by one. */
  get empty(): boolean {
    return this.#handlers.length === 0 && this.windows.length === 0;
  }

  /** The shortest service level of the topics that were asked for; Infinity without any. */
  get leastSlaMs(): number {
    return this.#leastSlaMs;
  }

  /** The plan of the record that the view stands on. */
  find(view: RecordView): TopicPlan {
    const hash = view.topicHash;
    const last = this.#last;
    if (last !== undefined && last.hash === hash && view.hasTopic(last.bytes)) return last;
    const known = this.#known.get(hash);
    this.#last = known !== undefined && view.hasTopic(known.bytes) ? known : this.#learn(view);
    return this.#last;
  }

  /** A handler turned out to return promises: plans that name it are made anew. */
  forget(): void {
    this.#known.clear();
    this.#last = undefined;
  }

  #learn(view: RecordView): Known {
    const { topic } = view;
    const { rules = [], policy = PLAIN, watchesSla = false } = this.#options;
    const matches = ({ patterns }: Pick<Handler, "patterns">) => patterns.some((pattern) => pattern.matches(topic));
    const handlers = this.#handlers.filter(matches);
    const { retry, slaMs, delayMs } = policyOf(
      topic,
      rules,
      handlers.map((handler) => handler.retry),
      policy,
    );
    const windows = this.windows.flatMap((window, index) => (matches(window) ? [index] : []));
    const sla = { slaMs, breaches: 0, worstMs: 0, alertedMs: Number.NEGATIVE_INFINITY, topic };
    const isAsync = handlers.some((handler) => handler.isAsync);
    const builtIns = this.builtIns.reduce((bits, builtIn, index) => (matches(builtIn) ? bits | (1 << index) : bits), 0);
    const learned: Known = {
      hash: view.topicHash,
      ...{ topic, handlers, windows, retry, delayMs },
      sla: watchesSla && handlers.length > 0 ? sla : undefined,
      isAsync,
      builtIns,
      isPlain: !isAsync && handlers.length > 0 && windows.length === 0 && delayMs === 0,
      bytes: Uint8Array.from(view.topicBytes),
    };
    if (learned.sla !== undefined) this.#leastSlaMs = Math.min(this.#leastSlaMs, slaMs);
    if (this.#known.size >= MAX_TOPICS) this.#known.clear();
    this.#known.set(view.topicHash, learned);
    return learned;
  }
}
