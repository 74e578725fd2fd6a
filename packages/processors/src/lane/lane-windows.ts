/** A lane's windows: events in, results to their handlers. */
import { crc32 } from "node:zlib";
import { EscError } from "@esc/events";
import type { CounterBlock } from "@esc/metrics";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { HandlerContext } from "../handler.ts";
import type { TopicPlan } from "../handler-table.ts";
import { Fifo } from "../retry/fifo.ts";
import type { RetryPolicy } from "../retry/retry-policy.ts";
import type { PastLayouts } from "../shards/past-layouts.ts";
import type { Window, WindowResult } from "../windows/window-definition.ts";
import { WindowSet, type WindowSetState } from "../windows/window-set.ts";
import type { ProcessorCounter } from "./counters.ts";
import type { HandledEvent } from "./handled-event.ts";
import { HeldWork, type Outcome } from "./held-work.ts";

export interface LaneWindowsOptions {
  readonly windows: readonly Window[];
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly deadLetters: DeadLetters;
  readonly context: HandlerContext;
  readonly retry: RetryPolicy;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Results that wait for their handler before the lane takes no more events. */
const MAX_CLOSED = 64;
const MAX_KEY_CHARS = 1_024;

export class LaneWindows {
  readonly #options: LaneWindowsOptions;
  readonly #sets: readonly WindowSet[];
  readonly #closed = new Fifo<HeldWindow>();
  /** Results that their handlers aren't done with, those in {@link #closed} included. */
  readonly #open = new Set<HeldWindow>();
  /** Windows hold the events below this sequence. */
  #next = 0;
  /** And those that windows of shards before held. */
  past: PastLayouts | undefined;

  constructor(options: LaneWindowsOptions) {
    this.#options = options;
    this.#sets = options.windows.map(
      (window) => new WindowSet(window.definition, (result) => this.#onClose(window, result)),
    );
  }

  /** Definitions. */
  get count(): number {
    return this.#sets.length;
  }

  /** Windows open now. */
  get open(): number {
    return this.#sets.reduce((sum, set) => sum + set.open, 0);
  }

  /** Whether results wait in such a number that the lane should take no more events. */
  get full(): boolean {
    return this.#closed.length >= MAX_CLOSED;
  }

  /** Whether {@link takeClosed} has one. */
  get hasClosed(): boolean {
    return this.#closed.length > 0;
  }

  /** Whether nothing is open and no result waits. */
  get idle(): boolean {
    return this.#open.size === 0 && this.open === 0;
  }

  /** When time alone may close something, ms since the epoch. */
  get nextAdvanceMs(): number {
    return this.#sets.reduce((least, set) => Math.min(least, set.nextAdvanceMs), Number.POSITIVE_INFINITY);
  }

  /**
   * Puts an event into its windows. One that they hold already, as a checkpoint said, is left out.
   * @throws what `key`, `value` or `time` of a definition throws, EscError `ESC_WINDOW_VALUE` for a number that is none.
   */
  add(view: HandledEvent, plan: TopicPlan, sequence: number, delayed: boolean): void {
    if (!delayed && (sequence < this.#next || this.past?.inWindows(view.topicHash, sequence))) return;
    const nowMs = this.#options.clock();
    for (const index of plan.windows) {
      const { definition } = this.#options.windows[index] as Window;
      const key = definition.key === undefined ? plan.topic : keyOf(definition.key(view));
      const timeMs = definition.time === undefined ? view.timeMs : Math.floor(finite(definition.time(view), "time"));
      const value = definition.value === undefined ? 0 : finite(definition.value(view), "value");
      if ((this.#sets[index] as WindowSet).add(key, timeMs, value, sequence, nowMs) === "in") continue;
      this.#options.counters.add("windows.late");
      definition.handleLate?.(view, this.#options.context);
    }
  }

  /** Time goes on; nothing is waiting in the lane. */
  advance(): void {
    const nowMs = this.#options.clock();
    for (const set of this.#sets) set.advance(nowMs);
  }

  /** Closes all that is open: the server stops. */
  flush(): void {
    for (const set of this.#sets) set.flush();
  }

  /** The next result whose handler is to be called. */
  takeClosed(): HeldWindow | undefined {
    return this.#closed.shift();
  }

  /** For a checkpoint. */
  state(): { windows: Record<string, WindowSetState>; closed: WindowResult[] } {
    const windows: Record<string, WindowSetState> = {};
    for (const [index, { definition }] of this.#options.windows.entries()) {
      const set = this.#sets[index] as WindowSet;
      // One that is empty still knows what time it is: without it, late events would open windows again.
      windows[definition.name] = set.state();
    }
    return { windows, closed: [...this.#open].map(({ result }) => result) };
  }

  /** Goes on from a checkpoint. @returns names of windows that no definition is left for. */
  restore(windows: Readonly<Record<string, WindowSetState>>, closed: readonly WindowResult[], next: number): string[] {
    this.#next = next;
    const gone = new Set<string>();
    const index = (name: string) => this.#options.windows.findIndex(({ definition }) => definition.name === name);
    for (const [name, state] of Object.entries(windows)) {
      const set = this.#sets[index(name)];
      if (set === undefined) gone.add(name);
      else set.restore(state, this.#options.clock());
    }
    for (const result of closed) {
      const window = this.#options.windows[index(result.window)];
      if (window === undefined) gone.add(result.window);
      else this.#onClose(window, result);
    }
    return [...gone];
  }

  #onClose(window: Window, result: WindowResult): void {
    const { counters, deadLetters, retry } = this.#options;
    counters.add("windows.closed");
    if (result.closedBy === "memory") counters.add("windows.early");
    const held = new HeldWindow(window, result, retry, deadLetters, (outcome) => {
      this.#open.delete(held);
      if (outcome === "deadLettered") counters.add("windows.failed");
    });
    this.#open.add(held);
    this.#closed.push(held);
  }
}

/** A closed window whose handler is to be called. */
export class HeldWindow extends HeldWork {
  override readonly retry: RetryPolicy;
  override readonly bytes = 1_024;
  override readonly calls = 1;
  readonly result: WindowResult;
  readonly #window: Window;
  readonly #deadLetters: DeadLetters;
  readonly #onEnd: (outcome: Outcome) => void;

  constructor(
    window: Window,
    result: WindowResult,
    retry: RetryPolicy,
    deadLetters: DeadLetters,
    onEnd: (outcome: Outcome) => void,
  ) {
    super();
    this.#window = window;
    this.result = result;
    this.retry = retry;
    this.#deadLetters = deadLetters;
    this.#onEnd = onEnd;
  }

  /** Results of one definition are handled in order. */
  get keys(): readonly string[] {
    return [`window ${this.result.window}`];
  }

  override get mark(): number {
    return -1 - crc32(this.result.id);
  }

  override get origin(): string {
    return `window:${this.result.id}:${this.result.lastSequence}`;
  }

  override call(_index: number, context: HandlerContext): void | Promise<void> {
    return this.#window.definition.handle(this.result, context);
  }

  override bury(): boolean {
    const { error, attempt: attempts, firstFailureMs: firstAtMs, result } = this;
    const failure = { reason: "window_failed", error, attempts, firstAtMs } as const;
    return this.#deadLetters.writeWindow(result.window, JSON.stringify(result), result.lastSequence, failure);
  }

  override finish(outcome: Outcome): void {
    this.#onEnd(outcome);
  }
}

/** A key stands in a result, which must fit into a record. */
function keyOf(value: unknown): string {
  const key = String(value);
  if (key.length <= MAX_KEY_CHARS) return key;
  throw new EscError("ESC_WINDOW_VALUE", `a window's \`key\` takes ${MAX_KEY_CHARS} characters, not ${key.length}.`);
}

function finite(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new EscError("ESC_WINDOW_VALUE", `a window's \`${what}\` gave ${String(value)} and not a number.`);
}
