/**
 * Stamps of the groups that one thread publishes, in shared memory: `assembly/stamps.ts` has the layout and why it is so.
 * Whoever handles the groups later follows with a {@link StageRecorder}.
 */
import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";
import type { MetricsKernel } from "./metrics-kernel.ts";

const MAGIC = 0x31505453;
const CURSORS_OFFSET = 256;
const CURSOR_BYTES = 128;
const STAMP_BYTES = 24;
const MAX_CAPACITY = 1 << 20;
const MAX_READERS = 16;
/** Words of 4 bytes, and numbers of 8, from the ring's start. */
const Word = { magic: 0, capacity: 1 } as const;
const Double = { droppedStamps: 17, droppedEvents: 18 } as const;

export interface StampRingOptions {
  /** Stamps that fit: a power of two from 2 to 2^20. One that finds no room is counted instead. 24 bytes each. */
  readonly capacity: number;
  /** Who follows: 1 to 16. The slowest decides what room there is. */
  readonly readers: number;
}

export class StampRing {
  /** Address of the ring: for kernels (`@esc/metrics/assembly/stamps`) only. */
  readonly address: number;
  readonly readers: number;
  readonly #kernel: MetricsKernel;
  readonly #doubles: Float64Array;

  private constructor(arena: Arena, address: number, readers: number) {
    this.address = address;
    this.readers = readers;
    this.#kernel = loadKernel<MetricsKernel>(kernelBase64, arena);
    this.#doubles = new Float64Array(arena.memory.buffer, address, CURSORS_OFFSET / 8);
  }

  /** Bytes that an arena needs for a ring. @throws EscError `ESC_STAMPS_OPTIONS`. */
  static bytesFor({ capacity, readers }: StampRingOptions): number {
    const powerOfTwo = Number.isSafeInteger(Math.log2(capacity));
    if (!powerOfTwo || capacity < 2 || capacity > MAX_CAPACITY) {
      throw new EscError(
        "ESC_STAMPS_OPTIONS",
        `capacity takes a power of two from 2 to ${MAX_CAPACITY}, not ${capacity}.`,
      );
    }
    if (!Number.isSafeInteger(readers) || readers < 1 || readers > MAX_READERS) {
      throw new EscError(
        "ESC_STAMPS_OPTIONS",
        `readers takes a whole number from 1 to ${MAX_READERS}, not ${readers}.`,
      );
    }
    return stampsOffset(readers) + capacity * STAMP_BYTES;
  }

  /**
   * Makes an empty ring under a name of its own. Any thread.
   * @throws EscError `ESC_STAMPS_OPTIONS`; ArenaError as {@link Arena.allocate}.
   */
  static create(arena: Arena, name: string, options: StampRingOptions): StampRing {
    const address = regionAddress(arena.allocate(name, StampRing.bytesFor(options), CURSOR_BYTES));
    const words = new Uint32Array(arena.memory.buffer, address, 4);
    words.set([options.capacity, options.readers, stampsOffset(options.readers)], Word.capacity);
    Atomics.store(words, Word.magic, MAGIC);
    return new StampRing(arena, address, options.readers);
  }

  /**
   * The ring of that name, in any thread.
   * @throws ArenaError `ESC_ARENA_REGION_UNKNOWN`; EscError `ESC_STAMPS_NOT_READY` when that region is none (yet).
   */
  static attach(arena: Arena, name: string): StampRing {
    const region = arena.region(name);
    const { byteLength } = region;
    const address = regionAddress(region);
    const words = new Uint32Array(arena.memory.buffer, address, Math.min(byteLength, 16) >> 2);
    if (byteLength < CURSORS_OFFSET || Atomics.load(words, Word.magic) !== MAGIC) {
      throw new EscError(
        "ESC_STAMPS_NOT_READY",
        `Region "${name}" holds no stamps (yet): attach after StampRing.create has returned.`,
      );
    }
    return new StampRing(arena, address, words[2] as number);
  }

  /**
   * Stamps a group. The ring's one writing thread only, before the group is published; about 10 ns, nothing is allocated.
   * @param end position behind the group; never less than the one before.
   * @param receivedNs by a {@link monotonicClock}.
   * @param events 1 or more.
   */
  stamp(end: number, receivedNs: number, events: number): void {
    this.#kernel.stampGroup(this.address, end, receivedNs, events);
  }

  /** Stamps that found no room. Any thread. */
  get droppedStamps(): number {
    return this.#doubles[Double.droppedStamps] as number;
  }

  /** Their events: in no histogram. Any thread. */
  get droppedEvents(): number {
    return this.#doubles[Double.droppedEvents] as number;
  }
}

function stampsOffset(readers: number): number {
  return CURSORS_OFFSET + readers * CURSOR_BYTES;
}
