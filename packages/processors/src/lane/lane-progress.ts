/**
 * How far a lane has come. As long as every event is finished when it is taken, that is one number; the tracker joins
 * in when an event is held, and leaves when all are finished again. So a lane of plain handlers pays one store an event.
 */
import type { LaneState } from "./lane-state.ts";

export class LaneProgress {
  readonly #state: LaneState;
  #next: number;
  #tracking: boolean;

  constructor(state: LaneState) {
    this.#state = state;
    this.#next = state.next;
    this.#tracking = state.tracking;
  }

  /** Next sequence to take. */
  get next(): number {
    return this.#next;
  }

  /** The first sequence that isn't finished: everything below needn't be handled ever again. */
  get cursor(): number {
    return this.#tracking ? this.#state.tracker.cursor : this.#next;
  }

  /** Whether the next sequence may be held: not while the first unfinished one is too far behind. */
  get hasRoom(): boolean {
    return !this.#tracking || this.#state.tracker.hasRoom(this.#next);
  }

  /** How many sequences more may be taken, whatever becomes of them. */
  get room(): number {
    if (!this.#tracking) return this.#state.tracker.window;
    return Math.max(0, this.#state.tracker.cursor + this.#state.tracker.window - this.#next);
  }

  /** The finished ones above the cursor, as ranges. */
  get finishedRanges(): [from: number, to: number][] {
    return this.#tracking ? this.#state.tracker.ranges() : [];
  }

  /** Whether an event that was taken before is finished. */
  isFinished(sequence: number): boolean {
    if (sequence >= this.#next) return false;
    return !this.#tracking || this.#state.tracker.isFinished(sequence);
  }

  /** The next event was taken, and is finished. */
  finishedNext(): void {
    if (this.#tracking) this.#state.tracker.finish(this.#next);
    this.#state.next = ++this.#next;
    if (this.#tracking) this.#settle();
  }

  /** So many from the next one on were taken, and are finished. */
  finishedMany(count: number): void {
    if (this.#tracking) for (let n = 0; n < count; n++) this.finishedNext();
    else this.passTo(this.#next + count);
  }

  /** The next event was taken, and is held. */
  heldNext(): void {
    if (!this.#tracking) {
      this.#state.tracker.reset(this.#next);
      this.#tracking = true;
      this.#state.tracking = true;
    }
    this.#state.next = ++this.#next;
  }

  /** Many were taken and finished at once. Only while none is held. */
  passTo(next: number): void {
    this.#state.next = this.#next = next;
  }

  /**
   * What lies before a sequence is none of the lane's business: another shard's, or nobody's. As far as there is room.
   * @returns whether the sequence is the next one now, and may be taken.
   */
  skipTo(sequence: number): boolean {
    if (!this.#tracking) {
      if (sequence > this.#next) this.passTo(sequence);
      return true;
    }
    const { tracker } = this.#state;
    const to = Math.min(sequence, tracker.cursor + tracker.window);
    if (to > this.#next) {
      tracker.finishRange(this.#next, to);
      this.passTo(to);
    }
    return this.#next >= sequence && this.hasRoom;
  }

  /** A held event is finished. */
  finish(sequence: number): void {
    // Nothing below the next one is unfinished then.
    if (!this.#tracking) return;
    this.#state.tracker.finish(sequence);
    this.#settle();
  }

  /** Begins at a cursor with some finished above it, as a checkpoint says: `next` is the first that wasn't taken. */
  restore(cursor: number, ranges: readonly (readonly [from: number, to: number])[]): void {
    const next = ranges.reduce((most, [, to]) => Math.max(most, to + 1), cursor);
    this.passTo(next);
    if (next === cursor) return;
    const { tracker } = this.#state;
    tracker.reset(cursor);
    for (const [from, to] of ranges) for (let sequence = from; sequence <= to; sequence++) tracker.finish(sequence);
    this.#tracking = true;
    this.#state.tracking = true;
    this.#settle();
  }

  get tracking(): boolean {
    return this.#tracking;
  }

  #settle(): void {
    if (this.#state.tracker.cursor !== this.#next) return;
    this.#tracking = false;
    this.#state.tracking = false;
  }
}
