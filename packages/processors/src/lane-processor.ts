/**
 * A lane's processor: takes what comes through the lane's ring in order, runs handlers, keeps the durable cursor. One per
 * lane, on a thread of its own, so that a slow handler holds back its own lane only.
 *
 * This is the loop; what happens to an event is the taker's and the runner's (`lane/`).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Delayed } from "./delay/delay-schedule.ts";
import { buildLane, type LaneParts } from "./lane/build-lane.ts";
import type { HandledEvent } from "./lane/handled-event.ts";
import type { LaneProcessorOptions, LaneStartPoint } from "./lane/lane-options.ts";
import { LaneRecovery } from "./lane/lane-recovery.ts";
import { LogEvents } from "./lane/log-events.ts";
import { RingIntake } from "./lane/ring-intake.ts";
import { isToTake } from "./shards/past-layouts.ts";

/** Whether the loop should go on, finish what is in the ring, or end where it is. */
export type ProcessorMode = "run" | "drain" | "stop";

/** Thrown to leave what can't go on at a stop: not counted, handled again after the next start. */
class Stopped extends Error {}

const UNSAVED_MS = 500;
const TURN_MS = 8;
const IDLE_MS = 1_000;
const DURABLE_MS = 5;
/** Records of others between two looks at what else there is to do. */
const PASSED_RECORDS = 256;

export class LaneProcessor {
  readonly #options: LaneProcessorOptions;
  readonly #parts: LaneParts;
  readonly #intake: RingIntake;
  #mode: () => ProcessorMode = () => "run";
  #turnEnds = 0;

  constructor(options: LaneProcessorOptions) {
    this.#options = options;
    this.#parts = buildLane(options);
    this.#intake = new RingIntake(options, this.#parts, () => this.#mode() === "stop");
    const { onlyDurable, parker, ring } = options;
    if (onlyDurable) ring.wakeOnDurable(parker);
    else ring.wakeOnPublish(parker);
  }

  /** Sequence of the next event to take. */
  get nextSequence(): number {
    return this.#parts.progress.next;
  }

  /** The events that wait for their time, the next one first. */
  delayedEvents(limit: number): Delayed<HandledEvent>[] {
    return this.#parts.schedule.upcoming(limit);
  }

  /**
   * Takes events out of the schedule for good, by their id in hex; those that are being handled already excepted. Resolves
   * with how many, once that is durable.
   */
  async cancelDelayed(id: string): Promise<number> {
    const { saver, schedule } = this.#parts;
    const cancelled = schedule.cancel(id).length;
    if (cancelled === 0) return 0;
    this.#options.counters.add("cancelled", cancelled);
    await saver.save();
    return cancelled;
  }

  /**
   * Brings the lane to where it was, catches up with the log, then follows the ring until `mode` says otherwise. "drain"
   * ends when the ring is empty and nothing is held, "stop" after what is being called; what is left then is taken up after
   * the next start.
   */
  async run(mode: () => ProcessorMode, start: LaneStartPoint): Promise<void> {
    this.#mode = mode;
    const { runner, saver, taker } = this.#parts;
    taker.slaFrom = start.to;
    try {
      await this.#recover(start);
      await this.#catchUp(start);
      await this.#follow();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
    while (runner.running > 0) await this.#park(IDLE_MS);
    this.#tell();
    if (saver.dirty) await saver.save();
  }

  async #recover({ dir, to, fresh, checkpoint, past, inherited }: LaneStartPoint): Promise<void> {
    const { clock, context, counters, now, share, state } = this.#options;
    const { duplicates, progress, schedule, taker, windows } = this.#parts;
    await new LaneRecovery({
      ...{ dir, to, fresh, checkpoint, clock, counters, now, state, logger: context.logger },
      ...{ duplicates, progress, schedule, taker, windows, share, past, inherited },
      room: () => this.#room(),
      durable: (before) => this.#untilDurable(before),
    }).run();
  }

  /** What was stored before the process began and wasn't taken then. */
  async #catchUp({ dir, to, past }: LaneStartPoint): Promise<void> {
    const { context, counters, share, state } = this.#options;
    const { progress, runner, taker } = this.#parts;
    if (progress.next >= to) return;
    using events = new LogEvents({
      dir,
      fromSequence: progress.next,
      onGap: (gap) => context.logger.error(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}`),
    });
    for (let view = events.next(); view !== undefined; view = events.next()) {
      const { sequence } = view;
      if (sequence >= to) break;
      if (this.#mode() === "stop" || this.#intake.blocked) await this.#room();
      if (sequence > progress.next) await this.#jump(sequence);
      if (!view.tombstone && isToTake(view, share, past)) {
        counters.add("replayed");
        state.callingNext();
        const pending = taker.take(view, sequence);
        if (pending !== undefined) await pending;
        state.calling = 0;
      } else {
        if (!view.tombstone && share?.owns(view.topicHash, sequence) !== false) taker.remember(view);
        progress.finishedNext();
        if (sequence % PASSED_RECORDS !== 0) continue;
      }
      const held = runner.held > 0 && this.#workOnHeld();
      if (typeof held !== "boolean") await held;
      if (this.#options.now() >= this.#turnEnds) await this.#turn();
    }
    if (progress.next < to) await this.#jump(to);
  }

  async #follow(): Promise<void> {
    const mode = this.#mode;
    while (mode() !== "stop") {
      const held = this.#workOnHeld();
      if (typeof held !== "boolean") await held;
      const done = this.#intake.take();
      if (typeof done !== "boolean") await done;
      if (done !== false || held !== false) {
        if (this.#options.now() >= this.#turnEnds) await this.#turn();
        continue;
      }
      if (mode() === "drain" && this.#intake.empty) {
        this.#parts.windows.flush();
        if (this.#finished) break;
      }
      await this.#sleep();
    }
  }

  /** Held work that may go on, events whose time has come, windows that were closed. @returns whether there was any. */
  #workOnHeld(): boolean | Promise<void> {
    const { runner, schedule, taker, windows } = this.#parts;
    let worked = false;
    if (schedule.size > 0) {
      for (;;) {
        const due = runner.full ? undefined : schedule.takeDue(this.#options.clock());
        if (due === undefined) break;
        worked = true;
        const pending = taker.takeDue(due);
        if (pending !== undefined) return pending;
      }
    }
    for (;;) {
      const closed = runner.full ? undefined : windows.takeClosed();
      if (closed === undefined) break;
      worked = true;
      const pending = runner.admit(closed, closed.keys);
      if (pending !== undefined) return pending;
    }
    if (runner.held > 0 && runner.pump()) worked = true;
    return worked;
  }

  get #finished(): boolean {
    const { runner, windows } = this.#parts;
    return this.#intake.empty && runner.held === 0 && windows.idle;
  }

  async #turn(): Promise<void> {
    this.#tell();
    this.#parts.saver.saveInTime();
    await nextTurn();
    this.#turnEnds = this.#options.now() + TURN_MS;
  }

  /** What other threads see. */
  #tell(): void {
    const { builtIns, runner, schedule, taker, windows } = this.#parts;
    taker.count();
    builtIns?.tell();
    this.#options.state.gauge(runner.held, schedule.size, windows.open);
  }

  async #sleep(): Promise<void> {
    const { parker, clock, now } = this.#options;
    const { runner, saver, schedule, windows } = this.#parts;
    const { empty } = this.#intake;
    if (empty) windows.advance();
    this.#tell();
    saver.saveInTime();
    parker.prepare();
    const before = this.#mode();
    const work =
      this.#intake.hasWork || runner.hasReady || (!runner.full && (windows.hasClosed || schedule.nextDueMs <= clock()));
    if (work || before === "stop" || (before === "drain" && this.#finished)) {
      parker.cancel();
      return;
    }
    // What can't be done now is looked at when something is settled, and that wakes the thread.
    const due = Math.min(
      runner.nextDueMs - now(),
      (runner.full ? Number.POSITIVE_INFINITY : schedule.nextDueMs) - clock(),
      (empty ? windows.nextAdvanceMs : Number.POSITIVE_INFINITY) - clock(),
      saver.dirty ? UNSAVED_MS : IDLE_MS,
    );
    await parker.parkAsync(Math.max(1, Math.ceil(due)));
    this.#turnEnds = now() + TURN_MS;
  }

  /** Waits until something is settled, or a time is over. */
  async #park(ms: number): Promise<void> {
    const { parker } = this.#options;
    parker.prepare();
    await parker.parkAsync(ms);
  }

  /** Waits until one event more may be taken. @throws Stopped. */
  async #room(): Promise<void> {
    for (;;) {
      if (this.#mode() === "stop") throw new Stopped();
      if (!this.#intake.blocked) return;
      await this.#goOn();
    }
  }

  /** One step of what is held, or a rest where there is nothing to do. */
  async #goOn(): Promise<void> {
    const { now, parker } = this.#options;
    const worked = this.#workOnHeld();
    if (typeof worked !== "boolean") await worked;
    if (worked !== false) return await this.#turn();
    parker.prepare();
    const due = Math.min(UNSAVED_MS, this.#parts.runner.nextDueMs - now());
    if (this.#parts.runner.hasReady) parker.cancel();
    else await parker.parkAsync(Math.max(1, Math.ceil(due)));
  }

  /** Sequences that the log doesn't hold are passed over, once everything before them is finished. */
  async #jump(to: number): Promise<void> {
    const { progress } = this.#parts;
    while (progress.tracking) {
      if (this.#mode() === "stop") throw new Stopped();
      await this.#goOn();
    }
    progress.passTo(to);
  }

  /** Waits until everything before a sequence is in the log's file. */
  async #untilDurable(before: number): Promise<void> {
    const { ring } = this.#options;
    while (ring.durableSequence < before) {
      if (this.#mode() === "stop") throw new Stopped();
      ring.askToSync(ring.publishedPosition);
      await this.#park(DURABLE_MS);
    }
  }
}
