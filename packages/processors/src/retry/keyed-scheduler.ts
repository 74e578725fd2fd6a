/**
 * Which of the held events may run now. Order is kept per key, not per lane: an event that waits for its retry holds
 * back those behind it under the same key, and nobody else.
 *
 * Pure: time comes in as an argument, nothing is started here. An event may have several keys (one for each of its
 * handlers); it runs when it is the first under all of them. Since every key's queue is in the order of arrival, the
 * oldest event that isn't done is first under all of its keys: it can't be that all wait for each other.
 */
import TinyQueue from "tinyqueue";
import { Fifo } from "./fifo.ts";

export interface KeyedSchedulerOptions {
  /** Events that run at the same time at most, 1 or more. */
  readonly concurrency: number;
  /** Events that are held at most: those that run, wait for a retry or wait behind their key. */
  readonly maxHeld: number;
}

/** A held event. */
export interface Held<Event> {
  readonly event: Event;
  readonly keys: readonly string[];
}

interface Entry<Event> extends Held<Event> {
  /** Counts up: breaks ties between events that are due at once. */
  readonly order: number;
  /** Keys under which others are before it. */
  behind: number;
  state: "waiting" | "ready" | "running" | "retrying";
  /** When a retrying one may run again. */
  dueMs: number;
}

export class KeyedScheduler<Event> {
  readonly #options: KeyedSchedulerOptions;
  readonly #byKey = new Map<string, Fifo<Entry<Event>>>();
  readonly #ready = new Fifo<Entry<Event>>();
  readonly #retrying = new TinyQueue<Entry<Event>>([], (a, b) => a.dueMs - b.dueMs || a.order - b.order);
  #held = 0;
  #running = 0;
  #offered = 0;

  constructor(options: KeyedSchedulerOptions) {
    this.#options = options;
  }

  /** Events held now. */
  get held(): number {
    return this.#held;
  }

  /** Events running now. */
  get running(): number {
    return this.#running;
  }

  /** Whether {@link offer} would be refused. */
  get full(): boolean {
    return this.#held >= this.#options.maxHeld;
  }

  /** Whether an event under the key would have to wait behind another. */
  isHeld(key: string): boolean {
    return this.#byKey.has(key);
  }

  /**
   * Holds an event, behind all that came before it under any of its keys.
   * @param keys at least one.
   * @param notBeforeMs when it may run at the earliest: one that has failed already comes in as a retry.
   * @returns false when as many are held as may be: nothing was changed, offer it again later.
   */
  offer(event: Event, keys: readonly string[], notBeforeMs = 0): boolean {
    if (this.full) return false;
    const distinct = keys.length === 1 ? keys : [...new Set(keys)];
    const entry: Entry<Event> = {
      event,
      keys: distinct,
      order: this.#offered++,
      behind: 0,
      state: "waiting",
      dueMs: notBeforeMs,
    };
    for (const key of distinct) {
      const queue = this.#byKey.get(key);
      if (queue === undefined) {
        const fresh = new Fifo<Entry<Event>>();
        fresh.push(entry);
        this.#byKey.set(key, fresh);
      } else {
        queue.push(entry);
        entry.behind++;
      }
    }
    this.#held++;
    if (entry.behind === 0) this.#unblock(entry);
    return true;
  }

  /** Takes the next event that may run now; undefined when there is none, or enough are running. */
  next(nowMs: number): Held<Event> | undefined {
    for (
      let first = this.#retrying.peek();
      first !== undefined && first.dueMs <= nowMs;
      first = this.#retrying.peek()
    ) {
      this.#retrying.pop();
      this.#makeReady(first);
    }
    if (this.#running >= this.#options.concurrency) return undefined;
    const entry = this.#ready.shift();
    if (entry === undefined) return undefined;
    entry.state = "running";
    this.#running++;
    return entry;
  }

  /**
   * Holds an event and starts it at once, however many run. @returns undefined when the lane is full, or another event is
   * held under one of its keys: nothing was changed.
   */
  startAtOnce(event: Event, keys: readonly string[]): Held<Event> | undefined {
    if (this.full || keys.some((key) => this.#byKey.has(key))) return undefined;
    const entry: Entry<Event> = {
      ...{ event, keys: [...new Set(keys)], order: this.#offered++, behind: 0 },
      ...{ state: "running", dueMs: 0 },
    };
    for (const key of entry.keys) {
      const queue = new Fifo<Entry<Event>>();
      queue.push(entry);
      this.#byKey.set(key, queue);
    }
    this.#held++;
    this.#running++;
    return entry;
  }

  /** Whether {@link next} has something now, were there none running. */
  hasReady(nowMs: number): boolean {
    const first = this.#retrying.peek();
    return this.#ready.length > 0 || (first !== undefined && first.dueMs <= nowMs);
  }

  /** When the next retry is due; Infinity when none waits. */
  get nextDueMs(): number {
    return this.#retrying.peek()?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** A running event failed and is to run again at a time; it stays before all behind it. */
  retryAt(held: Held<Event>, dueMs: number): void {
    const entry = this.#asRunning(held);
    entry.state = "retrying";
    entry.dueMs = dueMs;
    this.#running--;
    this.#retrying.push(entry);
  }

  /** A running event is done: the next under each of its keys moves up. */
  finish(held: Held<Event>): void {
    const entry = this.#asRunning(held);
    this.#running--;
    this.#held--;
    for (const key of entry.keys) {
      const queue = this.#byKey.get(key) as Fifo<Entry<Event>>;
      queue.shift();
      const next = queue.peek();
      if (next === undefined) this.#byKey.delete(key);
      else if (--next.behind === 0) this.#unblock(next);
    }
  }

  /** The entry is the first under all of its keys. */
  #unblock(entry: Entry<Event>): void {
    if (entry.dueMs === 0) {
      this.#makeReady(entry);
    } else {
      entry.state = "retrying";
      this.#retrying.push(entry);
    }
  }

  #makeReady(entry: Entry<Event>): void {
    entry.state = "ready";
    this.#ready.push(entry);
  }

  #asRunning(held: Held<Event>): Entry<Event> {
    const entry = held as Entry<Event>;
    if (entry.state !== "running") throw new TypeError(`an event that is ${entry.state} can't be settled`);
    return entry;
  }
}
