/**
 * Events whose time has not come. Pure: time comes in as an argument.
 *
 * Which events they are (sequence and time, not their bytes) lies in a table that is handed in. In shared memory it
 * survives the death of the thread: who takes over reads the events again from the lane's log. A place in the table is
 * freed when the event is finished, not when it is delivered, so that a death in between delivers it again.
 *
 * | index | field |
 * |---|---|
 * | 2·i | sequence of entry i |
 * | 2·i + 1 | when it is due, ms since the epoch; 0 where entry i is free |
 */
import TinyQueue from "tinyqueue";

/** An event in the schedule. */
export interface Delayed<Event> {
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly dueMs: number;
  /** What it can be cancelled by: the id in hex, where the event has one. */
  readonly id: string | undefined;
  readonly bytes: number;
  readonly event: Event;
}

/** A place in the schedule as the table and checkpoints tell it. */
export type Pending = readonly [sequence: number, dueMs: number];

interface Entry<Event> extends Delayed<Event> {
  readonly slot: number;
  state: "pending" | "delivered" | "done";
}

/** Cancelled entries stay in the heap until they come up, unless there are more of them than this and than others. */
const DEAD_ENTRIES = 64;

export class DelaySchedule<Event> {
  readonly #table: Float64Array;
  readonly #maxBytes: number;
  readonly #free: number[] = [];
  /** Entries that the table held before, by sequence: those of a thread that has died. */
  readonly #left = new Map<number, number>();
  readonly #byId = new Map<string, Set<Entry<Event>>>();
  #heap = queue<Event>();
  #size = 0;
  #pending = 0;
  #bytes = 0;
  #changes = 0;

  /**
   * @param table two numbers for each event that it may hold. What it holds already stays until it is added again, or
   *   {@link abandon}ed: {@link pendingIn} tells it.
   * @param maxBytes of events' bytes at most.
   */
  constructor(table: Float64Array, maxBytes: number) {
    this.#table = table;
    this.#maxBytes = maxBytes;
    for (let slot = table.length / 2 - 1; slot >= 0; slot--) {
      if (table[slot * 2 + 1] === 0) this.#free.push(slot);
      else this.#left.set(table[slot * 2] as number, slot);
    }
  }

  /** What a table holds. */
  static pendingIn(table: Float64Array): Pending[] {
    const pending: Pending[] = [];
    for (let at = 0; at < table.length; at += 2) {
      const dueMs = table[at + 1] as number;
      if (dueMs > 0) pending.push([table[at] as number, dueMs]);
    }
    return pending.sort(([a], [b]) => a - b);
  }

  /** Events that are not finished, delivered ones included. */
  get size(): number {
    return this.#size;
  }

  /** Counts up with every change of {@link pending}. */
  get changes(): number {
    return this.#changes;
  }

  /** Bytes of the events that are not delivered yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the next event is due; Infinity when none waits. */
  get nextDueMs(): number {
    this.#dropDead();
    return this.#heap.peek()?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Whether an event of so many bytes would be refused. */
  isFullFor(bytes: number): boolean {
    return this.#free.length === 0 || this.#bytes + bytes > this.#maxBytes;
  }

  /** An event that the table held before doesn't come: it can't be read any more, or will be taken anew. */
  abandon(sequence: number): void {
    const slot = this.#left.get(sequence);
    if (slot === undefined) return;
    this.#left.delete(sequence);
    this.#table[slot * 2 + 1] = 0;
    this.#free.push(slot);
  }

  /** @returns false when there is no room: nothing was changed. One that the table held before has its place. */
  add(delayed: Delayed<Event>): boolean {
    const left = this.#left.get(delayed.sequence);
    if (left === undefined && this.isFullFor(delayed.bytes)) return false;
    this.#left.delete(delayed.sequence);
    const slot = left ?? (this.#free.pop() as number);
    const entry: Entry<Event> = { ...delayed, slot, state: "pending" };
    // The time last: it is what says that the entry is one.
    this.#table[slot * 2] = entry.sequence;
    this.#table[slot * 2 + 1] = entry.dueMs;
    this.#heap.push(entry);
    this.#changes++;
    this.#size++;
    this.#pending++;
    this.#bytes += entry.bytes;
    if (entry.id !== undefined) {
      const same = this.#byId.get(entry.id);
      if (same === undefined) this.#byId.set(entry.id, new Set([entry]));
      else same.add(entry);
    }
    return true;
  }

  /** Takes the next event that is due; undefined when there is none. Say {@link finish} when it is finished. */
  takeDue(nowMs: number): Delayed<Event> | undefined {
    this.#dropDead();
    const entry = this.#heap.peek();
    if (entry === undefined || entry.dueMs > nowMs) return undefined;
    this.#heap.pop();
    entry.state = "delivered";
    this.#leave(entry);
    return entry;
  }

  /** An event that was taken is finished. */
  finish(delayed: Delayed<Event>): void {
    const entry = delayed as Entry<Event>;
    if (entry.state !== "delivered") throw new TypeError(`an event that is ${entry.state} can't be finished`);
    this.#forget(entry);
  }

  /** Takes the events of an id out again, those that are delivered already excepted. Returns them. */
  cancel(id: string): Delayed<Event>[] {
    const entries = [...(this.#byId.get(id) ?? [])];
    for (const entry of entries) {
      this.#leave(entry);
      this.#forget(entry);
    }
    if (this.#heap.length > 2 * this.#pending + DEAD_ENTRIES) {
      this.#heap = queue(this.#heap.data.filter(({ state }) => state === "pending"));
    }
    return entries;
  }

  /** Every event that is not finished, in order of sequences. */
  pending(): Pending[] {
    return DelaySchedule.pendingIn(this.#table);
  }

  /** The events that are not delivered, the next one first, at most `limit`. */
  upcoming(limit: number): Delayed<Event>[] {
    const all = this.#heap.data.filter(({ state }) => state === "pending");
    return all.sort(byDue).slice(0, limit);
  }

  #leave(entry: Entry<Event>): void {
    this.#pending--;
    this.#bytes -= entry.bytes;
    if (entry.id === undefined) return;
    const same = this.#byId.get(entry.id);
    same?.delete(entry);
    if (same?.size === 0) this.#byId.delete(entry.id);
  }

  #forget(entry: Entry<Event>): void {
    entry.state = "done";
    this.#changes++;
    this.#size--;
    this.#table[entry.slot * 2 + 1] = 0;
    this.#free.push(entry.slot);
  }

  #dropDead(): void {
    while (this.#heap.peek()?.state === "done") this.#heap.pop();
  }
}

function queue<Event>(entries: Entry<Event>[] = []): TinyQueue<Entry<Event>> {
  return new TinyQueue(entries, byDue);
}

function byDue(a: Delayed<unknown>, b: Delayed<unknown>): number {
  return a.dueMs - b.dueMs || a.sequence - b.sequence;
}
