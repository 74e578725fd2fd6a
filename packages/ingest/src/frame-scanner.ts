/**
 * The frame scanner's face: an input area that sockets read into, and one kernel call that takes a chunk of it and
 * leaves records in the lanes (`assembly/scan.ts`).
 */

import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import type { Overflow, TopicTable } from "@esc/dispatcher";
import { crcTable, EscError, LANE_NAMES, type LaneName, type Source } from "@esc/events";
import type { CounterBlock, MonotonicClock, StampRing } from "@esc/metrics";
import type { RecordRing } from "@esc/queues";
import { ringAddress } from "@esc/queues/kernel";
import { kernelBase64 } from "./kernel.generated.ts";

interface ScanKernel {
  scan(
    context: number,
    start: number,
    end: number,
    whole: number,
    timeMs: number,
    timeNs: number,
    receivedNs: number,
  ): number;
}

/** How a scan ended. */
export const ScanStatus = {
  /** Every whole frame was taken. */
  done: 0,
  /** A lane is full and its rule is to wait, or it is another producer's turn there and this one's scans are patient. */
  blocked: 1,
  /** The next frame's length is over the limit; the rest was thrown away. */
  tooLong: 2,
  /** There is more: call again. */
  again: 3,
} as const;
export type ScanStatus = (typeof ScanStatus)[keyof typeof ScanStatus];

/** Bytes that one read may bring: larger reads save calls, but no longer fit a core's L2 cache. */
export const READ_BYTES = 262_144;
const CONTEXT_BYTES = 128 + 3 * 64;
/** Of a lane's part of the context. */
const LATENCY_WORD = 15;
const PLAN_ENTRIES = 4_096;
const REFUSAL_ENTRIES = 1_024;

/** What the lanes of one ingest thread are: where records go and which slot is this thread's. */
export interface ScannerLanes {
  readonly ring: RecordRing;
  readonly producer: number;
}

export interface InputAreaOptions {
  /** Longest frame taken, in bytes behind its length. */
  readonly maxFrameBytes: number;
}

/** The memory that one ingest thread reads into: room for what is left of a frame, then for one read. */
export class InputArea {
  /** All of the arena's bytes; offsets below are into it. */
  readonly bytes: Uint8Array;
  /** Where a read goes: the socket fills this view. */
  readonly readView: Uint8Array;
  /** Offset of {@link readView}; what was left over is put right before it. */
  readonly readStart: number;
  /** Bytes that fit before {@link readStart}: a frame and a read, so that a blocked read can come back whole. */
  readonly headroom: number;

  constructor(arena: Arena, name: string, options: InputAreaOptions) {
    this.headroom = options.maxFrameBytes + 4 + READ_BYTES;
    const region = arena.allocate(name, this.headroom + READ_BYTES);
    this.bytes = new Uint8Array(arena.memory.buffer);
    this.readStart = regionAddress(region) + this.headroom;
    this.readView = new Uint8Array(arena.memory.buffer, this.readStart, READ_BYTES);
  }

  /** Arena bytes that an area and its scanners need. */
  static bytesFor(maxFrameBytes: number): number {
    return maxFrameBytes + 4 + 2 * READ_BYTES + 4 * (PLAN_ENTRIES * 24 + REFUSAL_ENTRIES * 8 + CONTEXT_BYTES + 512);
  }
}

export interface FrameScannerOptions {
  readonly source: Source;
  readonly maxFrameBytes: number;
  readonly topics: TopicTable;
  readonly lanes: Readonly<Record<LaneName, ScannerLanes>>;
  /** What to do when a lane is full, by lane. */
  readonly overflow: Readonly<Record<LaneName, Overflow>>;
  readonly counters: CounterBlock<string>;
  /** Where a scan leaves, for each lane, how many events it took up to where, and when; nowhere unless given. */
  readonly latency?: ScannerLatency;
}

/** What the latency of a scan's events is measured from. */
export interface ScannerLatency {
  /** By lane; no other thread writes to them. */
  readonly stamps: Readonly<Record<LaneName, StampRing>>;
  /** The calling thread's. */
  readonly clock: Pick<MonotonicClock, "at">;
}

export class FrameScanner {
  readonly #kernel: ScanKernel;
  readonly #context: number;
  readonly #words: Uint32Array;
  readonly #ends: Float64Array;
  readonly #refusals: Uint32Array;
  readonly #clock: ScannerLatency["clock"] | undefined;

  /** @throws EscError `ESC_FRAME_LIMIT` when the longest frame doesn't fit into half of every lane's ring. */
  constructor(arena: Arena, name: string, options: FrameScannerOptions) {
    const context = arena.allocate(`${name}.context`, CONTEXT_BYTES);
    const plan = arena.allocate(`${name}.plan`, PLAN_ENTRIES * 16);
    const refusals = arena.allocate(`${name}.refusals`, (REFUSAL_ENTRIES + PLAN_ENTRIES) * 8);
    this.#kernel = loadKernel<ScanKernel>(kernelBase64, arena);
    this.#context = regionAddress(context);
    this.#words = new Uint32Array(arena.memory.buffer, regionAddress(context), CONTEXT_BYTES / 4);
    this.#ends = new Float64Array(arena.memory.buffer, regionAddress(context) + 88, 3);
    this.#refusals = new Uint32Array(
      arena.memory.buffer,
      regionAddress(refusals),
      (REFUSAL_ENTRIES + PLAN_ENTRIES) * 2,
    );
    this.#words.set(
      [
        regionAddress(crcTable(arena)),
        options.topics.address,
        regionAddress(plan),
        PLAN_ENTRIES,
        options.maxFrameBytes,
        options.source,
        options.counters.address,
        regionAddress(refusals),
        REFUSAL_ENTRIES,
        1,
      ],
      0,
    );
    for (const [index, lane] of LANE_NAMES.entries()) {
      const { ring, producer } = options.lanes[lane];
      // A record has 32 bytes of header where the frame has 3 of its own.
      if (options.maxFrameBytes + 40 > ring.maxRecordBytes) {
        throw new EscError(
          "ESC_FRAME_LIMIT",
          `Frames of ${options.maxFrameBytes} bytes don't fit into half of lane ${lane}'s ring of ${ring.capacityBytes} bytes: enlarge the ring or lower the limit.`,
        );
      }
      const at = (128 + index * 64) / 4;
      this.#words.set([ringAddress(ring), producer, options.overflow[lane]], at);
      this.#words[at + LATENCY_WORD] = options.latency?.stamps[lane].address ?? 0;
    }
    this.#clock = options.latency?.clock;
  }

  /**
   * Takes the whole frames of [start, end) of the arena. Costs one kernel call; allocates nothing.
   * @param whole nothing follows: a part of a frame at the end is refused.
   */
  scan(start: number, end: number, whole: boolean): ScanStatus {
    const sinceStart = performance.now();
    const now = performance.timeOrigin + sinceStart;
    const timeMs = Math.floor(now);
    const receivedNs = this.#clock === undefined ? 0 : this.#clock.at(sinceStart);
    return this.#kernel.scan(
      this.#context,
      start,
      end,
      whole ? 1 : 0,
      timeMs,
      (now - timeMs) * 1e6,
      receivedNs,
    ) as ScanStatus;
  }

  /**
   * Whether a scan stops where it is another producer's turn in a lane, as it does unless told otherwise. If not, the lane
   * counts as full, and what its rule drops is dropped. Only lanes with several producers ever come to that.
   */
  set patient(patient: boolean) {
    this.#words[9] = patient ? 1 : 0;
  }

  /** Bytes that a frame of this length must have before a scan can take or refuse it: all, or as many as say that it is too long. */
  bytesToScan(length: number): number {
    return length > (this.#words[4] as number) ? 5 : 4 + length;
  }

  /** Bytes that the last scan took. */
  get taken(): number {
    return this.#words[17] as number;
  }

  /** Frames that the last scan took, refused ones included. */
  get frames(): number {
    return this.#words[18] as number;
  }

  /** The last of them (from 1) that asks for an acknowledgement, 0 when none does. */
  get lastAck(): number {
    return this.#words[19] as number;
  }

  /** How many of them were refused, or dropped for want of space. */
  get refused(): number {
    return this.#words[20] as number;
  }

  /** Which frame (from 1) refusal `index` is about. */
  refusedFrame(index: number): number {
    return this.#refusals[index * 2] as number;
  }

  /** Why: a `RefusalCode`. */
  refusedCode(index: number): number {
    return this.#refusals[index * 2 + 1] as number;
  }

  /** The lane that blocks, after {@link ScanStatus.blocked}. */
  get blockedLane(): LaneName {
    return LANE_NAMES[this.#words[21] as number] as LaneName;
  }

  /** Position behind the last scan's records in a lane (by its number), or -1 when it had none there. */
  laneEnd(lane: number): number {
    return this.#ends[lane] as number;
  }
}
