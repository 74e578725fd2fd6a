/**
 * A lane's processor: drains the lane in order, runs handlers, keeps the durable cursor. One per lane, on a thread of
 * its own, so that a slow handler holds back its own lane only.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { LaneName } from "@esc/events";
import type { CounterBlock } from "@esc/metrics";
import type { Parker, RecordRing, RingConsumer } from "@esc/queues";
import { type CursorFile, LogReader, RecordView } from "@esc/storage";
import type { DeadLetterReason, DeadLetters } from "./dead-letters.ts";
import type { HandlerContext, HandlerDefinition } from "./handler.ts";
import type { HandlerTable } from "./handler-table.ts";

/** What a processor counts. */
export const PROCESSOR_COUNTERS = ["processed", "deadLettered", "dropped.overflow", "replayed"] as const;
export type ProcessorCounter = (typeof PROCESSOR_COUNTERS)[number];

export interface LaneProcessorOptions {
  readonly lane: LaneName;
  readonly ring: RecordRing;
  /** The arena's bytes: what the ring's runs are offsets into. */
  readonly arenaBytes: Uint8Array;
  readonly parker: Parker;
  readonly handlers: HandlerTable;
  readonly context: HandlerContext;
  readonly deadLetters: DeadLetters;
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly cursor: CursorFile;
  /** Handle an event only once it is durable. */
  readonly onlyDurable: boolean;
  /** Give up the oldest when producers ask: they become dead letters. */
  readonly skipOldest: boolean;
  /** A handler's promise that takes longer makes the event a dead letter. */
  readonly handlerTimeoutMs: number;
}

/** What there is to catch up with after a restart. */
export interface Backlog {
  /** The lane's log. */
  readonly dir: string;
  /** First sequence that may not have been processed. */
  readonly from: number;
  /** First sequence that comes through the ring. */
  readonly to: number;
}

/** Whether the loop should go on, finish what is in the ring, or end where it is. */
export type ProcessorMode = "run" | "drain" | "stop";

/** Thrown to leave an event that has nowhere to go at a stop: not counted, handled again after the next start. */
class Stopped extends Error {}

const RUN_BYTES = 1 << 20;
const RELEASE_RECORDS = 64;
const CURSOR_MS = 500;
const TURN_MS = 8;
const IDLE_MS = 1_000;

export class LaneProcessor {
  readonly #options: LaneProcessorOptions;
  readonly #consumer: RingConsumer;
  readonly #view: RecordView;
  #mode: () => ProcessorMode = () => "run";
  #nextSequence: number;
  #savedSequence: number;
  #savedAt = 0;

  constructor(options: LaneProcessorOptions) {
    this.#options = options;
    this.#consumer = options.ring.consumer();
    this.#view = new RecordView(options.arenaBytes);
    this.#nextSequence = options.ring.publishedSequence;
    this.#savedSequence = this.#nextSequence;
    if (options.onlyDurable) options.ring.wakeOnDurable(options.parker);
    else options.ring.wakeOnPublish(options.parker);
  }

  /** The consumer's slot in the lane's ring. */
  get slot(): number {
    return this.#consumer.slot;
  }

  /** Sequence of the next event to process. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /**
   * Catches up with the log, then follows the ring until `mode` says otherwise. "drain" ends when the ring is empty,
   * "stop" after the event in hand; what is left then is caught up with after the next start.
   */
  async run(mode: () => ProcessorMode, backlog?: Backlog): Promise<void> {
    this.#mode = mode;
    try {
      await this.#follow(mode, backlog);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
    if (this.#nextSequence !== this.#savedSequence) await this.#options.cursor.write(this.#nextSequence);
  }

  async #follow(mode: () => ProcessorMode, backlog: Backlog | undefined): Promise<void> {
    if (backlog !== undefined && backlog.from < backlog.to) await this.#catchUp(backlog);
    let turnEnds = performance.now() + TURN_MS;
    while (mode() !== "stop") {
      const done = this.#skipAsked() || this.#consumeRun();
      if (done !== false) {
        if (done !== true) await done;
        if (performance.now() >= turnEnds) {
          this.#saveCursor();
          await nextTurn();
          turnEnds = performance.now() + TURN_MS;
        }
        continue;
      }
      if (mode() === "drain" && this.#drained) break;
      await this.#sleep();
      turnEnds = performance.now() + TURN_MS;
    }
  }

  get #drained(): boolean {
    return this.#consumer.position >= this.#options.ring.publishedPosition;
  }

  async #sleep(): Promise<void> {
    const { parker, onlyDurable, ring, skipOldest } = this.#options;
    this.#saveCursor();
    parker.prepare();
    const before = this.#mode();
    const work =
      this.#consumer.next(RUN_BYTES, onlyDurable) > 0 || (skipOldest && ring.skipTarget > this.#consumer.position);
    if (work || before === "stop" || (before === "drain" && this.#drained)) parker.cancel();
    else await parker.parkAsync(this.#nextSequence === this.#savedSequence ? IDLE_MS : CURSOR_MS);
  }

  /** Writes the cursor now and then, beside the work. A failure is the next write's to mend: replay is at least once. */
  #saveCursor(): void {
    const now = performance.now();
    if (this.#nextSequence === this.#savedSequence || now - this.#savedAt < CURSOR_MS) return;
    this.#savedAt = now;
    const sequence = this.#nextSequence;
    this.#options.cursor.write(sequence).then(
      () => {
        this.#savedSequence = sequence;
      },
      (error: Error) => this.#options.context.logger.warn(`the cursor could not be written: ${error.message}`),
    );
  }

  /** Takes one run. False when there is none; a promise when a handler's is to be waited for. */
  #consumeRun(): boolean | Promise<void> {
    const { handlers, counters, onlyDurable } = this.#options;
    const consumer = this.#consumer;
    const records = consumer.next(RUN_BYTES, onlyDurable);
    if (records === 0) return false;
    if (handlers.empty) {
      const events = records - consumer.runTombstones;
      counters.add("processed", events);
      this.#nextSequence = consumer.runSequence + records;
      consumer.release(consumer.runEnd, events);
      return true;
    }
    return this.#handleRun(consumer.runAddress, consumer.runBytes, consumer.runEnd - consumer.runBytes) ?? true;
  }

  /**
   * Handles the records of a run one by one; returns a promise from the first handler on that returns one. The ring's
   * bytes are given back every few records, so that producers needn't wait for the whole run.
   */
  #handleRun(address: number, bytes: number, position: number): Promise<void> | undefined {
    const view = this.#view;
    const toPosition = position - address;
    const end = address + bytes;
    let events = 0;
    let at = address;
    for (let n = 1; at < end; n++) {
      view.moveTo(at);
      const next = at + view.paddedBytes;
      if (!view.tombstone) {
        const pending = this.#handle(view);
        if (pending !== undefined) return this.#handleRest(pending, events, next, end, toPosition);
        events++;
      }
      this.#nextSequence++;
      at = next;
      if (n % RELEASE_RECORDS === 0) {
        this.#consumer.release(at + toPosition, events);
        events = 0;
        if (this.#interrupted(at + toPosition)) return undefined;
      }
    }
    this.#consumer.release(at + toPosition, events);
    return undefined;
  }

  async #handleRest(
    pending: Promise<void>,
    events: number,
    next: number,
    end: number,
    toPosition: number,
  ): Promise<void> {
    await pending;
    this.#nextSequence++;
    this.#consumer.release(next + toPosition, events + 1);
    let at = next;
    while (at < end && !this.#interrupted(at + toPosition)) {
      const view = this.#view.moveTo(at);
      const following = at + view.paddedBytes;
      if (!view.tombstone) {
        const waiting = this.#handle(view);
        if (waiting !== undefined) await waiting;
      }
      this.#nextSequence++;
      this.#consumer.release(following + toPosition, view.moveTo(at).tombstone ? 0 : 1);
      this.#saveCursor();
      at = following;
    }
  }

  /** Whether the run should be left: a stop, or producers that ask for the space. */
  #interrupted(position: number): boolean {
    const { ring, skipOldest } = this.#options;
    return this.#mode() === "stop" || (skipOldest && ring.skipTarget > position);
  }

  /** Gives up the events that producers ask for. Each becomes a dead letter, or a counted drop when there is no room. */
  #skipAsked(): boolean {
    const { counters, deadLetters, ring, skipOldest } = this.#options;
    if (!skipOldest) return false;
    const target = ring.skipTarget;
    const consumer = this.#consumer;
    if (consumer.position >= target) return false;
    const records = consumer.next(Math.min(RUN_BYTES, target - consumer.position));
    if (records === 0) return false;
    const view = this.#view;
    const address = consumer.runAddress;
    const end = address + consumer.runBytes;
    const toPosition = consumer.runEnd - consumer.runBytes - address;
    let events = 0;
    for (let at = address, n = 1; at < end; n++) {
      view.moveTo(at);
      if (!view.tombstone) {
        counters.add(deadLetters.write(view, "lane_overflow", 0) ? "deadLettered" : "dropped.overflow");
        events++;
      }
      at += view.paddedBytes;
      this.#nextSequence++;
      if (n % RELEASE_RECORDS === 0 || at >= end) {
        consumer.release(at + toPosition, events);
        events = 0;
      }
    }
    return true;
  }

  /** Runs the handlers of one event in order. Counts it when it is done; a promise says when that is. */
  #handle(view: RecordView): Promise<void> | undefined {
    const { handlers, context, counters } = this.#options;
    const found = handlers.find(view);
    view.knownTopic = found.topic;
    for (let i = 0; i < found.handlers.length; i++) {
      try {
        const result = (found.handlers[i] as HandlerDefinition["handle"])(view, context);
        if (result !== undefined) return this.#settle(view, result, found.handlers, i + 1);
      } catch (error) {
        return this.#bury(view, "handler_failed", error);
      }
    }
    counters.add("processed");
    return undefined;
  }

  async #settle(
    view: RecordView,
    first: Promise<void>,
    handlers: readonly HandlerDefinition["handle"][],
    from: number,
  ): Promise<void> {
    let result: void | Promise<void> = first;
    let next = from;
    for (;;) {
      try {
        if ((await this.#withTimeout(result)) === "timeout") {
          return await this.#bury(view, "handler_timeout", `no answer within ${this.#options.handlerTimeoutMs} ms`);
        }
        if (next === handlers.length) break;
        result = (handlers[next++] as HandlerDefinition["handle"])(view, this.#options.context);
      } catch (error) {
        return await this.#bury(view, "handler_failed", error);
      }
    }
    this.#options.counters.add("processed");
  }

  async #withTimeout(result: void | Promise<void>): Promise<"timeout" | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<"timeout">((resolve) => {
      timer = setTimeout(resolve, this.#options.handlerTimeoutMs, "timeout");
    });
    try {
      return (await Promise.race([result, timeout])) === "timeout" ? "timeout" : undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Makes the event a dead letter; waits while their ring is full, since this one has nowhere else to go. */
  #bury(view: RecordView, reason: DeadLetterReason, error: unknown): Promise<void> | undefined {
    const { counters, deadLetters } = this.#options;
    if (deadLetters.write(view, reason, 1, error)) {
      counters.add("deadLettered");
      return undefined;
    }
    return this.#buryLater(view, reason, error);
  }

  async #buryLater(view: RecordView, reason: DeadLetterReason, error: unknown): Promise<void> {
    const { counters, deadLetters } = this.#options;
    while (!deadLetters.write(view, reason, 1, error)) {
      if (this.#mode() === "stop") {
        throw new Stopped();
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    counters.add("deadLettered");
  }

  async #catchUp({ dir, from, to }: Backlog): Promise<void> {
    const { counters, context } = this.#options;
    this.#nextSequence = from;
    using reader = new LogReader({
      dir,
      fromSequence: from,
      onGap: (gap) => context.logger.error(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}`),
    });
    for (const view of reader) {
      if (view.sequence >= to || this.#mode() === "stop") break;
      counters.add("replayed");
      const pending = this.#handle(view);
      if (pending !== undefined) await pending;
      this.#nextSequence = view.sequence + 1;
      if (performance.now() - this.#savedAt >= CURSOR_MS) {
        this.#saveCursor();
        await nextTurn();
      }
    }
    if (this.#mode() !== "stop") this.#nextSequence = to;
  }
}
