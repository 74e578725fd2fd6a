/**
 * The log worker's loop: drains rings into logs, syncs in groups, publishes how far each lane is durable.
 *
 * Group commit without a timer: while one sync is under way, records gather in the ring; the next pass writes all of
 * them and syncs once. At a low rate a group is one record and waits for nobody; at a high rate groups grow by themselves.
 */

import type { EscError } from "@esc/events";
import type { Parker, RecordRing, RingConsumer } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import type { LogStore } from "./log-store.ts";

/** When a lane's log is synced. */
export type SyncPolicy =
  /** After every single record, before the next one is looked at: one sync for each, and the lowest rate. */
  | "always"
  /**
   * After each group: what gathered during the sync before, up to {@link LogWriterOptions.groupBytes}. With a
   * {@link LogWriterOptions.groupDelayMs} a smaller group waits for more; acknowledgements wait with it.
   */
  | "group"
  /** At the latest an interval after a record was written, and at once when an acknowledgement waits. */
  | "interval"
  /** Never; what the operating system has counts as durable, and survives a crash of the process only. */
  | "never";

/** A ring and the log it goes to. */
export interface LogLane {
  readonly name: string;
  readonly ring: RecordRing;
  readonly log: LogStore;
  readonly sync: SyncPolicy;
}

/** How a lane's log is doing. */
export type LogState =
  | { readonly kind: "writing" }
  /** A write failed, as on a full disk; it is tried again every second, and nothing is acknowledged meanwhile. */
  | { readonly kind: "waiting"; readonly error: EscError }
  /** A sync failed: final until restart. */
  | { readonly kind: "failed"; readonly error: EscError };

export interface LogWriterOptions {
  readonly lanes: readonly LogLane[];
  /** The arena's bytes: what the consumers' runs are offsets into. */
  readonly arenaBytes: Uint8Array;
  readonly parker: Parker;
  /** Written to one lane before it is synced and the next has its turn, in bytes. */
  readonly groupBytes: number;
  /** How long a group smaller than that waits for more before it is synced, ms; 0, for not at all, unless given. */
  readonly groupDelayMs?: number;
  /** For lanes synced at an interval. */
  readonly syncIntervalMs: number;
  /**
   * How long what follows a write gathers before it is written too, ms, where nobody waits for it: in lanes that are synced at
   * an interval or never. No longer than a quarter of the ring takes at 1 GiB/s (8 ms for 32 MiB), since nobody wakes the thread
   * for a ring that fills up; not at all in a ring under 1 MiB. 0, written at once, unless given.
   */
  readonly gatherMs?: number;
  /**
   * How long the thread looks for more before it sleeps, ms; 0, not at all, unless given. Only while events come so close
   * behind one another that it pays: a wake-up across threads takes tens of microseconds.
   */
  readonly spinMs?: number;
  /** Milliseconds from any start, never going back. */
  readonly now: () => number;
  readonly onState?: (lane: string, state: LogState) => void;
  /** Told that a lane's ring is durable up to a position, right before everybody else can see it. Must not throw. */
  readonly onDurable?: (lane: string, position: number) => void;
}

const RETRY_MS = 1_000;
const IDLE_MS = 1_000;
const SHORTEST_NAP_MS = 0.05;
/** Divides a ring: what may gather in it unwritten. */
const GATHERED_PART = 4;
const LEAST_GATHERING_RING = 1 << 20;
/** Faster than producers fill a ring: about a GiB a second. */
const FILLED_BYTES_PER_MS = 1 << 20;

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #lanes: LaneWriter[];
  /** Since when there is nothing to do, 0 while there is; and how long that was the last time. */
  #idleSince = 0;
  #lastIdle = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#lanes = options.lanes.map((lane) => new LaneWriter(lane, options));
    for (const lane of this.#lanes) lane.wakeOnPublish(options.parker);
  }

  /** The consumer's slot in each lane's ring, in the lanes' order. */
  get slots(): number[] {
    return this.#lanes.map((lane) => lane.consumer.slot);
  }

  /** One pass over the lanes. Returns whether there was anything to do. */
  step(): boolean {
    let busy = false;
    for (const lane of this.#lanes) if (lane.step()) busy = true;
    return busy;
  }

  /**
   * Passes until `stopped` says so and all is durable. Blocks the thread. A lane whose writes fail is tried on until
   * `givenUp`, at once unless given: what it has not taken by then is in the ring, behind its durable position, and lost
   * with it. A lane whose sync failed is past trying.
   */
  run(stopped: () => boolean, givenUp: () => boolean = stopped): void {
    const { parker } = this.#options;
    for (;;) {
      if (this.step()) {
        this.#worked();
        continue;
      }
      const last = stopped();
      if (last) for (const lane of this.#lanes) lane.gathersNoMore();
      if (!last && this.#looksOn()) continue;
      const final = last && givenUp();
      if (last && !this.step() && (final || !this.#lanes.some((lane) => lane.waiting))) break;
      const naps = this.#gathers;
      if (naps) parker.prepareNap();
      else parker.prepare();
      // Once more after the announcement: what was published before it woke nobody.
      if (this.step()) {
        this.#worked();
        parker.cancel();
      } else if (stopped() !== last || (last && givenUp() !== final)) parker.cancel();
      else this.#sleep(naps);
    }
    for (const lane of this.#lanes) lane.finish();
  }

  get #gathers(): boolean {
    for (const lane of this.#lanes) if (lane.gathers) return true;
    return false;
  }

  #sleep(naps: boolean): void {
    const { parker } = this.#options;
    let ms = IDLE_MS;
    for (const lane of this.#lanes) ms = Math.min(ms, lane.dueInMs());
    if (naps) parker.nap(Math.max(SHORTEST_NAP_MS, ms));
    else parker.park(Math.max(1, ms));
  }

  #worked(): void {
    if (this.#idleSince === 0) return;
    this.#lastIdle = this.#options.now() - this.#idleSince;
    this.#idleSince = 0;
  }

  /** Whether to look once more before the sleep: as long as the last rest was one that looking on had outlasted. */
  #looksOn(): boolean {
    const { now, spinMs = 0 } = this.#options;
    if (this.#gathers) return false;
    if (this.#idleSince === 0) this.#idleSince = now();
    return this.#lastIdle < spinMs && now() - this.#idleSince < spinMs;
  }
}

class LaneWriter {
  readonly consumer: RingConsumer;
  readonly #lane: LogLane;
  readonly #options: LogWriterOptions;
  #state: LogState = { kind: "writing" };
  #retryAt = 0;
  /** Position and sequence up to which the file has the records, and since when some of them wait for a sync. */
  #written: number;
  #nextSequence: number;
  #durable: number;
  #unsyncedSince = 0;
  /** What comes may gather until then; 0 while a record that came would be written at once. */
  #gathersUntil = 0;
  readonly #gatherBytes: number;
  #gatherMs: number;

  constructor(lane: LogLane, options: LogWriterOptions) {
    this.#lane = lane;
    this.#options = options;
    this.consumer = lane.ring.consumer();
    this.#written = this.consumer.position;
    this.#durable = this.#written;
    this.#nextSequence = lane.log.nextSequence;
    this.#gatherBytes = Math.min(options.groupBytes, lane.ring.capacityBytes / GATHERED_PART);
    const unhurried = lane.sync === "interval" || lane.sync === "never";
    this.#gatherMs =
      unhurried && lane.ring.capacityBytes >= LEAST_GATHERING_RING
        ? Math.min(options.gatherMs ?? 0, lane.ring.capacityBytes / GATHERED_PART / FILLED_BYTES_PER_MS)
        : 0;
  }

  wakeOnPublish(parker: Parker): void {
    this.#lane.ring.wakeOnPublish(parker, { letsNap: this.#gatherMs > 0 });
  }

  /** Whether what is published now is written when its time is over, so that the thread may nap. Not while writes fail. */
  get gathers(): boolean {
    return this.#gathersUntil > 0 && this.#state.kind === "writing";
  }

  /** From now on all is written at once. */
  gathersNoMore(): void {
    this.#gatherMs = 0;
    this.#gathersUntil = 0;
  }

  /** Writes a group and syncs it where it is due. */
  step(): boolean {
    if (this.#state.kind === "failed") return false;
    if (this.#state.kind === "waiting" && this.#options.now() < this.#retryAt) return false;
    try {
      const wrote = !this.#mayGather() && this.#write();
      const synced = this.#syncDue() && this.#sync();
      return wrote || synced;
    } catch (error) {
      this.#fault(error as EscError);
      return false;
    }
  }

  /** Whether a write failed that may still succeed. */
  get waiting(): boolean {
    return this.#state.kind === "waiting";
  }

  /** Milliseconds until there is something to do without anybody's wake-up. */
  dueInMs(): number {
    if (this.#state.kind === "failed") return IDLE_MS;
    if (this.#state.kind === "waiting") return this.#retryAt - this.#options.now();
    const now = this.#options.now();
    const gatheredMs = this.gathers ? this.#gathersUntil - now : IDLE_MS;
    if (this.#written === this.#durable) return gatheredMs;
    return Math.min(gatheredMs, this.#unsyncedSince + this.#waitMs - now);
  }

  /**
   * Whether what lies in the ring is left to gather. A record after a silence is written at once; then writes are so far
   * apart as said, unless somebody waits for durability or the ring fills up.
   */
  #mayGather(): boolean {
    if (this.#gatherMs === 0) return false;
    const { ring } = this.#lane;
    const now = this.#options.now();
    const bytes = ring.publishedPosition - this.#written;
    if (now < this.#gathersUntil) return bytes < this.#gatherBytes && ring.syncTarget <= this.#durable;
    this.#gathersUntil = bytes > 0 ? now + this.#gatherMs : 0;
    return false;
  }

  /** How long a record that was written may wait for its sync. */
  get #waitMs(): number {
    const { groupDelayMs = 0, syncIntervalMs } = this.#options;
    return this.#lane.sync === "interval" ? syncIntervalMs : groupDelayMs;
  }

  /** A last try where writes failed, the last sync, and the file closed. */
  finish(): void {
    this.#attempt(() => {
      if (this.waiting) while (this.#write());
    });
    this.#attempt(() => {
      if (this.#written !== this.#durable && this.#state.kind !== "failed") this.#sync();
    });
    this.#lane.log.close();
  }

  #attempt(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#fault(error as EscError);
    }
  }

  #write(): boolean {
    const { consumer } = this;
    const { log, sync } = this.#lane;
    const { arenaBytes, now } = this.#options;
    // A run of at most one byte is one record.
    const groupBytes = sync === "always" ? 1 : this.#options.groupBytes;
    let group = 0;
    while (group < groupBytes) {
      const records = consumer.next(groupBytes - group);
      if (records === 0) break;
      log.append(arenaBytes, runAddress(consumer), consumer.runBytes, consumer.runSequence, records);
      if (this.#state.kind === "waiting") this.#enter({ kind: "writing" });
      if (this.#written === this.#durable) this.#unsyncedSince = now();
      group += consumer.runBytes;
      this.#written = consumer.runEnd;
      this.#nextSequence += records;
      consumer.release(this.#written, records - consumer.runTombstones);
    }
    if (group > 0 && sync === "never") this.#publish();
    return group > 0;
  }

  #syncDue(): boolean {
    if (this.#written === this.#durable) return false;
    const { ring, sync } = this.#lane;
    if (sync === "always" || this.#waitMs === 0) return true;
    if (sync === "group" && this.#written - this.#durable >= this.#options.groupBytes) return true;
    if (sync === "interval" && ring.syncTarget > this.#durable) return true;
    return this.#options.now() - this.#unsyncedSince >= this.#waitMs;
  }

  #sync(): boolean {
    this.#lane.log.sync();
    this.#publish();
    return true;
  }

  #publish(): void {
    this.#durable = this.#written;
    this.#options.onDurable?.(this.#lane.name, this.#written);
    this.#lane.ring.publishDurable(this.#written, this.#nextSequence);
  }

  #fault(error: EscError): void {
    if (error.code === "ESC_LOG_WRITE_FAILED") {
      this.#retryAt = this.#options.now() + RETRY_MS;
      if (this.#state.kind !== "waiting") this.#enter({ kind: "waiting", error });
    } else {
      this.#enter({ kind: "failed", error });
    }
  }

  #enter(state: LogState): void {
    this.#state = state;
    this.#options.onState?.(this.#lane.name, state);
  }
}
