/**
 * Takes the events of a run together: one kernel call fills a batch's columns, one call of the handler takes it, one step
 * of the progress and one of the cursor pass it. What must go one by one (it has metadata, or an id where the lane takes an
 * id once; its topic has several handlers, windows or a delay; its topic is held; a thread died in its batch) goes the way of
 * all other events, where the batch handler gets it as a batch of one.
 */

import type { LaneParts } from "../lane/build-lane.ts";
import { HandledEvent } from "../lane/handled-event.ts";
import { originOf } from "../lane/held-event.ts";
import type { DeadLetterReason } from "../lane/held-work.ts";
import type { LaneProcessorOptions } from "../lane/lane-options.ts";
import { isLate, isPromise } from "../lane/work-runner.ts";
import { BatchCalls, type Published } from "./batch-calls.ts";
import { causeOf, failedIndex } from "./batch-error.ts";
import type { BatchPart } from "./batch-handler.ts";
import { expiringBatch } from "./expiring-batch.ts";
import { RingBatch, Stop } from "./ring-batch.ts";
import type { TopicRoutes } from "./topic-routes.ts";

/** What the ring's intake does for it. Addresses are in the arena, `shift` makes a ring's position of one. */
export interface BatchIntake {
  /** Takes records one by one; may stop early. */
  each(address: number, bytes: number, shift: number): Promise<void> | undefined;
  /** Whether the lane may take no event now. */
  blocked(): boolean;
  /** Whether the run should be left. */
  interrupted(position: number): boolean;
  /** Whether a record is an event of this processor's. */
  isOwn(view: HandledEvent): boolean;
  /** Whether the records were handled in time, where the lane has service levels. */
  judge(from: number, to: number): void;
}

/** Room among held events is looked for again after this, ms. */
const ROOM_MS = 2;

/** Records that go through the handler together: from `at` up to `next`, with `size` rows. */
interface Section {
  readonly at: number;
  readonly next: number;
  readonly shift: number;
  readonly records: number;
  readonly events: number;
}

export class BatchTaker {
  readonly #options: LaneProcessorOptions;
  readonly #parts: LaneParts;
  readonly #intake: BatchIntake;
  readonly #routes: TopicRoutes;
  readonly #batch: RingBatch;
  readonly #view: HandledEvent;
  #calls: BatchCalls;
  /** Events before this sequence go one by one: their batch failed, and nobody said which of them it was. */
  #aloneBefore = 0;

  constructor(options: LaneProcessorOptions, parts: LaneParts, routes: TopicRoutes, intake: BatchIntake) {
    const { arena, context, handlers, ids, name = context.lane, share } = options;
    this.#options = options;
    this.#parts = parts;
    this.#intake = intake;
    this.#routes = routes;
    this.#batch = new RingBatch(arena, name, routes, handlers.batchHandlers, ids !== undefined, share);
    this.#view = new HandledEvent(options.arenaBytes);
    this.#calls = this.#newCalls();
  }

  /** Takes the records of a run, up to the first one that must be waited for. @returns a promise of its settling. */
  take(address: number, bytes: number, shift: number): Promise<void> | undefined {
    const { consumer } = this.#options;
    const end = address + bytes;
    let at = address;
    while (at < end && !this.#intake.blocked()) {
      if (at > address && this.#intake.interrupted(at + shift)) break;
      const pending = this.#takeNext(at, end, shift);
      if (pending !== undefined) return pending;
      const next = consumer.position - shift;
      if (next <= at) break;
      at = next;
    }
    return undefined;
  }

  #takeNext(at: number, end: number, shift: number): Promise<void> | undefined {
    // Of a shard: between the last record taken and this one there may be another's. Without room nothing is taken.
    if (this.#options.share !== undefined && !this.#parts.progress.skipTo(this.#view.moveTo(at).sequence))
      return undefined;
    if (this.#goesAlone()) return this.#intake.each(at, this.#routes.bytesAt(at), shift);
    const batch = this.#batch;
    const { room } = this.#parts.progress;
    let why = batch.fill(at, end, room, false);
    let unlisted = false;
    while (why === Stop.unknown && !unlisted) {
      unlisted = !this.#routes.learn(batch.next);
      if (!unlisted) why = batch.fill(batch.next, end, room, true);
    }
    if (batch.records === 0) {
      return this.#intake.each(at, unlisted ? this.#routes.bytesAt(at) : batch.eachBytes(at, end), shift);
    }
    const section = { at, shift, next: batch.next, records: batch.records, events: batch.events };
    if (batch.size === 0) return this.#finish(section);
    return this.#parts.runner.held > 0 ? this.#callUnheld(section) : this.#call(section);
  }

  /** Whether the next event can't be taken together with others: a thread died with it, or with something, in hand. */
  #goesAlone(): boolean {
    const { progress, runner } = this.#parts;
    const { next } = progress;
    return runner.hasSuspects || next < this.#aloneBefore || next < this.#options.state.oneByOneBefore;
  }

  /** Up to the first event whose topic is held: that one waits behind it. */
  #callUnheld(section: Section): Promise<void> | undefined {
    const batch = this.#batch;
    const { runner } = this.#parts;
    const handler = batch.handler();
    let free = 0;
    while (free < batch.size && !runner.isHeld(handler.batch?.numbers.name(batch.topics[free] as number) ?? "")) free++;
    if (free === batch.size) return this.#call(section);
    const place = batch.places[free] as number;
    if (place === section.at) return this.#intake.each(place, this.#routes.bytesAt(place), section.shift);
    batch.size = free;
    const part = this.#before(section, place);
    return free === 0 ? this.#finish(part) : this.#call(part);
  }

  #call(section: Section): Promise<void> | undefined {
    const { debug, state } = this.#options;
    const batch = this.#batch;
    const handler = batch.handler();
    const expiring = debug ? expiringBatch(batch, section.at, section.next) : undefined;
    const calls = this.#calls;
    calls.begin(batch.size);
    state.batch = section.records;
    let result: void | Promise<void>;
    try {
      result = (handler.batch as BatchPart).handle(expiring?.batch ?? batch, calls);
    } catch (error) {
      expiring?.expire();
      return this.#failed(section, "handler_failed", error);
    }
    if (result !== undefined && isPromise(result)) return this.#settle(section, result, expiring?.expire);
    expiring?.expire();
    return this.#done(section);
  }

  /** Waits where the events lie: the ring's bytes are given back behind it. */
  async #settle(section: Section, result: PromiseLike<void>, expire: (() => void) | undefined): Promise<void> {
    const timeoutMs = this.#options.handlerTimeoutMs;
    try {
      if (await isLate(result, timeoutMs)) {
        const error = new Error(`no answer within ${timeoutMs} ms`);
        this.#calls.expire();
        this.#calls = this.#newCalls();
        return await this.#failed(section, "handler_timeout", error);
      }
    } catch (error) {
      return await this.#failed(section, "handler_failed", error);
    } finally {
      expire?.();
    }
    return await this.#done(section);
  }

  #done(section: Section): Promise<void> | undefined {
    const published = this.#calls.take();
    this.#options.state.batch = 0;
    return published.length === 0 ? this.#finish(section) : this.#publish(section, published);
  }

  /**
   * The handler said which event failed: those before it are done, it goes by its topic's policy, and what lies behind it is
   * offered again. It didn't say: each goes alone, so that what was done already is done once more and no more often.
   */
  #failed(section: Section, reason: DeadLetterReason, error: unknown): Promise<void> | undefined {
    const batch = this.#batch;
    const published = this.#calls.take();
    const said = failedIndex(error, batch.size);
    const failed = said >= 0 ? said : batch.size === 1 ? 0 : -1;
    this.#options.state.batch = 0;
    if (failed < 0) {
      this.#aloneBefore = this.#parts.progress.next + section.records;
      return this.#intake.each(section.at, section.next - section.at, section.shift);
    }
    const cause = said >= 0 ? causeOf(error) : error;
    const place = batch.places[failed] as number;
    const before = this.#before(section, place);
    const sent = published.filter(([row]) => row < failed);
    if (sent.length > 0) {
      return this.#publish(before, sent).then(async () => {
        await this.#room();
        await this.#failedAt(place, section.shift, reason, cause);
      });
    }
    if (before.records > 0) this.#finish(before);
    return this.#failedAt(place, section.shift, reason, cause);
  }

  #failedAt(place: number, shift: number, reason: DeadLetterReason, cause: unknown): Promise<void> | undefined {
    const { consumer } = this.#options;
    const view = this.#view.moveTo(place);
    const next = place + view.paddedBytes + shift;
    const pending = this.#parts.taker.failedInBatch(view, reason, cause);
    this.#options.stages?.handled(next);
    consumer.release(next, 1);
    return pending;
  }

  /** Events that published something are held until the rings have it; the others are finished. */
  async #publish(section: Section, published: readonly Published[]): Promise<void> {
    const { taker } = this.#parts;
    const { shift } = section;
    // The columns are filled anew for the next batch: nothing of them is needed behind the first wait.
    const places = published.map(([row, emissions]) => [this.#batch.places[row] as number, emissions] as const);
    let { at } = section;
    for (const [place, emissions] of places) {
      const before = this.#before({ ...section, at }, place);
      if (before.records > 0) this.#finish(before);
      await this.#room();
      const view = this.#view.moveTo(place);
      at = place + view.paddedBytes;
      const pending = taker.publishedInBatch(view, emissions);
      this.#options.stages?.handled(at + shift);
      this.#options.consumer.release(at + shift, 1);
      if (pending !== undefined) await pending;
    }
    if (at < section.next) this.#finish(this.#before({ ...section, at }, section.next));
  }

  /** Waits until one event more may be held: what is held ends by itself, or by its time. */
  async #room(): Promise<void> {
    const { progress, runner } = this.#parts;
    while (runner.full || !progress.hasRoom) {
      runner.pump();
      await new Promise((resolve) => setTimeout(resolve, ROOM_MS));
    }
  }

  #finish({ at, next, shift, records, events }: Section): undefined {
    const { consumer, counters, stages } = this.#options;
    counters.add("processed", events);
    this.#parts.progress.finishedMany(records);
    this.#intake.judge(at, next);
    stages?.handled(next + shift);
    consumer.release(next + shift, events);
    return undefined;
  }

  /** The part of a section that lies before a record. */
  #before(section: Section, place: number): Section {
    const view = this.#view;
    let records = 0;
    let events = 0;
    for (let at = section.at; at < place; at += view.paddedBytes) {
      records++;
      if (this.#intake.isOwn(view.moveTo(at))) events++;
    }
    return { ...section, next: place, records, events };
  }

  #newCalls(): BatchCalls {
    const { context } = this.#options;
    return new BatchCalls(context, (row) => {
      return originOf(context.lane, this.#view.moveTo(this.#batch.places[row] as number));
    });
  }
}
