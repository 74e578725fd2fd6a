/** An event that is held: over bytes of its own, with the handlers that are left to call. */
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { Delayed } from "../delay/delay-schedule.ts";
import type { Handler, HandlerContext } from "../handler.ts";
import type { TopicPlan } from "../handler-table.ts";
import type { RetryPolicy } from "../retry/retry-policy.ts";
import { expiringView } from "./expiring-view.ts";
import type { HandledEvent } from "./handled-event.ts";
import { HeldWork, type Outcome } from "./held-work.ts";
import { isPromise } from "./work-runner.ts";

/** What its lane does for it. */
export interface HeldEventOwner {
  readonly lane: string;
  readonly deadLetters: DeadLetters;
  /** Whether views tell when they are used too late. */
  readonly debug: boolean;
  finished(event: HeldEvent, outcome: Outcome): void;
}

export class HeldEvent extends HeldWork {
  readonly view: HandledEvent;
  readonly plan: TopicPlan;
  readonly sequence: number;
  override readonly bytes: number;
  readonly delayed: Delayed<HandledEvent> | undefined;
  readonly #owner: HeldEventOwner;

  /**
   * @param view over bytes of its own.
   * @param delayed its place in the schedule, when it comes from there.
   */
  constructor(view: HandledEvent, plan: TopicPlan, owner: HeldEventOwner, delayed: Delayed<HandledEvent> | undefined) {
    super();
    this.delayed = delayed;
    this.view = view;
    this.plan = plan;
    this.sequence = view.sequence;
    this.bytes = view.paddedBytes;
    this.#owner = owner;
    view.knownTopic = plan.topic;
  }

  override get mark(): number {
    return this.sequence;
  }

  override get retry(): RetryPolicy {
    return this.plan.retry;
  }

  override get calls(): number {
    return this.plan.handlers.length;
  }

  override get origin(): string {
    return originOf(this.#owner.lane, this.view);
  }

  override call(index: number, context: HandlerContext): void | Promise<void> {
    this.view.attempt = this.attempt;
    return callHandler(this.plan.handlers[index] as Handler, this.view, context, this.#owner.debug);
  }

  override bury(): boolean {
    const { reason, error, firstFailureMs } = this;
    const attempts = reason === "schedule_full" ? 0 : this.attempt;
    return this.#owner.deadLetters.write(this.view, { reason, error, attempts, firstAtMs: firstFailureMs });
  }

  override finish(outcome: Outcome): void {
    this.#owner.finished(this, outcome);
  }
}

/** Calls a handler; with `debug` its view expires with the call. */
export function callHandler(
  handler: Handler,
  view: HandledEvent,
  context: HandlerContext,
  debug: boolean,
): void | Promise<void> {
  if (!debug) return handler.handle(view, context);
  const { view: expiring, expire } = expiringView(view);
  let result: void | Promise<void>;
  try {
    result = handler.handle(expiring, context);
  } catch (error) {
    expire();
    throw error;
  }
  if (isPromise(result)) result.then(expire, expire);
  else expire();
  return result;
}

/**
 * What stands for an event in the ids of what it publishes. The time is in it because a log that lost its unsynced end
 * with the machine's power gives the same sequences out again.
 */
export function originOf(lane: string, view: HandledEvent): string {
  return `${lane}:${view.sequence}:${view.timeMs}.${view.timeNs}`;
}
