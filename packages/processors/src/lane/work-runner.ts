/**
 * Runs held work: attempts with a time limit, retries with backoff, what was published into rings, and the dead letter
 * after the last attempt. Order per key and concurrency are the scheduler's.
 *
 * Times are of a clock that never goes back (ms); what the epoch says is no business of a retry.
 */
import type { CounterBlock } from "@esc/metrics";
import { type Held, KeyedScheduler } from "../retry/keyed-scheduler.ts";
import { retryDelayMs } from "../retry/retry-policy.ts";
import { CallContext, type LaneContext } from "./call-context.ts";
import type { ProcessorCounter } from "./counters.ts";
import type { DeadLetterReason, HeldWork } from "./held-work.ts";
import type { LaneState } from "./lane-state.ts";

export interface WorkRunnerOptions {
  readonly context: LaneContext;
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly state: LaneState;
  readonly concurrency: number;
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
  /** A promise that takes longer has failed, ms. What was published waits as long for room. */
  readonly timeoutMs: number;
  /** Milliseconds from any start, never going back. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly random: () => number;
  /** What the last thread of the lane died of, for people. */
  readonly deathOf: string;
  /** Something was settled: the loop should look for work. */
  readonly wake: () => void;
}

/** A ring without room is looked at again after this, ms: consumers move many times in it, and nobody needs to be woken. */
const ROOM_MS = 2;
/** Starts after which other work of the loop has its turn. */
const STARTS_A_TURN = 256;

export class WorkRunner {
  readonly #options: WorkRunnerOptions;
  readonly #scheduler: KeyedScheduler<HeldWork>;
  /** Work that threads died with: its share of the deaths. */
  readonly #suspects: Map<number, number>;
  #bytes = 0;
  #ends = 0;

  constructor(options: WorkRunnerOptions) {
    this.#options = options;
    this.#scheduler = new KeyedScheduler(options);
    this.#suspects = options.state.crashes();
  }

  get held(): number {
    return this.#scheduler.held;
  }

  /** Counts up with each work that ends. */
  get ends(): number {
    return this.#ends;
  }

  get running(): number {
    return this.#scheduler.running;
  }

  /** Whether nothing more may be held. */
  get full(): boolean {
    return this.#scheduler.full || this.#bytes >= this.#options.maxHeldBytes;
  }

  /** When there is something to do by time alone. */
  get nextDueMs(): number {
    return this.#scheduler.nextDueMs;
  }

  /** Whether {@link pump} would start something. */
  get hasReady(): boolean {
    return this.#scheduler.running < this.#options.concurrency && this.#scheduler.hasReady(this.#options.now());
  }

  /** Whether work under the key is held. */
  isHeld(key: string): boolean {
    return this.#scheduler.isHeld(key);
  }

  /** Whether a thread died with something in hand that hasn't ended yet. */
  get hasSuspects(): boolean {
    return this.#suspects.size > 0;
  }

  /** Whether a thread died with this in hand: then it runs alone. */
  isSuspect(mark: number): boolean {
    return this.#suspects.size > 0 && this.#suspects.has(mark);
  }

  /**
   * Holds work; not when {@link full}. What a thread died with runs at once and alone: the promise resolves when that
   * attempt is over. After as many deaths as it has attempts it becomes a dead letter without another one.
   */
  admit(work: HeldWork, keys: readonly string[]): Promise<void> | undefined {
    const deaths = Math.floor(this.#suspects.get(work.mark) ?? -1);
    if (deaths >= work.retry.attempts) {
      work.attempt = deaths;
      work.phase = "burying";
      work.reason = "worker_died";
      work.error = this.#options.deathOf;
      work.firstFailureMs = this.#options.clock();
    } else if (deaths >= 0 && work.phase === "handling") {
      work.attempt += deaths;
      return this.#runAlone(work, keys);
    }
    this.#hold(work, keys);
    return undefined;
  }

  /** Starts what may run now. @returns whether there was anything. */
  pump(): boolean {
    let started = 0;
    while (started < STARTS_A_TURN) {
      const held = this.#scheduler.next(this.#options.now());
      if (held === undefined) break;
      this.#start(held);
      started++;
    }
    return started > 0;
  }

  #hold(work: HeldWork, keys: readonly string[]): void {
    const notBefore = work.phase === "handling" && work.attempt > 1 ? this.#dueMs(work) : 0;
    if (!this.#scheduler.offer(work, keys, notBefore)) throw new RangeError("work was offered to a full lane");
    this.#bytes += work.bytes;
  }

  /**
   * Runs one piece of work with nothing beside it, and with its mark in shared memory all the while: if the thread dies
   * again, it is known whose doing it was.
   */
  async #runAlone(work: HeldWork, keys: readonly string[]): Promise<void> {
    while (this.running > 0) await new Promise((resolve) => setTimeout(resolve, ROOM_MS));
    const held = this.#scheduler.startAtOnce(work, keys);
    if (held === undefined) {
      this.#hold(work, keys);
      return;
    }
    this.#bytes += work.bytes;
    this.#options.state.calling = work.mark;
    await this.#attempt(held, true);
    this.#options.state.calling = 0;
  }

  #dueMs(work: HeldWork): number {
    const { now, random } = this.#options;
    if (work.phase !== "handling") return now() + ROOM_MS;
    return now() + retryDelayMs(work.retry, work.attempt - 1, random);
  }

  #start(held: Held<HeldWork>): void {
    const work = held.event;
    if (work.phase === "burying") this.#bury(held);
    else if (work.phase === "emitting") this.#emit(held);
    else void this.#attempt(held, false);
  }

  /** One attempt: the handlers that are left, in order. Until the first promise it is synchronous. */
  async #attempt(held: Held<HeldWork>, alone: boolean): Promise<void> {
    const { context: lane, state, timeoutMs } = this.#options;
    const work = held.event;
    // What handlers published that are done already goes out with the rest.
    work.emissions = work.emissions.slice(0, work.kept);
    const context = new CallContext(lane, work);
    while (work.next < work.calls) {
      let failure: { readonly reason: DeadLetterReason; readonly error: unknown } | undefined;
      let place: number | undefined;
      try {
        state.calling = work.mark;
        const result = work.call(work.next, context);
        if (!alone) state.calling = 0;
        if (isPromise(result)) {
          place = state.waiting(work.mark);
          if (await isLate(result, timeoutMs)) {
            failure = { reason: "handler_timeout", error: `no answer within ${timeoutMs} ms` };
          }
        }
      } catch (error) {
        failure = { reason: "handler_failed", error };
      }
      if (!alone) state.calling = 0;
      if (place !== undefined) state.settled(place);
      if (failure !== undefined) {
        context.expire(failure.reason === "handler_timeout");
        this.#failed(held, failure.reason, failure.error);
        this.#options.wake();
        return;
      }
      work.next++;
      work.kept = work.emissions.length;
    }
    context.expire(false);
    if (work.emissions.length > 0) this.#beginEmitting(work);
    this.#emit(held);
    this.#options.wake();
  }

  #beginEmitting(work: HeldWork): void {
    const { counters, now, state, timeoutMs } = this.#options;
    work.phase = "emitting";
    work.emitted = 0;
    work.emitDeadlineMs = now() + timeoutMs;
    // Counted as accepted before any ring has them, so that no lane has ever processed more than was accepted.
    for (const { lane } of work.emissions) counters.add(`emitted.${lane}`);
    state.pendingEmits += work.emissions.length;
  }

  #emit(held: Held<HeldWork>): void {
    const { context, counters, now, state, timeoutMs } = this.#options;
    const work = held.event;
    while (work.emitted < work.emissions.length) {
      if (!context.emitter.append(work.emissions[work.emitted] as (typeof work.emissions)[number])) break;
      work.emitted++;
      state.pendingEmits--;
    }
    const left = work.emissions.length - work.emitted;
    if (left === 0) {
      this.#end(held, "processed");
    } else if (now() < work.emitDeadlineMs) {
      this.#scheduler.retryAt(held, now() + ROOM_MS);
    } else {
      // A lane that publishes into itself and is full would wait for itself for ever.
      counters.add("dropped.emit", left);
      state.pendingEmits -= left;
      work.attempt = work.retry.attempts;
      this.#failed(held, "emit_full", `${left} events that it published found no room within ${timeoutMs} ms`);
    }
  }

  #failed(held: Held<HeldWork>, reason: DeadLetterReason, error: unknown): void {
    const { clock, counters } = this.#options;
    const work = held.event;
    work.firstFailureMs ??= clock();
    work.reason = reason;
    work.error = error;
    if (work.attempt >= work.retry.attempts) {
      this.#bury(held);
      return;
    }
    work.phase = "handling";
    work.attempt++;
    counters.add("retries");
    this.#scheduler.retryAt(held, this.#dueMs(work));
  }

  #bury(held: Held<HeldWork>): void {
    const work = held.event;
    work.phase = "burying";
    if (work.bury()) this.#end(held, "deadLettered");
    else this.#scheduler.retryAt(held, this.#options.now() + ROOM_MS);
  }

  #end(held: Held<HeldWork>, outcome: "processed" | "deadLettered"): void {
    this.#bytes -= held.event.bytes;
    this.#ends++;
    held.event.finish(outcome);
    this.#scheduler.finish(held);
    if (this.#suspects.size > 0 && this.#suspects.delete(held.event.mark)) {
      this.#options.state.keepCrashes(this.#suspects);
    }
  }
}

const LATE = Symbol("late");

/** Whether a promise doesn't settle in time; rejects as it does. */
export async function isLate(result: PromiseLike<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, LATE);
  });
  try {
    return (await Promise.race([result, late])) === LATE;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a handler has gone on behind its return. */
export function isPromise(result: unknown): result is PromiseLike<unknown> {
  return typeof result === "object" && result !== null && typeof (result as { then?: unknown }).then === "function";
}
