/**
 * What comes through a lane's ring: taken run by run where it lies, given back as it is taken. Also what a realtime lane
 * gives up when producers ask, and whether what was handled was in time.
 */
import { runAddress } from "@esc/queues/kernel";
import { BatchTaker } from "../bulk/batch-taker.ts";
import type { LaneParts } from "./build-lane.ts";
import { HandledEvent, wasRetried } from "./handled-event.ts";
import type { LaneProcessorOptions } from "./lane-options.ts";

const RUN_BYTES = 1 << 20;
const RELEASE_RECORDS = 64;
/** Divides the records after which bytes are given back: what is judged still lies where it lay. */
const SLA_RECORDS = 16;

export class RingIntake {
  readonly #options: LaneProcessorOptions;
  readonly #parts: LaneParts;
  readonly #stopped: () => boolean;
  readonly #view: HandledEvent;
  /** Of a shard: the sequence behind the last run, and the position there. What lies before it is taken, or another's. */
  #behind = 0;
  #behindPosition = -1;
  /** Where the lane has handlers that take many events at once. */
  readonly #batches: BatchTaker | undefined;

  constructor(options: LaneProcessorOptions, parts: LaneParts, stopped: () => boolean) {
    this.#options = options;
    this.#parts = parts;
    this.#stopped = stopped;
    this.#view = new HandledEvent(options.arenaBytes);
    this.#batches =
      parts.routes && options.handlers.batchHandlers.length > 0
        ? new BatchTaker(options, parts, parts.routes, {
            each: (address, bytes, shift) => this.#takeRun(address, bytes, address + shift),
            blocked: () => this.blocked,
            interrupted: (position) => this.#interrupted(position),
            isOwn: (view) => this.#isOwn(view),
            judge: (from, to) => this.#judge(from, to),
          })
        : undefined;
  }

  /** Whether the lane may take no event now. */
  get blocked(): boolean {
    const { progress, runner, windows } = this.#parts;
    return runner.full || !progress.hasRoom || windows.full;
  }

  /** Whether everything that was published is taken. */
  get empty(): boolean {
    return this.#options.consumer.position >= this.#options.ring.publishedPosition;
  }

  /** Whether {@link take} would do something. */
  get hasWork(): boolean {
    const { consumer, onlyDurable, ring, skipOldest } = this.#options;
    if (skipOldest && ring.skipTarget > consumer.position && this.#parts.progress.hasRoom) return true;
    return !this.blocked && consumer.next(RUN_BYTES, onlyDurable) > 0;
  }

  /** Gives up what is asked for, or takes a run. False when there was nothing to do; a promise where a handler is waited for. */
  take(): boolean | Promise<void> {
    this.#passForeign();
    return this.#skipAsked() || this.#consumeRun();
  }

  /** Takes one run. False when there is none, or no room; a promise when a handler's is to be waited for. */
  #consumeRun(): boolean | Promise<void> {
    if (this.blocked) return false;
    const { consumer, handlers, counters, onlyDurable, share, stages } = this.#options;
    const records = consumer.next(RUN_BYTES, onlyDurable);
    if (records === 0) return false;
    const { progress } = this.#parts;
    if (consumer.runSequence < progress.next) return this.#passTaken();
    this.#noteRun();
    this.#parts.builtIns?.observe(runAddress(consumer), consumer.runBytes, consumer.runEnd);
    if (handlers.empty && !progress.tracking) {
      share?.find(runAddress(consumer), runAddress(consumer) + consumer.runBytes);
      const events = share?.count ?? records - consumer.runTombstones;
      counters.add("processed", events);
      progress.passTo(consumer.runSequence + records);
      stages?.counted(consumer.runEnd);
      consumer.release(consumer.runEnd, events);
      return true;
    }
    stages?.taken(consumer.runEnd);
    const { runBytes: bytes } = consumer;
    const address = runAddress(consumer);
    const position = consumer.runEnd - bytes;
    const batches = this.#batches;
    const pending =
      batches === undefined
        ? this.#takeRun(address, bytes, position)
        : batches.take(address, bytes, position - address);
    return pending ?? true;
  }

  /** Records that a thread which died had taken, and not given back yet. */
  #passTaken(): true {
    const { consumer, stages } = this.#options;
    const { progress } = this.#parts;
    const view = this.#view;
    const { runBytes: bytes } = consumer;
    const address = runAddress(consumer);
    const toPosition = consumer.runEnd - bytes - address;
    let events = 0;
    let at = address;
    while (at < address + bytes && view.moveTo(at).sequence < progress.next) {
      if (this.#isOwn(view)) events++;
      at += view.paddedBytes;
    }
    stages?.counted(at + toPosition);
    consumer.release(at + toPosition, events);
    return true;
  }

  /**
   * Takes the records of a run one by one; stops with a promise at the first event that must be waited for. The ring's
   * bytes are given back every few records, so that producers needn't wait for the whole run.
   */
  #takeRun(address: number, bytes: number, position: number): Promise<void> | undefined {
    const { consumer, share, stages, state } = this.#options;
    const { progress, runner, sla, taker, windows } = this.#parts;
    const view = this.#view;
    const toPosition = position - address;
    // Of a shard: from one of its own records to the next. What lies between is given back with them.
    const first = share?.find(address, address + bytes);
    const end = share?.end ?? address + bytes;
    let events = 0;
    let at = first ?? address;
    let judged = address;
    state.callingNext();
    for (let n = 1; at < end; n++) {
      if ((runner.held > 0 || windows.full) && this.blocked) break;
      view.moveTo(at);
      if (share !== undefined && !progress.skipTo(view.sequence)) break;
      const next = share === undefined ? at + view.paddedBytes : share.next();
      if (view.tombstone) {
        progress.finishedNext();
      } else {
        const pending = taker.take(view, progress.next);
        events++;
        if (pending !== undefined) return this.#release(pending, judged, next, toPosition, events);
      }
      at = next;
      if (sla !== undefined && (sla.watching || n % SLA_RECORDS === 0)) {
        this.#judge(judged, at);
        judged = at;
      }
      if (n % RELEASE_RECORDS === 0) {
        taker.count();
        stages?.handled(at + toPosition);
        consumer.release(at + toPosition, events);
        events = 0;
        if (this.#interrupted(at + toPosition)) break;
      }
    }
    state.calling = 0;
    taker.count();
    if (judged < at) this.#judge(judged, at);
    stages?.handled(at + toPosition);
    consumer.release(at + toPosition, events);
    this.#passForeign();
    return undefined;
  }

  #noteRun(): void {
    const { consumer, share } = this.#options;
    if (share === undefined) return;
    this.#behind = consumer.runSequence + consumer.runRecords;
    this.#behindPosition = consumer.runEnd;
  }

  /** A shard has come to the end of a run: what lies there of others has no part in its progress. */
  #passForeign(): void {
    if (this.#options.consumer.position === this.#behindPosition) this.#parts.progress.skipTo(this.#behind);
  }

  /** Whether a record is an event of this processor's. */
  #isOwn(view: HandledEvent): boolean {
    return !view.tombstone && this.#options.share?.owns(view.topicHash, view.sequence) !== false;
  }

  /** What {@link #takeRun} leaves to do when an event must be waited for. */
  async #release(
    pending: Promise<void>,
    judged: number,
    at: number,
    toPosition: number,
    events: number,
  ): Promise<void> {
    await pending;
    this.#options.state.calling = 0;
    this.#parts.taker.count();
    this.#judge(judged, at);
    this.#options.stages?.handled(at + toPosition);
    this.#options.consumer.release(at + toPosition, events);
  }

  /** Whether the records in [from, to), which were taken just now, were handled within their topics' SLA. */
  #judge(from: number, to: number): void {
    const { progress, sla } = this.#parts;
    const view = this.#view;
    // The first one came first: if it is in time now, so were all of them when they were done.
    if (sla === undefined || sla.inTime(view.moveTo(from).timeMs)) return;
    for (let at = from; at < to; at += view.paddedBytes) {
      view.moveTo(at);
      if (!this.#isOwn(view)) continue;
      const plan = this.#options.handlers.find(view);
      // What is held is judged when it is done.
      if (plan.sla !== undefined && progress.isFinished(view.sequence) && !wasRetried(view))
        sla.judged(plan.sla, view.timeMs);
      view.moveTo(at);
    }
  }

  /** Whether the run should be left: a stop, or producers that ask for the space. */
  #interrupted(position: number): boolean {
    const { ring, skipOldest } = this.#options;
    return this.#stopped() || (skipOldest && ring.skipTarget > position);
  }

  /** Gives up the events that producers ask for. Each becomes a dead letter, or a counted drop when there is no room. */
  #skipAsked(): boolean {
    const { consumer, counters, deadLetters, ring, share, skipOldest, stages } = this.#options;
    const { progress } = this.#parts;
    if (!skipOldest) return false;
    const target = ring.skipTarget;
    if (consumer.position >= target || !progress.hasRoom) return false;
    const records = consumer.next(Math.min(RUN_BYTES, target - consumer.position));
    if (records === 0) return false;
    if (consumer.runSequence < progress.next) return this.#passTaken();
    this.#noteRun();
    this.#parts.builtIns?.observe(runAddress(consumer), consumer.runBytes, consumer.runEnd);
    const view = this.#view;
    const { runBytes: bytes } = consumer;
    const address = runAddress(consumer);
    const toPosition = consumer.runEnd - bytes - address;
    const first = share?.find(address, address + bytes);
    const end = share?.end ?? address + bytes;
    let events = 0;
    let at = first ?? address;
    for (let n = 1; at < end && progress.hasRoom; n++) {
      view.moveTo(at);
      if (share !== undefined && !progress.skipTo(view.sequence)) break;
      if (!view.tombstone) {
        const kept = deadLetters.write(view, { reason: "lane_overflow", attempts: 0 });
        counters.add(kept ? "deadLettered" : "dropped.overflow");
        events++;
      }
      at = share === undefined ? at + view.paddedBytes : share.next();
      progress.finishedNext();
      if (n % RELEASE_RECORDS === 0) {
        consumer.release(at + toPosition, events);
        events = 0;
      }
    }
    stages?.skipped(at + toPosition);
    consumer.release(at + toPosition, events);
    this.#passForeign();
    return true;
  }
}
