/**
 * Which event ids a lane has had within its window. Nothing of it is written down: at a start it is made anew from the
 * lane's log, where every id is. Times are the events' own, so an event is judged alike live and in a replay.
 */
import { Arena } from "@esc/arena";
import { Deduplicator } from "@esc/queues";
import type { RecordView } from "@esc/storage";

/** A window of ids, as far as a lane needs one. */
export interface IdWindow {
  /** For how long an id is remembered. */
  readonly windowMs: number;
  /** Accepts an id of 16 bytes unless it was accepted within the window; false for a duplicate. */
  checkAndInsert(id: Uint8Array, nowMs: number): boolean;
}

/** One in memory of its own: a lane's thread is the only one that asks, and what a dead thread knew must go with it. */
export function createIdWindow(options: { readonly capacity: number; readonly windowMs: number }): IdWindow {
  const own = { ...options, threads: 1 };
  const arena = Arena.create({ bytes: Deduplicator.bytesFor(own) + 65_536 });
  return Deduplicator.create(arena, "ids", own);
}

export class Duplicates {
  readonly #window: IdWindow;
  readonly #id = new Uint8Array(16);

  constructor(window: IdWindow) {
    this.#window = window;
  }

  get windowMs(): number {
    return this.#window.windowMs;
  }

  /** Whether the event's id was there before; from now on it is. False for one without an id. Makes no object. */
  isDuplicate(view: RecordView): boolean {
    return view.copyIdTo(this.#id) && !this.#window.checkAndInsert(this.#id, view.timeMs);
  }
}
