/**
 * Takes one event after the other: decides what there is to do with it, does it at once where that can be, and holds it
 * where it can't. The way of a plain synchronous handler makes no object.
 */
import type { CounterBlock } from "@esc/metrics";
import type { SlaMonitor } from "../alerts/sla-monitor.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { Delayed, DelaySchedule } from "../delay/delay-schedule.ts";
import type { Handler } from "../handler.ts";
import type { HandlerTable, TopicPlan } from "../handler-table.ts";
import { CallContext, type CallSource, type LaneContext } from "./call-context.ts";
import type { ProcessorCounter } from "./counters.ts";
import type { Duplicates } from "./duplicates.ts";
import type { Checked } from "./emitter.ts";
import { EventKey, HandledEvent, metadataNumber, wasHandledBefore, wasRetried } from "./handled-event.ts";
import { callHandler, HeldEvent, type HeldEventOwner, originOf } from "./held-event.ts";
import type { DeadLetterReason, Outcome } from "./held-work.ts";
import type { LaneProgress } from "./lane-progress.ts";
import type { LaneState } from "./lane-state.ts";
import type { LaneWindows } from "./lane-windows.ts";
import { isLate, isPromise, type WorkRunner } from "./work-runner.ts";

export interface EventTakerOptions {
  readonly context: LaneContext;
  readonly handlers: HandlerTable;
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly state: LaneState;
  readonly progress: LaneProgress;
  readonly runner: WorkRunner;
  readonly windows: LaneWindows;
  readonly schedule: DelaySchedule<HandledEvent>;
  readonly deadLetters: DeadLetters;
  /** Where the lane takes an id once. */
  readonly duplicates: Duplicates | undefined;
  /** Where the lane has service levels. */
  readonly sla: SlaMonitor | undefined;
  readonly debug: boolean;
  readonly timeoutMs: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export class EventTaker implements CallSource, HeldEventOwner {
  readonly lane: string;
  readonly deadLetters: DeadLetters;
  readonly debug: boolean;
  /** What handlers that are called in place publish. */
  emissions: Checked[] = [];
  /** Events before this sequence were received before the process began: no service level is theirs. */
  slaFrom = 0;
  readonly #options: EventTakerOptions;
  readonly #handlers: HandlerTable;
  readonly #runner: WorkRunner;
  readonly #duplicates: Duplicates | undefined;
  readonly #progress: LaneProgress;
  readonly #state: LaneState;
  #context: CallContext;
  #uncounted = 0;
  /** The event in hand, and its sequence. */
  #view: HandledEvent | undefined;
  #sequence = 0;

  constructor(options: EventTakerOptions) {
    this.lane = options.context.lane;
    this.deadLetters = options.deadLetters;
    this.debug = options.debug;
    this.#options = options;
    // Fields of their own: the way of a plain event goes through them.
    this.#handlers = options.handlers;
    this.#runner = options.runner;
    this.#duplicates = options.duplicates;
    this.#progress = options.progress;
    this.#state = options.state;
    this.#context = new CallContext(options.context, this);
  }

  get origin(): string {
    return originOf(this.lane, this.#view as HandledEvent);
  }

  /**
   * Takes the event that the view stands on, once: the next one of the progress, or one before it that is not finished.
   * Not when the runner is full.
   * @returns undefined when the view may move on; a promise where it may only then.
   */
  take(view: HandledEvent, sequence: number): Promise<void> | undefined {
    const plan = this.#handlers.find(view);
    view.knownTopic = plan.topic;
    view.attempt = 1;
    this.#view = view;
    this.#sequence = sequence;
    const runner = this.#runner;
    if (
      plan.isPlain &&
      this.#duplicates === undefined &&
      runner.held === 0 &&
      !runner.hasSuspects &&
      !view.hasMetadata
    ) {
      return this.#call(view, plan, 0);
    }
    return this.#decide(view, plan);
  }

  /** The next event failed in a batch: its first attempt. Not when the runner is full. @returns as {@link take}. */
  failedInBatch(view: HandledEvent, reason: DeadLetterReason, error: unknown): Promise<void> | undefined {
    return this.#failed(view, this.#stand(view), 0, reason, error);
  }

  /** The next event was handled in a batch, and published something. Not when the runner is full. @returns as {@link take}. */
  publishedInBatch(view: HandledEvent, emissions: Checked[]): Promise<void> | undefined {
    this.emissions = emissions;
    return this.#publish(view, this.#stand(view));
  }

  #stand(view: HandledEvent): TopicPlan {
    const plan = this.#handlers.find(view);
    view.knownTopic = plan.topic;
    view.attempt = 1;
    this.#view = view;
    this.#sequence = view.sequence;
    return plan;
  }

  /** What `state.uncounted` says goes into the counter. */
  count(): void {
    if (this.#uncounted === 0) return;
    this.#options.counters.add("processed", this.#uncounted);
    this.#options.state.uncounted = this.#uncounted = 0;
  }

  #decide(view: HandledEvent, plan: TopicPlan): Promise<void> | undefined {
    const metadata = view.metadata;
    const retried = metadata.size > 0 && metadata.has(EventKey.retried);
    if (this.#duplicates?.isDuplicate(view) && !retried) {
      this.#options.counters.add("duplicates");
      return this.#finishedNow();
    }
    if (plan.delayMs > 0 || metadata.size > 0) {
      const dueMs = retried ? 0 : (metadataNumber(metadata, EventKey.deliverAt) ?? view.timeMs + plan.delayMs);
      if (dueMs > this.#options.clock()) return this.#delay(view, plan, dueMs);
    }
    return this.#deliver(view, plan, retried && wasHandledBefore(metadata));
  }

  /** Remembers the id of an event that is finished already. */
  remember(view: HandledEvent): void {
    this.#options.duplicates?.isDuplicate(view);
  }

  /** Puts an event that is finished already into windows that were restored from before it. */
  addToWindows(view: HandledEvent, sequence: number): void {
    const plan = this.#options.handlers.find(view);
    view.knownTopic = plan.topic;
    if (plan.windows.length > 0) this.#options.windows.add(view, plan, sequence, false);
  }

  /** An event's time has come. Not when the runner is full. @returns as {@link take}. */
  takeDue(delayed: Delayed<HandledEvent>): Promise<void> | undefined {
    const { handlers, runner, windows } = this.#options;
    const view = delayed.event;
    const plan = handlers.find(view);
    const held = new HeldEvent(view, plan, this, delayed);
    let keys: readonly string[] = [plan.topic];
    try {
      if (plan.windows.length > 0) windows.add(view, plan, held.sequence, true);
      keys = keysOf(view, plan);
    } catch (error) {
      this.#toBury(held, "window_failed", error);
    }
    return runner.admit(held, keys);
  }

  /** An event of the schedule that there is no room for any more becomes a dead letter. Not when the runner is full. */
  refuseDelayed(view: HandledEvent): void {
    this.#sequence = view.sequence;
    this.#bury(view, this.#options.handlers.find(view), "schedule_full", "too many events wait for their time");
  }

  /** A held event ended. */
  finished(event: HeldEvent, outcome: Outcome): void {
    const { counters, progress, schedule, sla } = this.#options;
    counters.add(outcome);
    if (event.delayed === undefined) progress.finish(event.sequence);
    else schedule.finish(event.delayed);
    const { sla: topicSla } = event.plan;
    if (topicSla === undefined || outcome !== "processed") return;
    if (event.sequence >= this.slaFrom && event.delayed === undefined && !wasRetried(event.view))
      sla?.handled(topicSla, event.view.timeMs);
  }

  #delay(view: HandledEvent, plan: TopicPlan, dueMs: number): undefined {
    const { schedule } = this.#options;
    const { id, paddedBytes: bytes } = view;
    if (schedule.isFullFor(bytes))
      return this.#bury(view, plan, "schedule_full", "too many events wait for their time");
    const event = HandledEvent.copyOf(view);
    schedule.add({ sequence: this.#sequence, dueMs, bytes, event, id: id && Buffer.from(id).toString("hex") });
    // The lane is done with it: the schedule's table survives the thread, and a checkpoint has it together with the cursor.
    return this.#finishedNow();
  }

  #deliver(view: HandledEvent, plan: TopicPlan, inWindows: boolean): Promise<void> | undefined {
    const { counters, runner, windows } = this.#options;
    if (plan.windows.length > 0 && !inWindows) {
      try {
        windows.add(view, plan, this.#sequence, false);
      } catch (error) {
        return this.#bury(view, plan, "window_failed", error);
      }
    }
    if (plan.handlers.length === 0) {
      counters.add("processed");
      return this.#finishedNow();
    }
    if (!plan.isAsync && runner.held === 0 && !runner.isSuspect(this.#sequence)) return this.#call(view, plan, 0);
    let keys: readonly string[];
    try {
      keys = keysOf(view, plan);
    } catch (error) {
      return this.#bury(view, plan, "handler_failed", error);
    }
    const mayCall = !plan.isAsync && !runner.isSuspect(this.#sequence) && !keys.some((key) => runner.isHeld(key));
    return mayCall ? this.#call(view, plan, 0) : this.#hold(this.#copy(view, plan), keys);
  }

  /** Calls handlers where the event lies, as long as they return no promise. */
  #call(view: HandledEvent, plan: TopicPlan, from: number): Promise<void> | undefined {
    const { handlers } = plan;
    for (let index = from; index < handlers.length; index++) {
      const handler = handlers[index] as Handler;
      const published = this.emissions.length;
      try {
        const result = this.debug
          ? callHandler(handler, view, this.#context, true)
          : handler.handle(view, this.#context);
        if (result !== undefined && isPromise(result)) return this.#settleInPlace(view, plan, index, result);
      } catch (error) {
        this.emissions.length = published;
        return this.#failed(view, plan, index, "handler_failed", error);
      }
    }
    if (this.emissions.length > 0) return this.#publish(view, plan);
    this.#state.uncounted = ++this.#uncounted;
    return this.#finishedNow();
  }

  /**
   * A handler that isn't known to be asynchronous returned a promise. This once it is waited for where the event lies: the
   * handler may have taken parts of the view already. From the next event on the event is copied before the call.
   */
  async #settleInPlace(view: HandledEvent, plan: TopicPlan, index: number, result: PromiseLike<void>): Promise<void> {
    const { handlers, state, timeoutMs } = this.#options;
    (plan.handlers[index] as Handler).isAsync = true;
    handlers.forget();
    const published = this.emissions.length;
    const place = state.waiting(this.#sequence);
    try {
      if (await isLate(result, timeoutMs)) {
        // It still has the context: what it publishes from now on is nobody's.
        this.#context.expire(true);
        this.#context = new CallContext(this.#options.context, this);
        this.emissions = this.emissions.slice(0, published);
        return this.#failed(view, plan, index, "handler_timeout", `no answer within ${timeoutMs} ms`);
      }
    } catch (error) {
      this.emissions.length = published;
      return this.#failed(view, plan, index, "handler_failed", error);
    } finally {
      state.settled(place);
    }
    return await this.#call(view, plan, index + 1);
  }

  /** The handlers are done and have published something: held until the rings have it. */
  #publish(view: HandledEvent, plan: TopicPlan): Promise<void> | undefined {
    const held = this.#copy(view, plan);
    held.next = held.calls;
    held.emissions = this.#takeEmissions();
    held.kept = held.emissions.length;
    return this.#hold(held, keysOrTopic(view, plan));
  }

  #failed(view: HandledEvent, plan: TopicPlan, index: number, reason: DeadLetterReason, error: unknown) {
    const emissions = this.#takeEmissions();
    if (plan.retry.attempts === 1) return this.#bury(view, plan, reason, error);
    const held = this.#copy(view, plan);
    held.reason = reason;
    held.error = error;
    held.firstFailureMs = this.#options.clock();
    held.attempt = 2;
    held.next = index;
    held.emissions = emissions;
    held.kept = emissions.length;
    this.#options.counters.add("retries");
    return this.#hold(held, keysOrTopic(view, plan));
  }

  /** Makes the event a dead letter; holds it while their ring has no room. */
  #bury(view: HandledEvent, plan: TopicPlan, reason: DeadLetterReason, error: unknown): undefined {
    const { counters, deadLetters, runner } = this.#options;
    if (deadLetters.write(view, { reason, error, attempts: reason === "schedule_full" ? 0 : 1 })) {
      counters.add("deadLettered");
      return this.#finishedNow();
    }
    const held = this.#copy(view, plan);
    this.#toBury(held, reason, error);
    this.#heldNow();
    runner.admit(held, [plan.topic]);
    return undefined;
  }

  #toBury(held: HeldEvent, reason: DeadLetterReason, error: unknown): void {
    held.phase = "burying";
    held.reason = reason;
    held.error = error;
    held.firstFailureMs = this.#options.clock();
  }

  #copy(view: HandledEvent, plan: TopicPlan): HeldEvent {
    return new HeldEvent(HandledEvent.copyOf(view), plan, this, undefined);
  }

  #takeEmissions(): Checked[] {
    const taken = this.emissions;
    if (taken.length > 0) this.emissions = [];
    return taken;
  }

  #hold(held: HeldEvent, keys: readonly string[]): Promise<void> | undefined {
    this.#heldNow();
    return this.#options.runner.admit(held, keys);
  }

  #heldNow(): void {
    if (this.#sequence === this.#progress.next) this.#progress.heldNext();
  }

  #finishedNow(): undefined {
    if (this.#sequence === this.#progress.next) this.#progress.finishedNext();
    else this.#progress.finish(this.#sequence);
  }
}

/** Keys of an event: of each of its handlers, once. @throws what a handler's `key` throws. */
function keysOf(view: HandledEvent, plan: TopicPlan): readonly string[] {
  const { handlers, topic } = plan;
  if (handlers.length === 1) {
    const key = (handlers[0] as Handler).key;
    return [key === undefined ? topic : String(key(view))];
  }
  return handlers.map(({ key }) => (key === undefined ? topic : String(key(view))));
}

/** For an event that was called already: it must be held under something. */
function keysOrTopic(view: HandledEvent, plan: TopicPlan): readonly string[] {
  try {
    return keysOf(view, plan);
  } catch {
    return [plan.topic];
  }
}
