/**
 * What a lane's thread does before it takes anything new: after the process began, from what the checkpoint says; after a
 * thread of the lane died, from what that one left in shared memory. `docs/processing.md` goes through the cases.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CounterBlock } from "@esc/metrics";
import type { RecordShare } from "@esc/queues/kernel";
import type { LogGap } from "@esc/storage";
import { DelaySchedule, type Pending } from "../delay/delay-schedule.ts";
import type { HandlerLogger } from "../handler.ts";
import { isToTake, type PastLayouts } from "../shards/past-layouts.ts";
import type { Checkpoint } from "./checkpoint-file.ts";
import type { ProcessorCounter } from "./counters.ts";
import type { Duplicates } from "./duplicates.ts";
import type { EventTaker } from "./event-taker.ts";
import { EventKey, type HandledEvent } from "./handled-event.ts";
import type { LaneProgress } from "./lane-progress.ts";
import type { LaneState } from "./lane-state.ts";
import type { LaneWindows } from "./lane-windows.ts";
import { LogEvents, readSequences } from "./log-events.ts";

export interface LaneRecoveryOptions {
  /** The lane's log. */
  readonly dir: string;
  /** First sequence that comes through the ring. */
  readonly to: number;
  /** Whether the process has just begun; else a thread of the lane has died. */
  readonly fresh: boolean;
  /** What the checkpoint says. */
  readonly checkpoint: Checkpoint;
  readonly logger: HandlerLogger;
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly state: LaneState;
  readonly progress: LaneProgress;
  readonly windows: LaneWindows;
  readonly schedule: DelaySchedule<HandledEvent>;
  readonly duplicates: Duplicates | undefined;
  readonly taker: EventTaker;
  /** Which of the lane's events are the processor's; all unless given. */
  readonly share: RecordShare | undefined;
  /** What shards before had done, and windows that they left: see {@link LaneStartPoint}. */
  readonly past: PastLayouts | undefined;
  readonly inherited: readonly Pick<Checkpoint, "windows" | "closed">[] | undefined;
  /** Resolves once there is room for one event more; rejects when the lane stops. */
  readonly room: () => Promise<void>;
  /** Resolves once everything before a sequence is in the log's file. */
  readonly durable: (before: number) => Promise<void>;
  /** Milliseconds from any start. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Work is interrupted for the thread's other business after so long, ms. */
const TURN_MS = 8;

export class LaneRecovery {
  readonly #options: LaneRecoveryOptions;
  #turnEnds = 0;

  constructor(options: LaneRecoveryOptions) {
    this.#options = options;
  }

  /** Brings the lane to where it was. Then everything below the progress's next sequence is finished or held. */
  async run(): Promise<void> {
    const { checkpoint, counters, fresh, inherited = [], logger, past, progress, state, windows } = this.#options;
    if (fresh) {
      progress.restore(checkpoint.cursor, checkpoint.finished);
    } else {
      counters.add("processed", state.uncounted);
      // These were counted as accepted, and the events that published them are handled again.
      counters.add("dropped.emit", state.pendingEmits);
      state.uncounted = state.pendingEmits = 0;
    }
    windows.past = past;
    const gone = inherited.flatMap((left) => {
      const given = windows.restore(left.windows, left.closed, checkpoint.windowsNext);
      windows.flush();
      return given;
    });
    gone.push(...windows.restore(checkpoint.windows, checkpoint.closed, checkpoint.windowsNext));
    if (gone.length > 0)
      logger.warn(`open windows of ${gone.join(", ")} are given up: no handler defines them any more`);
    if (!fresh) await this.#options.durable(progress.next);
    await this.#restoreSchedule();
    const from = windows.count > 0 ? Math.min(progress.cursor, Math.max(1, checkpoint.windowsNext)) : progress.cursor;
    await this.#rememberIds(from);
    if (from < progress.next) await this.#takeUnfinished(from);
  }

  async #restoreSchedule(): Promise<void> {
    const { checkpoint, counters, dir, fresh, logger, past, progress, schedule, state } = this.#options;
    const listed: readonly Pending[] = fresh ? checkpoint.delayed : DelaySchedule.pendingIn(state.delayed);
    const pending = new Map<number, number>();
    for (const [sequence, dueMs] of listed) {
      // One that isn't finished for the lane will be taken, and by that delayed, once more.
      // Whose one of a shard before this was, only the event itself tells.
      const told = past !== undefined && sequence < past.horizon;
      if (told || progress.isFinished(sequence)) pending.set(sequence, dueMs);
      else schedule.abandon(sequence);
    }
    const wanted = [...pending.keys()].sort((a, b) => a - b);
    for (const event of readSequences(dir, wanted)) {
      const { sequence, id, paddedBytes: bytes } = event;
      const dueMs = pending.get(sequence) as number;
      pending.delete(sequence);
      if (!progress.isFinished(sequence) && past?.isFinished(event.topicHash, sequence) !== true) {
        schedule.abandon(sequence);
        continue;
      }
      const added = schedule.add({ sequence, dueMs, bytes, event, id: id && Buffer.from(id).toString("hex") });
      if (fresh) counters.add("replayed");
      if (!added) {
        // The schedule was larger when it took them.
        await this.#options.room();
        this.#options.taker.refuseDelayed(event);
      }
      await this.#breathe();
    }
    for (const sequence of pending.keys()) {
      schedule.abandon(sequence);
      logger.error(`event ${sequence}, which waited for its time, is not in the log any more`);
    }
  }

  /** Reads the ids of the window before a sequence. */
  async #rememberIds(before: number): Promise<void> {
    const { clock, duplicates, dir, taker } = this.#options;
    if (duplicates === undefined || before <= 1) return;
    // The window ends where the next event begins: ids before it are judged by that event's own time.
    const next = readSequences(dir, [before]).next().value;
    const fromTimeMs = (next?.timeMs ?? clock()) - duplicates.windowMs;
    using events = new LogEvents({ dir, fromTimeMs });
    for (let view = events.next(); view !== undefined && view.sequence < before; view = events.next()) {
      if (!view.tombstone && this.#isOwn(view)) taker.remember(view);
      await this.#breathe();
    }
  }

  /** What was taken before: what isn't finished is taken again, what is goes into windows that don't have it. */
  async #takeUnfinished(from: number): Promise<void> {
    const { counters, dir, duplicates, fresh, past, progress, room, share, state, taker } = this.#options;
    const until = progress.next;
    using events = new LogEvents({ dir, fromSequence: from, onGap: (gap) => this.#tell(gap) });
    let expected = from;
    for (let view = events.next(); view !== undefined && expected < until; view = events.next()) {
      const { sequence } = view;
      if (sequence >= until) break;
      for (; expected < sequence; expected++) this.#giveUp(expected);
      expected++;
      if (view.tombstone || !this.#isOwn(view)) {
        this.#giveUp(sequence);
      } else if (progress.isFinished(sequence)) {
        const known = duplicates?.isDuplicate(view) ?? false;
        if (!known && !view.metadata.has(EventKey.deliverAt)) taker.addToWindows(view, sequence);
      } else if (!isToTake(view, share, past)) {
        taker.remember(view);
        this.#giveUp(sequence);
      } else {
        await room();
        if (fresh) counters.add("replayed");
        state.calling = sequence;
        const pending = taker.take(view, sequence);
        if (pending !== undefined) await pending;
        state.calling = 0;
      }
      await this.#breathe();
    }
    for (; expected < until; expected++) this.#giveUp(expected);
  }

  /** Whether an event is this processor's. */
  #isOwn(view: HandledEvent): boolean {
    return this.#options.share?.owns(view.topicHash, view.sequence) !== false;
  }

  /** A sequence that the log doesn't hold, or that is done with otherwise: nothing can be handled. The gap was told. */
  #giveUp(sequence: number): void {
    const { progress } = this.#options;
    if (!progress.isFinished(sequence)) progress.finish(sequence);
  }

  #tell(gap: LogGap): void {
    this.#options.logger.error(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}`);
  }

  /** Lets the thread's other business have its turn: timers, messages, the heartbeat. */
  async #breathe(): Promise<void> {
    const { now } = this.#options;
    if (now() < this.#turnEnds) return;
    await nextTurn();
    this.#turnEnds = now() + TURN_MS;
  }
}
