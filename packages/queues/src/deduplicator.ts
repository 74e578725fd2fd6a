/**
 * Have I seen this event before? A set of 128-bit ids in shared memory with a sliding window of time, for several threads
 * at once, without a lock. `docs/deduplicator.md` explains the algorithm and its proofs; `assembly/dedup-layout.ts` has the
 * layout.
 */
import { randomBytes } from "node:crypto";
import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import type { DeduplicatorKernel } from "./deduplicator-kernel.ts";
import { type DeduplicatorOptions, geometryOf, KEY_AT, KEY_BYTES } from "./deduplicator-options.ts";
import { ENTRY_BYTES, readSnapshot, SnapshotWriter } from "./deduplicator-snapshot.ts";
import { type DeduplicatorStatistics, MAX_REPORT_NUMBERS, readReport } from "./deduplicator-statistics.ts";
import { kernelBase64 } from "./kernel.generated.ts";

const ID_BYTES = 16;
/** Ids that cross into the arena at once. */
const BATCH = 1_024;
const FLAGS_AT = BATCH * ID_BYTES;
const NEXT_AT = FLAGS_AT + BATCH;
const SCRATCH_BYTES = NEXT_AT + 128;
const MAX_TIME = 2 ** 52;

/** A thread that takes part, as {@link Deduplicator.participants} tells. */
export interface DeduplicatorParticipant {
  readonly slot: number;
  /** Whether it is in the middle of an operation, or has ended there. */
  readonly inOperation: boolean;
}

/** Where a deduplicator's control block lies: for the faces of kernels (`@esc/queues/kernel`), with {@link Deduplicator.slot}. */
export let dedupAddress: (dedup: Deduplicator) => number;

export class Deduplicator implements Disposable {
  readonly name: string;
  /** Ids that may be accepted within the window before one is forgotten early. */
  readonly capacity: number;
  /** For how long an accepted id is remembered. */
  readonly windowMs: number;
  /** This instance's place among the threads: what {@link evict} takes when its thread has ended without giving it back. */
  readonly slot: number;
  readonly #address: number;
  readonly #kernel: DeduplicatorKernel;
  readonly #scratch: number;
  readonly #ids: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #report: Float64Array;
  readonly #next: Float64Array;
  #open = true;

  static {
    dedupAddress = (dedup) => dedup.#address;
  }

  private constructor(arena: Arena, name: string, kernel: DeduplicatorKernel) {
    const address = regionAddress(arena.region(regionName(name)));
    const slot = kernel.dedupTakeSlot(address);
    if (slot < 0) {
      throw new EscError(
        "ESC_DEDUP_THREADS",
        `Deduplicator "${name}" has all its threads. Dispose of instances, evict those of threads that have ended, or create it with more \`threads\`.`,
      );
    }
    const scratch = regionAddress(arena.region(scratchName(name))) + slot * SCRATCH_BYTES;
    this.name = name;
    this.slot = slot;
    this.#address = address;
    this.capacity = kernel.dedupCapacity(address);
    this.windowMs = kernel.dedupWindow(address);
    this.#kernel = kernel;
    this.#scratch = scratch;
    this.#ids = new Uint8Array(arena.memory.buffer, scratch, FLAGS_AT);
    this.#flags = new Uint8Array(arena.memory.buffer, scratch + FLAGS_AT, BATCH);
    this.#report = new Float64Array(arena.memory.buffer, scratch, MAX_REPORT_NUMBERS);
    this.#next = new Float64Array(arena.memory.buffer, scratch + NEXT_AT, 2);
  }

  /** Arena bytes that a deduplicator needs, alignment included. @throws EscError `ESC_DEDUP_OPTIONS`. */
  static bytesFor(options: DeduplicatorOptions): number {
    const { bytes, threads } = geometryOf("", options);
    return bytes + threads * SCRATCH_BYTES + 256;
  }

  /**
   * Makes a deduplicator, and this thread's instance of it. Once, before other threads attach.
   * @throws EscError `ESC_DEDUP_OPTIONS` when an option is out of its range; ArenaError when there's no room.
   */
  static create(arena: Arena, name: string, options: DeduplicatorOptions): Deduplicator {
    const { capacity, windowMs, generations, threads, generationIds, buckets, bytes } = geometryOf(name, options);
    const key = options.key ?? randomBytes(KEY_BYTES);
    const address = regionAddress(arena.allocate(regionName(name), bytes));
    arena.allocate(scratchName(name), threads * SCRATCH_BYTES);
    new Uint8Array(arena.memory.buffer).set(key, address + KEY_AT);
    const kernel = loadKernel<DeduplicatorKernel>(kernelBase64, arena);
    kernel.dedupInit(address, generations, threads, buckets, generationIds, windowMs, capacity);
    return new Deduplicator(arena, name, kernel);
  }

  /**
   * An instance for the calling thread. An instance is one thread's; dispose of it when the thread is done.
   * @throws EscError `ESC_DEDUP_THREADS` when all of its threads have one; ArenaError when there is none of that name.
   */
  static attach(arena: Arena, name: string): Deduplicator {
    return new Deduplicator(arena, name, loadKernel<DeduplicatorKernel>(kernelBase64, arena));
  }

  /**
   * Accepts an id unless it was accepted within the window. Its own thread only; never waits, allocates nothing.
   * @param id 16 bytes.
   * @param nowMs the caller's clock in whole ms (fractions are cut). Clocks of threads may differ: each call judges by its own.
   * @returns true when the id is new and by that accepted; false when it is a duplicate, which doesn't renew it.
   * @throws EscError `ESC_DEDUP_ID`, `ESC_DEDUP_TIME`, `ESC_DEDUP_DISPOSED`.
   * @example
   * if (!dedup.checkAndInsert(event.id, Date.now())) return; // seen before
   */
  checkAndInsert(id: Uint8Array, nowMs: number): boolean {
    this.#take(id, nowMs);
    return (
      this.#kernel.dedupCheckAndInsert(this.#address, this.slot, this.#scratch, 1, nowMs, this.#scratch + FLAGS_AT) ===
      1
    );
  }

  /** Whether an id was accepted within the window. Changes nothing. As {@link checkAndInsert} otherwise. */
  has(id: Uint8Array, nowMs: number): boolean {
    this.#take(id, nowMs);
    return this.#kernel.dedupFind(this.#address, this.slot, this.#scratch, 1, nowMs, this.#scratch + FLAGS_AT) === 1;
  }

  /**
   * {@link checkAndInsert} for many ids, in their order: an id that stands twice in them is new once. Allocates nothing per id.
   * @param ids n times 16 bytes.
   * @param isNew becomes 1 for each id that is new, else 0; n bytes or more.
   * @returns how many are new.
   * @throws EscError `ESC_DEDUP_ID` when `ids` isn't whole ids or `isNew` too short; `ESC_DEDUP_TIME`, `ESC_DEDUP_DISPOSED`.
   */
  checkAndInsertMany(ids: Uint8Array, nowMs: number, isNew: Uint8Array): number {
    return this.#many(ids, nowMs, isNew, true);
  }

  /** {@link has} for many ids: `found` becomes 1 for each that is remembered, else 0. Returns how many are. */
  hasMany(ids: Uint8Array, nowMs: number, found: Uint8Array): number {
    return this.#many(ids, nowMs, found, false);
  }

  #many(ids: Uint8Array, nowMs: number, flags: Uint8Array, insert: boolean): number {
    const count = ids.length / ID_BYTES;
    if (!Number.isInteger(count) || flags.length < count) {
      throw new EscError(
        "ESC_DEDUP_ID",
        `Ids are 16 bytes each and have a byte of result each, not ${ids.length} bytes and ${flags.length}.`,
      );
    }
    this.#check(nowMs);
    let hits = 0;
    for (let first = 0; first < count; first += BATCH) {
      const batch = Math.min(BATCH, count - first);
      this.#ids.set(batch === count ? ids : ids.subarray(first * ID_BYTES, (first + batch) * ID_BYTES));
      hits += insert
        ? this.#kernel.dedupCheckAndInsert(
            this.#address,
            this.slot,
            this.#scratch,
            batch,
            nowMs,
            this.#scratch + FLAGS_AT,
          )
        : this.#kernel.dedupFind(this.#address, this.slot, this.#scratch, batch, nowMs, this.#scratch + FLAGS_AT);
      for (let i = 0; i < batch; i++) flags[first + i] = this.#flags[i] as number;
    }
    return hits;
  }

  #take(id: Uint8Array, nowMs: number): void {
    if (id.length !== ID_BYTES) {
      throw new EscError("ESC_DEDUP_ID", `An event id has ${ID_BYTES} bytes, this one has ${id.length}.`);
    }
    this.#check(nowMs);
    this.#ids.set(id);
  }

  #check(nowMs: number): void {
    if (!(Math.abs(nowMs) <= MAX_TIME)) {
      throw new EscError("ESC_DEDUP_TIME", `A clock tells ms within ±2^52, not ${nowMs}.`);
    }
    if (!this.#open) {
      throw new EscError(
        "ESC_DEDUP_DISPOSED",
        `This instance of deduplicator "${this.name}" was disposed of: attach again.`,
      );
    }
  }

  /**
   * How it stands. Its own thread only. Finishes clearing the oldest table if that is under way (up to milliseconds), so that
   * what was forgotten early is counted to the last id unless another thread is at it right now.
   */
  statistics(nowMs: number): DeduplicatorStatistics {
    this.#check(nowMs);
    this.#kernel.dedupReport(this.#address, this.slot, this.#scratch);
    return readReport(this.#report, this.capacity, this.windowMs, nowMs);
  }

  /** Ids remembered at `nowMs`. Its own thread only. Reads the tables: about 10 ms for a million. */
  liveIds(nowMs: number): number {
    let live = 0;
    for (const { number } of this.statistics(nowMs).generations) {
      live += Math.max(0, this.#kernel.dedupCountLive(this.#address, this.slot, number, nowMs));
    }
    return live;
  }

  /**
   * The accepted ids with their times, as chunks to write one behind the other; `deduplicator-snapshot.ts` has the format.
   * Its own thread only. Others may insert meanwhile: it holds every id that was accepted before the first chunk was taken
   * and is still remembered when the last one is; of what is accepted in between, some. Between chunks it holds nothing up.
   */
  *snapshot(): Generator<Uint8Array<ArrayBuffer>, void> {
    const writer = new SnapshotWriter();
    this.#check(0);
    const last = this.#kernel.dedupNewestGeneration(this.#address);
    yield writer.header();
    let generation = 0;
    let bucket = 0;
    while (generation <= last) {
      this.#check(0);
      const { slot } = this;
      const address = this.#address;
      const count = this.#kernel.dedupExport(address, slot, generation, bucket, this.#scratch, this.#scratch + NEXT_AT);
      generation = this.#next[0] as number;
      bucket = this.#next[1] as number;
      if (count > 0) yield writer.block(this.#ids.subarray(0, count * ENTRY_BYTES));
    }
    yield writer.end();
  }

  /**
   * Takes in the ids of a snapshot that are in the window at `nowMs`, oldest generation first, with the times they were
   * accepted at. What is there stays; an id in both is remembered by its later acceptance. Checks the whole snapshot before
   * it takes anything. Its own thread only.
   * @param chunks the snapshot's bytes, cut anywhere.
   * @returns how many ids were taken in.
   * @throws EscError `ESC_DEDUP_SNAPSHOT` (damaged, cut, or none), `ESC_DEDUP_SNAPSHOT_VERSION`: nothing was restored.
   */
  restore(chunks: Iterable<Uint8Array>, nowMs: number): number {
    this.#check(nowMs);
    const perCall = Math.floor(FLAGS_AT / ENTRY_BYTES) * ENTRY_BYTES;
    let restored = 0;
    for (const block of readSnapshot(chunks)) {
      for (let at = 0; at < block.length; at += perCall) {
        const entries = block.subarray(at, at + perCall);
        this.#ids.set(entries);
        const count = entries.length / ENTRY_BYTES;
        const { slot } = this;
        const address = this.#address;
        restored += this.#kernel.dedupRestore(address, slot, this.#scratch, count, nowMs, this.#scratch + FLAGS_AT);
      }
    }
    return restored;
  }

  /** The slots that are taken. Any thread. One that stays `inOperation` while its thread is gone is for {@link evict}. */
  participants(): DeduplicatorParticipant[] {
    const all: DeduplicatorParticipant[] = [];
    for (let slot = 0; slot < this.#threads(); slot++) {
      const phase = this.#kernel.dedupAnnouncedPhase(this.#address, slot);
      if (phase > -2) all.push({ slot, inOperation: phase >= 0 });
    }
    return all;
  }

  /**
   * Frees the slot of a thread that has ended without disposing of its instance: call it from the worker's `exit` event. If it
   * ended in the middle of an operation, tables rotate again from here on. Any thread. Never for a thread that is alive: two
   * would then clear or use one slot.
   */
  evict(slot: number): void {
    if (slot === this.slot || !Number.isInteger(slot) || slot < 0 || slot >= this.#threads()) {
      throw new EscError("ESC_DEDUP_SLOT", `Slot ${slot} is not another thread's slot of deduplicator "${this.name}".`);
    }
    this.#kernel.dedupFreeSlot(this.#address, slot);
  }

  /** Gives the thread's slot back. The ids stay. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#kernel.dedupFreeSlot(this.#address, this.slot);
  }

  #threads(): number {
    return this.#kernel.dedupThreads(this.#address);
  }
}

function regionName(name: string): string {
  return `dedup.${name}`;
}

function scratchName(name: string): string {
  return `dedup.${name}.scratch`;
}
