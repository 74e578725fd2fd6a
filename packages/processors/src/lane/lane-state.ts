/**
 * What a lane's thread knows that must survive its death: how far it has come, what it had in hand, which events beyond
 * that are finished. In shared memory, written by the lane's thread, read by the main thread at any time and by the next
 * thread of the lane at its start.
 *
 * Numbers (f64, `lane.<lane>.numbers`):
 *
 * | index | field |
 * |---|---|
 * | 0 | next sequence to take: everything below it is finished, held or in the schedule |
 * | 1 | what is being called: a sequence, the negative mark of a window, -0.5 for the one in field 0; 0 between two calls |
 * | 2 | 1 while the tracker counts, because something is held; 0 while everything below field 0 is finished |
 * | 3, 4, 5 | gauges: events held, events delayed, windows open |
 * | 6 | emissions counted as accepted that no ring has yet |
 * | 7 | events processed that are not in the counter yet |
 * | 8 | records of the batch that is being called, from field 0 on; 0 without one |
 * | 9 | sequence before which events go one by one, because a thread died in a batch |
 * | 10 … 521 | 256 pairs: mark, and its share of the deaths of threads; 0, 0 where free |
 * | 522 … | marks of the calls that wait for their promises; 0 where free |
 *
 * Words (i32, `lane.<lane>.words`): 0 the heartbeat, 1 the slot of the lane's consumer in its ring. Then the tracker
 * (`lane.<lane>.tracker`) and the schedule (`lane.<lane>.delayed`).
 * Where a lane is divided into shards, each has all of it under a name of its own.
 *
 * A double is stored by plain stores: eight aligned bytes are never torn on the 64-bit machines that Node runs on. Who
 * reads after the thread's end sees all of them; who reads beside it sees a recent state, which is all a gauge needs.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { CompletionTracker } from "../retry/completion-tracker.ts";

const NEXT = 0;
const CALLING = 1;
const TRACKING = 2;
const HELD = 3;
const DELAYED = 4;
const OPEN_WINDOWS = 5;
const PENDING_EMITS = 6;
const UNCOUNTED = 7;
const NEXT_ONE = -0.5;
const BATCH = 8;
const ONE_BY_ONE = 9;
const CRASHES = 10;
const CRASH_ENTRIES = 256;
const WAITING = CRASHES + 2 * CRASH_ENTRIES;
const BEAT = 0;
const CONSUMER = 1;
const WORDS = 2;
/** Sequences that may be open behind the first unfinished one: 8 KiB of bits. */
export const TRACKER_WINDOW = 65_536;

export interface LaneStateOptions {
  /** Calls that may wait for their promises at once. */
  readonly concurrency: number;
  /** Events that the schedule may hold. */
  readonly delayedEvents: number;
}

export class LaneState {
  /** The schedule's table. */
  readonly delayed: Float64Array;
  readonly tracker: CompletionTracker;
  readonly #numbers: Float64Array;
  readonly #words: Int32Array;

  private constructor(arena: Arena, lane: string) {
    const { buffer } = arena.memory;
    const region = (part: string) => arena.region(regionName(lane, part));
    const [numbers, words, tracker, delayed] = [
      region("numbers"),
      region("words"),
      region("tracker"),
      region("delayed"),
    ];
    this.#numbers = new Float64Array(buffer, regionAddress(numbers), numbers.byteLength / 8);
    this.#words = new Int32Array(buffer, regionAddress(words), WORDS);
    this.tracker = new CompletionTracker(new Uint32Array(buffer, regionAddress(tracker), tracker.byteLength / 4));
    this.delayed = new Float64Array(buffer, regionAddress(delayed), delayed.byteLength / 8);
  }

  /** Arena bytes of one lane's state, alignment included. */
  static bytesFor({ concurrency, delayedEvents }: LaneStateOptions): number {
    return (
      8 * (WAITING + concurrency) +
      4 * WORDS +
      4 * CompletionTracker.wordsFor(TRACKER_WINDOW) +
      16 * delayedEvents +
      512
    );
  }

  /** Makes a lane's state. @param next first sequence to take. */
  static create(arena: Arena, lane: string, next: number, options: LaneStateOptions): LaneState {
    arena.allocate(regionName(lane, "numbers"), 8 * (WAITING + options.concurrency));
    arena.allocate(regionName(lane, "words"), 4 * WORDS);
    arena.allocate(regionName(lane, "tracker"), 4 * CompletionTracker.wordsFor(TRACKER_WINDOW));
    arena.allocate(regionName(lane, "delayed"), 16 * options.delayedEvents);
    const state = new LaneState(arena, lane);
    state.next = next;
    return state;
  }

  /** The same in another thread. */
  static attach(arena: Arena, lane: string): LaneState {
    return new LaneState(arena, lane);
  }

  /** Next sequence to take. */
  get next(): number {
    return this.#numbers[NEXT] as number;
  }

  set next(sequence: number) {
    this.#numbers[NEXT] = sequence;
  }

  /** What is being called: a sequence, the negative mark of a window, or 0. */
  get calling(): number {
    const mark = this.#numbers[CALLING] as number;
    return mark === NEXT_ONE ? this.next : mark;
  }

  /** From here on the next sequence is what is being called: one store for a whole run. */
  callingNext(): void {
    this.#numbers[CALLING] = NEXT_ONE;
  }

  /**
   * Events processed that the counter doesn't have yet: a store an event instead of a call. Who adds both up reads the
   * counter first: then none is counted twice.
   */
  get uncounted(): number {
    return this.#numbers[UNCOUNTED] as number;
  }

  set uncounted(count: number) {
    this.#numbers[UNCOUNTED] = count;
  }

  set calling(mark: number) {
    this.#numbers[CALLING] = mark;
  }

  /** A batch of so many records from the next one on is being called; 0: it isn't any more. */
  set batch(records: number) {
    this.#numbers[BATCH] = records;
  }

  /** Events before this sequence go one by one: a thread died in a batch that they were in. */
  get oneByOneBefore(): number {
    return this.#numbers[ONE_BY_ONE] as number;
  }

  get tracking(): boolean {
    return this.#numbers[TRACKING] === 1;
  }

  set tracking(on: boolean) {
    this.#numbers[TRACKING] = on ? 1 : 0;
  }

  /** The first sequence that isn't finished. */
  get cursor(): number {
    return this.tracking ? this.tracker.cursor : this.next;
  }

  get held(): number {
    return this.#numbers[HELD] as number;
  }

  get delayedEvents(): number {
    return this.#numbers[DELAYED] as number;
  }

  get openWindows(): number {
    return this.#numbers[OPEN_WINDOWS] as number;
  }

  /** Sets the gauges. */
  gauge(held: number, delayed: number, openWindows: number): void {
    this.#numbers[HELD] = held;
    this.#numbers[DELAYED] = delayed;
    this.#numbers[OPEN_WINDOWS] = openWindows;
  }

  get pendingEmits(): number {
    return this.#numbers[PENDING_EMITS] as number;
  }

  set pendingEmits(count: number) {
    this.#numbers[PENDING_EMITS] = count;
  }

  /** A call waits for its promise. @returns the place to give back by {@link settled}. */
  waiting(mark: number): number {
    const numbers = this.#numbers;
    let place = WAITING;
    while (place < numbers.length && numbers[place] !== 0) place++;
    numbers[place] = mark;
    return place;
  }

  settled(place: number): void {
    this.#numbers[place] = 0;
  }

  /** Marks of the calls that wait. */
  waitingMarks(): number[] {
    return [...this.#numbers.subarray(WAITING)].filter((mark) => mark !== 0);
  }

  /** A thread begins: nothing is being called. */
  clearCalls(): void {
    this.#numbers[CALLING] = this.#numbers[BATCH] = 0;
    this.#numbers.fill(0, WAITING);
  }

  /** By mark: its share of the deaths of threads. */
  crashes(): Map<number, number> {
    const crashes = new Map<number, number>();
    for (let at = CRASHES; at < WAITING; at += 2) {
      if (this.#numbers[at] !== 0) crashes.set(this.#numbers[at] as number, this.#numbers[at + 1] as number);
    }
    return crashes;
  }

  /**
   * A thread has died: what it had in hand gets the blame. The call that was being made did it; where none was, those that
   * waited for their promises share it, and only who is there again and again comes to a whole. A batch has a share that is
   * nobody's: its events go one by one from then on, so that the next death is one event's.
   * @returns whether anything was in hand.
   */
  blame(): boolean {
    const marks = this.calling === 0 ? [...new Set(this.waitingMarks())] : [this.calling];
    const batch = this.#numbers[BATCH] as number;
    const suspects = this.calling === 0 && batch > 0 ? marks.length + 1 : marks.length;
    const crashes = this.crashes();
    for (const mark of marks) crashes.set(mark, (crashes.get(mark) ?? 0) + 1 / suspects);
    this.keepCrashes(crashes);
    if (batch > 0) this.#numbers[ONE_BY_ONE] = this.next + batch;
    this.clearCalls();
    return suspects > 0;
  }

  /** Keeps them, as many as there is room for. */
  keepCrashes(crashes: ReadonlyMap<number, number>): void {
    this.#numbers.fill(0, CRASHES, WAITING);
    // The most suspicious first. Adding thirds up to a whole must not fail by a rounding.
    const first = [...crashes].sort(([, a], [, b]) => b - a).slice(0, CRASH_ENTRIES);
    for (const [index, [mark, share]] of first.entries()) {
      this.#numbers[CRASHES + 2 * index] = mark;
      this.#numbers[CRASHES + 2 * index + 1] = Math.round(share * 1e9) / 1e9;
    }
  }

  /** Counts up whenever the thread's event loop turns. */
  beat(): void {
    Atomics.add(this.#words, BEAT, 1);
  }

  get beats(): number {
    return Atomics.load(this.#words, BEAT);
  }

  /** The slot of the lane's consumer in its ring: each thread of the lane takes it over from the one before. */
  get consumer(): number {
    return Atomics.load(this.#words, CONSUMER);
  }

  set consumer(slot: number) {
    Atomics.store(this.#words, CONSUMER, slot);
  }
}

function regionName(lane: string, part: string): string {
  return `lane.${lane}.${part}`;
}
