/**
 * The open windows of one definition. Pure: events' times come in with them, the clock's as an argument.
 *
 * Time goes by the events: the watermark is the greatest time seen, and a window is over when the watermark has reached
 * its end. So a backlog that is worked through after a restart gives the same windows as the events did live. Only when
 * nothing has come for a while does the watermark go on by the clock.
 */
import TinyQueue from "tinyqueue";
import { Aggregate, type AggregateState } from "./aggregate.ts";
import type { WindowClosing, WindowDefinition, WindowResult } from "./window-definition.ts";

/** What became of an event. */
export type Added = "in" | "late";

/** The open windows as plain data. */
export interface WindowSetState {
  readonly watermarkMs: number;
  readonly open: readonly OpenState[];
  /** Sliding by count: events of each key so far, modulo the slide. */
  readonly counts: readonly (readonly [key: string, events: number])[];
}

interface OpenState {
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly first: number;
  readonly last: number;
  readonly numbers: AggregateState;
}

interface Open {
  readonly key: string;
  readonly startMs: number;
  /** Infinity for one that no time bounds. */
  readonly endMs: number;
  readonly order: number;
  readonly numbers: Aggregate;
  readonly firstSequence: number;
  lastSequence: number;
  firstMs: number;
  lastMs: number;
  closed: boolean;
}

const DEFAULT_MAX_OPEN = 1_024;
const DEFAULT_IDLE_MS = 60_000;
/** A time further ahead of the clock than this is a mistake, and would end every window before it. */
const MOST_AHEAD_MS = 86_400_000;
/** Closed windows stay in the queues until they come up, unless there are more of them than this and than open ones. */
const DEAD_ENTRIES = 64;

export class WindowSet {
  readonly #definition: WindowDefinition;
  readonly #onClose: (result: WindowResult) => void;
  readonly #maxOpen: number;
  readonly #idleMs: number;
  readonly #latenessMs: number;
  /** Length in time and step from one start to the next; Infinity where time bounds nothing. */
  readonly #ms: number;
  readonly #everyMs: number;
  /** Events that a window takes, and from one start to the next; Infinity where no number bounds. */
  readonly #count: number;
  readonly #every: number;
  readonly #byKey = new Map<string, Open[]>();
  readonly #counts = new Map<string, number>();
  #byEnd = new TinyQueue<Open>([], byEnd);
  #byAge = new TinyQueue<Open>([], byAge);
  #open = 0;
  #opened = 0;
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #lastAddedMs = 0;

  /** @param onClose is called with each window that is closed, within {@link add}, {@link advance} or {@link flush}. */
  constructor(definition: WindowDefinition, onClose: (result: WindowResult) => void) {
    const { shape, maxOpen = DEFAULT_MAX_OPEN, latenessMs = 0 } = definition;
    const bounds: { ms?: number; everyMs?: number; count?: number; every?: number } =
      "tumbling" in shape ? shape.tumbling : shape.sliding;
    this.#definition = definition;
    this.#onClose = onClose;
    this.#maxOpen = maxOpen;
    this.#latenessMs = latenessMs;
    this.#ms = bounds.ms ?? Number.POSITIVE_INFINITY;
    this.#everyMs = bounds.everyMs ?? this.#ms;
    this.#count = bounds.count ?? Number.POSITIVE_INFINITY;
    this.#every = bounds.every ?? this.#count;
    this.#idleMs = definition.idleMs ?? Math.min(this.#ms, DEFAULT_IDLE_MS);
  }

  /** Windows open now. */
  get open(): number {
    return this.#open;
  }

  /**
   * Puts an event into the windows it belongs to; closes those that are over by it.
   * @param timeMs the event's time, whole ms since the epoch.
   * @param nowMs the clock's, for telling when nothing came for a while.
   * @returns "late" when every window it belongs to is over, or its time is a day ahead of the clock: it is in none.
   */
  add(key: string, timeMs: number, value: number, sequence: number, nowMs: number): Added {
    this.#lastAddedMs = nowMs;
    if (this.#ms === Number.POSITIVE_INFINITY) {
      this.#addByCount(key, timeMs, value, sequence);
      return "in";
    }
    if (timeMs > nowMs + MOST_AHEAD_MS) return "late";
    this.#passTo(timeMs);
    let added: Added = "late";
    // Starts are multiples of the slide: the first window that holds the event, and those that begin up to it.
    const first = Math.floor((timeMs - this.#ms) / this.#everyMs) * this.#everyMs + this.#everyMs;
    for (let startMs = first; startMs <= timeMs; startMs += this.#everyMs) {
      if (startMs + this.#ms + this.#latenessMs <= this.#watermarkMs) continue;
      const open = this.#find(key, startMs) ?? this.#begin(key, startMs, startMs + this.#ms, timeMs, sequence);
      this.#put(open, timeMs, value, sequence);
      added = "in";
    }
    return added;
  }

  /** The clock moves on: with nothing coming, windows are closed by it. */
  advance(nowMs: number): void {
    if (this.#watermarkMs === Number.NEGATIVE_INFINITY || nowMs - this.#lastAddedMs < this.#idleMs) return;
    this.#passTo(this.#watermarkMs + nowMs - this.#lastAddedMs);
    this.#lastAddedMs = nowMs;
  }

  /** When {@link advance} may have something to close, by the clock; Infinity when nothing is open that time bounds. */
  get nextAdvanceMs(): number {
    this.#dropClosed();
    return this.#byEnd.length === 0 ? Number.POSITIVE_INFINITY : this.#lastAddedMs + this.#idleMs;
  }

  /** Closes all that is open, the oldest first. */
  flush(): void {
    for (let open = this.#oldest(); open !== undefined; open = this.#oldest()) this.#close(open, "stop");
    this.#counts.clear();
  }

  state(): WindowSetState {
    const open = [...this.#byKey.values()].flat().sort((a, b) => a.order - b.order);
    return {
      watermarkMs: this.#watermarkMs === Number.NEGATIVE_INFINITY ? 0 : this.#watermarkMs,
      open: open.map(({ key, startMs, firstMs, lastMs, endMs, firstSequence, lastSequence, numbers }) => ({
        key,
        // What no time bounds is told by its events' times: JSON has no infinity.
        startMs: endMs === Number.POSITIVE_INFINITY ? firstMs : startMs,
        endMs: endMs === Number.POSITIVE_INFINITY ? lastMs : endMs,
        first: firstSequence,
        last: lastSequence,
        numbers: numbers.state(),
      })),
      counts: [...this.#counts],
    };
  }

  /** Goes on from what {@link state} told. While nothing is open. */
  restore(state: WindowSetState, nowMs: number): void {
    const timed = this.#ms !== Number.POSITIVE_INFINITY;
    if (timed && state.watermarkMs > Math.max(0, this.#watermarkMs)) this.#watermarkMs = state.watermarkMs;
    this.#lastAddedMs = nowMs;
    for (const { key, startMs, endMs, first, last, numbers } of state.open) {
      const open = this.#begin(key, startMs, timed ? endMs : Number.POSITIVE_INFINITY, startMs, first, numbers);
      open.lastSequence = last;
      open.lastMs = endMs;
    }
    for (const [key, events] of state.counts) this.#counts.set(key, events);
  }

  #addByCount(key: string, timeMs: number, value: number, sequence: number): void {
    const sliding = this.#every !== this.#count;
    const events = this.#counts.get(key) ?? 0;
    const begins = sliding ? events === 0 : !this.#byKey.has(key);
    if (sliding) this.#counts.set(key, (events + 1) % this.#every);
    if (begins) this.#begin(key, timeMs, Number.POSITIVE_INFINITY, timeMs, sequence);
    for (const open of [...(this.#byKey.get(key) ?? [])]) this.#put(open, timeMs, value, sequence);
  }

  #find(key: string, startMs: number): Open | undefined {
    return this.#byKey.get(key)?.find((open) => open.startMs === startMs);
  }

  #begin(key: string, startMs: number, endMs: number, timeMs: number, sequence: number, state?: AggregateState): Open {
    if (this.#open >= this.#maxOpen) this.#close(this.#oldest() as Open, "memory");
    const { percentiles = [] } = this.#definition;
    const open: Open = {
      key,
      startMs,
      endMs,
      order: this.#opened++,
      numbers: state === undefined ? new Aggregate(percentiles.length > 0) : Aggregate.from(state),
      firstSequence: sequence,
      lastSequence: sequence,
      firstMs: timeMs,
      lastMs: timeMs,
      closed: false,
    };
    const ofKey = this.#byKey.get(key);
    if (ofKey === undefined) this.#byKey.set(key, [open]);
    else ofKey.push(open);
    if (endMs !== Number.POSITIVE_INFINITY) this.#byEnd.push(open);
    this.#byAge.push(open);
    this.#open++;
    return open;
  }

  #put(open: Open, timeMs: number, value: number, sequence: number): void {
    open.numbers.add(value);
    open.lastSequence = Math.max(open.lastSequence, sequence);
    if (timeMs < open.firstMs) open.firstMs = timeMs;
    if (timeMs > open.lastMs) open.lastMs = timeMs;
    if (open.numbers.count >= this.#count) this.#close(open, "count");
  }

  #passTo(timeMs: number): void {
    if (timeMs <= this.#watermarkMs) return;
    this.#watermarkMs = timeMs;
    for (;;) {
      this.#dropClosed();
      const open = this.#byEnd.peek();
      if (open === undefined || open.endMs + this.#latenessMs > timeMs) return;
      this.#close(open, "time");
    }
  }

  #close(open: Open, closedBy: WindowClosing): void {
    open.closed = true;
    this.#open--;
    const ofKey = this.#byKey.get(open.key) as Open[];
    if (ofKey.length > 1) {
      ofKey.splice(ofKey.indexOf(open), 1);
    } else {
      this.#byKey.delete(open.key);
      this.#counts.delete(open.key);
    }
    this.#compact();
    this.#onClose(this.#result(open, closedBy));
  }

  #result({ key, numbers, ...open }: Open, closedBy: WindowClosing): WindowResult {
    const { name, value, percentiles = [] } = this.#definition;
    const timed = open.endMs !== Number.POSITIVE_INFINITY;
    const startMs = timed ? open.startMs : open.firstMs;
    const number = (of: number) => (value === undefined ? null : of);
    return {
      window: name,
      key,
      id: `${name}/${key}/${startMs}/${open.firstSequence}`,
      startMs,
      endMs: timed ? open.endMs : open.lastMs,
      closedBy,
      firstSequence: open.firstSequence,
      lastSequence: open.lastSequence,
      count: numbers.count,
      sum: numbers.sum,
      min: number(numbers.min),
      max: number(numbers.max),
      mean: number(numbers.mean),
      percentiles: Object.fromEntries(percentiles.map((percent) => [percent, numbers.percentile(percent)])),
    };
  }

  /** The open window that began first. */
  #oldest(): Open | undefined {
    while (this.#byAge.peek()?.closed) this.#byAge.pop();
    return this.#byAge.peek();
  }

  #dropClosed(): void {
    while (this.#byEnd.peek()?.closed) this.#byEnd.pop();
  }

  #compact(): void {
    const most = 2 * this.#open + DEAD_ENTRIES;
    const open = ({ closed }: Open) => !closed;
    if (this.#byEnd.length > most) this.#byEnd = new TinyQueue(this.#byEnd.data.filter(open), byEnd);
    if (this.#byAge.length > most) this.#byAge = new TinyQueue(this.#byAge.data.filter(open), byAge);
  }
}

function byEnd(a: Open, b: Open): number {
  return a.endMs - b.endMs || a.order - b.order;
}

function byAge(a: Open, b: Open): number {
  return a.startMs - b.startMs || a.order - b.order;
}
