/** The scan kernel's context, as its faces fill it in: a scanner of sockets' bytes, a publisher. `assembly/scan.ts` has the layout. */
import type { Overflow, TopicTable } from "@esc/dispatcher";
import { EscError, LANE_NAMES, type LaneName, type Source } from "@esc/events";
import type { CounterBlock, MonotonicClock, StampRing } from "@esc/metrics";
import type { RecordRing } from "@esc/queues";
import { ringAddress } from "@esc/queues/kernel";

export interface ScanKernel {
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

export const CONTEXT_BYTES = 192 + 3 * 64;
/** Where lane 0 begins, and what each takes, in words. */
export const LANE_WORD = 48;
export const LANE_WORDS = 16;
/** Whether what finds its lane full stays with the caller. */
const KEEPS_WORD = 28;
/** By lane, where stamps go. */
const LATENCY_WORD = 32;
/** Whether a scan stops where it is another producer's turn. */
export const PATIENT_WORD = 35;
export const PLAN_ENTRIES = 4_096;
export const PLAN_ENTRY_BYTES = 16;
export const REFUSAL_ENTRIES = 1_024;

/** Bits 3 and 7 of a control byte are 0 on the wire. */
const WIRE_RESERVED = 0x88;

/** What the lanes of one ingest thread are: where records go and which slot is this thread's. */
export interface ScannerLanes {
  readonly ring: RecordRing;
  readonly producer: number;
}

export interface ScanSettings {
  readonly source: Source;
  /** Longest frame taken, in bytes behind its length. */
  readonly maxFrameBytes: number;
  readonly topics: TopicTable;
  readonly lanes: Readonly<Record<LaneName, ScannerLanes>>;
  /** What to do when a lane is full, by lane. */
  readonly overflow: Readonly<Record<LaneName, Overflow>>;
  readonly counters: Pick<CounterBlock<string>, "address">;
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

/** Where the parts of a context lie, and in what a publisher's differs from a socket's. */
export interface ScanContextParts extends ScanSettings {
  readonly crcTable: number;
  readonly plan: number;
  readonly refusals: number;
  /** Entries of the refusals; {@link REFUSAL_ENTRIES} unless given. */
  readonly refusalEntries?: number;
  /** Control bits that refuse a frame: the wire's unless given. */
  readonly forbidden?: number;
  /** Whether what finds its lane full stays with the caller. */
  readonly keeps?: boolean;
  /** Whether a scan stops where it is another producer's turn, as it does unless told otherwise. */
  readonly patient?: boolean;
}

/**
 * Fills a context's settings in.
 * @throws EscError `ESC_FRAME_LIMIT` when the longest frame doesn't fit into half of every lane's ring.
 */
export function writeScanContext(words: Uint32Array, parts: ScanContextParts): void {
  words.set(
    [
      parts.crcTable,
      parts.topics.address,
      parts.plan,
      PLAN_ENTRIES,
      parts.maxFrameBytes,
      parts.source,
      parts.counters.address,
      parts.refusals,
      parts.refusalEntries ?? REFUSAL_ENTRIES,
      parts.forbidden ?? WIRE_RESERVED,
    ],
    0,
  );
  words[KEEPS_WORD] = parts.keeps === true ? 1 : 0;
  words[PATIENT_WORD] = parts.patient === false ? 0 : 1;
  for (const [index, lane] of LANE_NAMES.entries()) {
    const { ring, producer } = parts.lanes[lane];
    // A record has 32 bytes of header where the frame has 3 of its own.
    if (parts.maxFrameBytes + 40 > ring.maxRecordBytes) {
      throw new EscError(
        "ESC_FRAME_LIMIT",
        `Frames of ${parts.maxFrameBytes} bytes don't fit into half of lane ${lane}'s ring of ${ring.capacityBytes} bytes: enlarge the ring or lower the limit.`,
      );
    }
    words.set([ringAddress(ring), producer, parts.overflow[lane]], LANE_WORD + index * LANE_WORDS);
    words[LATENCY_WORD + index] = parts.latency?.stamps[lane].address ?? 0;
  }
}
