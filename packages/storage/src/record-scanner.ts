/**
 * Checks records of log files: a buffer that files are read into, and the kernel that walks it. Each has an arena of its
 * own (a few MiB), so that tools and recovery need nothing of the server's.
 */
import { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { createCrcTable, paddedLength, RecordOffset } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";

interface ScanKernel {
  scanRecords(
    start: number,
    end: number,
    maxLength: number,
    crcTable: number,
    expected: number,
    until: number,
    result: number,
  ): number;
  zerosFrom(start: number, end: number): number;
  findRecord(
    start: number,
    end: number,
    available: number,
    maxLength: number,
    crcTable: number,
    atLeast: number,
    atMost: number,
  ): number;
  hashHolds(start: number, end: number): number;
  findLength(start: number, end: number, atLeast: number, maxLength: number, crcTable: number): number;
}

/** Why a walk over records stopped. */
export const ScanEnd = { end: 0, partial: 1, badLength: 2, badCrc: 3, badSequence: 4 } as const;
export type ScanEnd = (typeof ScanEnd)[keyof typeof ScanEnd];

const REASONS = [
  "",
  "the record is cut off",
  "the length can't be a record's",
  "the CRC-32 doesn't fit",
  "the sequence isn't the next one",
];

/** A person's words for why a walk stopped. */
export function scanEndText(end: ScanEnd): string {
  return REASONS[end] as string;
}

/** The longest record that a log may hold: a frame of 64 MiB is far beyond any limit one would configure. */
export const MAX_RECORD_BYTES = 67_108_864;
const BUFFER_BYTES = 4_194_304;
const MIN_BUFFER_BYTES = 4_096;

export class RecordScanner {
  /** What is to be scanned: read into its start. */
  readonly buffer: Uint8Array;
  #kernel: ScanKernel;
  #crcTable: number;
  #start: number;
  #result: number;
  #words: Uint32Array;
  #doubles: Float64Array;
  #view: DataView;

  /** @param atLeastBytes of the buffer: 4 MiB unless given. */
  constructor(atLeastBytes = BUFFER_BYTES) {
    const bufferBytes = paddedLength(Math.max(MIN_BUFFER_BYTES, atLeastBytes));
    const arena = Arena.create({ bytes: bufferBytes + 32_768 });
    this.#crcTable = regionAddress(createCrcTable(arena));
    this.#kernel = loadKernel<ScanKernel>(kernelBase64, arena);
    const result = arena.allocate("result", 56);
    this.#start = regionAddress(arena.allocate("buffer", bufferBytes));
    this.#result = regionAddress(result);
    this.#words = new Uint32Array(arena.memory.buffer, regionAddress(result), 4);
    this.#doubles = new Float64Array(arena.memory.buffer, regionAddress(result), 7);
    this.buffer = new Uint8Array(arena.memory.buffer, this.#start, bufferBytes);
    this.#view = new DataView(arena.memory.buffer, this.#start, bufferBytes);
  }

  /**
   * Walks the records in the buffer's bytes [from, to) as long as they are good.
   * @param expected sequence of the first; 0 takes any.
   * @param until the walk ends before this sequence, as at the end of the bytes; needs `expected`; 0 is no bound.
   */
  scan(from: number, to: number, expected: number, until = 0): ScanEnd {
    return this.#kernel.scanRecords(
      this.#start + from,
      this.#start + to,
      MAX_RECORD_BYTES,
      this.#crcTable,
      expected,
      until,
      this.#result,
    ) as ScanEnd;
  }

  /**
   * Looks in the buffer's bytes [0, to) for a good record whose sequence is in the range.
   * @param available bytes that the file has from the buffer's start on.
   * @returns its offset; -1 when there is none; -2 when the search became too dear (bytes made to look like records);
   *   `-3 - offset` of one that may be good, and of which the buffer holds the beginning only.
   */
  find(to: number, available: number, atLeast: number, atMost: number): number {
    const start = this.#start;
    return this.#kernel.findRecord(start, start + to, available, MAX_RECORD_BYTES, this.#crcTable, atLeast, atMost);
  }

  /** The length from `atLeast` up under which the record at the buffer's start has the CRC it names; 0 when none has. */
  findLength(to: number, atLeast: number): number {
    return this.#kernel.findLength(this.#start, this.#start + to, atLeast, MAX_RECORD_BYTES, this.#crcTable);
  }

  /** Whether a record's header stands at the buffer's start: its topic hash is that of the topic behind it. */
  hashHolds(to: number): boolean {
    return this.#kernel.hashHolds(this.#start, this.#start + to) === 1;
  }

  /** Whether the buffer's bytes [from, to) are all zeros. */
  allZeros(from: number, to: number): boolean {
    return this.#kernel.zerosFrom(this.#start + from, this.#start + to) === to - from;
  }

  /** What the record at an offset says its length is. */
  lengthAt(offset: number): number {
    return this.#view.getUint32(offset + RecordOffset.length, true);
  }

  /** What the record at an offset says its sequence is; not exact beyond 2^53. */
  sequenceAt(offset: number): number {
    const at = offset + RecordOffset.sequence;
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Bytes of the good records of the last scan. */
  get bytes(): number {
    return this.#words[1] as number;
  }

  get records(): number {
    return this.#words[2] as number;
  }

  get tombstones(): number {
    return this.#words[3] as number;
  }

  get firstSequence(): number {
    return this.#doubles[2] as number;
  }

  get lastSequence(): number {
    return this.#doubles[3] as number;
  }

  get firstTimeMs(): number {
    return this.#doubles[4] as number;
  }

  get lastTimeMs(): number {
    return this.#doubles[5] as number;
  }

  /** The latest time of the last scan's records; 0 without any. */
  get maxTimeMs(): number {
    return this.#doubles[6] as number;
  }
}
