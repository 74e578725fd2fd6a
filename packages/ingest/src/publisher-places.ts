/**
 * The places of publishers in shared memory: as many as were made, each with the counters, the scan context and the memory
 * of one publisher. Nothing is cut when a thread comes, so threads may come and go.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | i32 | 1 while events are taken, 0 when no more, 2 when nothing becomes durable any more either |
 * | 4 | u32 ×3 | places, longest frame, bytes of a place's batches |
 * | 128 | i32 | parker, shared: space in a lane |
 * | 256 | i32 | parker, shared: a lane's durable position |
 * | 384 + n·i | | place i |
 *
 * A place (the first 128 bytes: `assembly/publish.ts`):
 *
 * | offset | size | field |
 * |---|---|---|
 * | 128 | u64 ×26 | counters: a socket's 23, then by lane what was counted and lost with its publisher's thread |
 * | 384 | 384 B | scan context |
 * | 768 | 64 KiB | its plan |
 * | … | 64 B | its refusals: there are none, since a publisher checks what it writes |
 * | … | | a single event's frame; the batches |
 */
import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { EscError, LANE_NAMES, type LaneName } from "@esc/events";
import { CounterBlock } from "@esc/metrics";
import type { Parker, RecordRing } from "@esc/queues";
import { parkerAt } from "@esc/queues/kernel";
import { acceptedCounter, INGEST_COUNTERS } from "./ingest-counters.ts";
import { CONTEXT_BYTES, LANE_WORD, LANE_WORDS, PLAN_ENTRIES, PLAN_ENTRY_BYTES } from "./scan-context.ts";

const REGION = "publishers";
const HEADER_BYTES = 384;
const SPACE_PARKER = 128;
const DURABLE_PARKER = 256;
const COUNTERS = 128;
const CONTEXT = 384;
const PLAN = 768;
const REFUSALS = PLAN + PLAN_ENTRIES * PLAN_ENTRY_BYTES;
/** Refusals that there is room for: the kernel asks for at least one. */
export const PUBLISHER_REFUSALS = 8;
const SINGLE = REFUSALS + PUBLISHER_REFUSALS * 8;
/** Behind each frame's memory: words are stored whole, up to 7 bytes too many. */
const SLACK = 8;
const KERNEL_COUNTERS = 23;

/** What a place counts. */
export const PUBLISHER_COUNTERS: readonly string[] = [
  ...INGEST_COUNTERS.slice(0, KERNEL_COUNTERS),
  ...LANE_NAMES.map(endedCounter),
];

/** The counter of the events that were counted as accepted and lost with their publisher's thread. */
export function endedCounter(lane: LaneName): string {
  return `ended.${lane}`;
}

export interface PublisherPlacesOptions {
  /** Publishers at the same time, 0 to 48. */
  readonly places: number;
  /** Longest event in bytes, as a frame without its length. */
  readonly maxFrameBytes: number;
  /** Bytes of all batches of one publisher. */
  readonly batchBytes: number;
}

/** Where the parts of a place lie: for the publisher that has it. */
export interface PublisherPlace {
  readonly index: number;
  readonly address: number;
  readonly openAddress: number;
  readonly counters: CounterBlock<string>;
  readonly context: number;
  readonly plan: number;
  readonly refusals: number;
  readonly single: number;
  readonly singleBytes: number;
  readonly batches: number;
  readonly batchBytes: number;
}

const State = { draining: 0, open: 1, stopped: 2 } as const;

export class PublisherPlaces {
  readonly places: number;
  readonly maxFrameBytes: number;
  readonly #arena: Arena;
  readonly #address: number;
  readonly #words: Int32Array;
  readonly #placeBytes: number;
  readonly #batchBytes: number;

  private constructor(arena: Arena) {
    const region = arena.region(REGION);
    this.#arena = arena;
    this.#address = regionAddress(region);
    this.#words = new Int32Array(arena.memory.buffer, regionAddress(region), region.byteLength / 4);
    this.places = this.#words[1] as number;
    this.maxFrameBytes = this.#words[2] as number;
    this.#batchBytes = this.#words[3] as number;
    this.#placeBytes = placeBytes({ maxFrameBytes: this.maxFrameBytes, batchBytes: this.#batchBytes });
  }

  /** Arena bytes that the places need. Memory that no publisher has touched costs none. */
  static bytesFor(options: PublisherPlacesOptions): number {
    return HEADER_BYTES + options.places * placeBytes(options) + 128;
  }

  /** Makes the places. Once, before other threads attach; nothing is taken before {@link open}. */
  static create(arena: Arena, options: PublisherPlacesOptions): PublisherPlaces {
    const region = arena.allocate(REGION, PublisherPlaces.bytesFor(options) - 128);
    const words = new Int32Array(arena.memory.buffer, regionAddress(region), HEADER_BYTES / 4);
    words[1] = options.places;
    words[2] = options.maxFrameBytes;
    words[3] = options.batchBytes;
    return new PublisherPlaces(arena);
  }

  /** The places in another thread. */
  static attach(arena: Arena): PublisherPlaces {
    return new PublisherPlaces(arena);
  }

  /** Lets publishers be woken for space and for what becomes durable. Once, by the thread that makes the lanes. */
  watch(rings: Readonly<Record<LaneName, RecordRing>>): void {
    for (const lane of LANE_NAMES) {
      rings[lane].wakeOnSpace(this.spaceParker);
      rings[lane].wakeOnDurable(this.durableParker);
    }
  }

  /** Publishers are taken from now on. */
  open(): void {
    Atomics.store(this.#words, 0, State.open);
  }

  /** No event is taken from now on. Then wait until {@link busy} is false: what was being published is in its lane. */
  close(): void {
    Atomics.store(this.#words, 0, State.draining);
    this.spaceParker.unpark();
  }

  /** Nothing becomes durable from now on: who waits for it is told. */
  end(): void {
    Atomics.store(this.#words, 0, State.stopped);
    this.durableParker.unpark();
    this.spaceParker.unpark();
  }

  get isOpen(): boolean {
    return Atomics.load(this.#words, 0) === State.open;
  }

  get hasEnded(): boolean {
    return Atomics.load(this.#words, 0) === State.stopped;
  }

  /** Whether a publisher is in the middle of publishing. */
  get busy(): boolean {
    for (let i = 0; i < this.places; i++) if (Atomics.load(this.#words, this.#word(i) + 2) === 1) return true;
    return false;
  }

  get spaceParker(): Parker {
    return parkerAt(this.#arena, this.#address + SPACE_PARKER, true);
  }

  get durableParker(): Parker {
    return parkerAt(this.#arena, this.#address + DURABLE_PARKER, true);
  }

  /** Takes a place for a thread. @throws EscError `ESC_PUBLISHERS` when all are taken. */
  take(threadId: number): PublisherPlace {
    for (let i = 0; i < this.places; i++) {
      if (Atomics.compareExchange(this.#words, this.#word(i), 0, 1) !== 0) continue;
      Atomics.store(this.#words, this.#word(i) + 1, threadId);
      return this.#place(i);
    }
    const threads = Array.from({ length: this.places }, (_, i) => Atomics.load(this.#words, this.#word(i) + 1));
    throw new EscError(
      "ESC_PUBLISHERS",
      `All ${this.places} publishers are taken (by threads ${threads.join(", ")}): close one, or raise ingestion.in_process.max_publishers.`,
    );
  }

  /** Gives a place back. Its own thread, or once that has ended. */
  free(index: number): void {
    Atomics.store(this.#words, this.#word(index) + 2, 0);
    Atomics.store(this.#words, this.#word(index), 0);
  }

  /** Whether a thread has a place. */
  holds(threadId: number): boolean {
    return this.#ofThread(threadId).length > 0;
  }

  /**
   * Gives back the places of a thread that has ended, after its claims were closed.
   * @param closed in which lanes a claim of the thread was closed: what it had counted there was lost with it.
   */
  giveUp(threadId: number, closed: readonly LaneName[]): void {
    for (const index of this.#ofThread(threadId)) {
      const { counters, context } = this.#place(index);
      const words = new Uint32Array(this.#arena.memory.buffer, context, CONTEXT_BYTES / 4);
      const until = new BigUint64Array(this.#arena.memory.buffer, context + 40, LANE_NAMES.length);
      for (const [number, lane] of LANE_NAMES.entries()) {
        const expected = Number(until[number]);
        const records = words[LANE_WORD + number * LANE_WORDS + 4] as number;
        if (closed.includes(lane) && expected > 0 && counters.value(acceptedCounter(lane)) >= expected) {
          counters.add(endedCounter(lane), records);
        }
      }
      until.fill(0n);
      this.free(index);
    }
  }

  /** The sum of one counter over all places. */
  value(counter: string): number {
    let sum = 0;
    for (let i = 0; i < this.places; i++) sum += this.#counters(i).value(counter);
    return sum;
  }

  #ofThread(threadId: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.places; i++) {
      const word = this.#word(i);
      if (Atomics.load(this.#words, word) === 1 && Atomics.load(this.#words, word + 1) === threadId) found.push(i);
    }
    return found;
  }

  #counters(index: number): CounterBlock<string> {
    return CounterBlock.at(this.#arena, this.#at(index) + COUNTERS, PUBLISHER_COUNTERS);
  }

  #place(index: number): PublisherPlace {
    const address = this.#at(index);
    return {
      ...{ index, address, openAddress: this.#address },
      counters: this.#counters(index),
      context: address + CONTEXT,
      plan: address + PLAN,
      refusals: address + REFUSALS,
      single: address + SINGLE,
      singleBytes: singleBytes(this.maxFrameBytes) - SLACK,
      batches: address + SINGLE + singleBytes(this.maxFrameBytes),
      batchBytes: this.#batchBytes,
    };
  }

  #at(index: number): number {
    return this.#address + HEADER_BYTES + index * this.#placeBytes;
  }

  #word(index: number): number {
    return (this.#at(index) - this.#address) / 4;
  }
}

function singleBytes(maxFrameBytes: number): number {
  return lines(4 + maxFrameBytes + SLACK);
}

function placeBytes({ maxFrameBytes, batchBytes }: Omit<PublisherPlacesOptions, "places">): number {
  return lines(SINGLE + singleBytes(maxFrameBytes) + batchBytes);
}

/** Whole pairs of cache lines. */
function lines(bytes: number): number {
  return Math.ceil(bytes / 128) * 128;
}
