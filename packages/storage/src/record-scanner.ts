/**
 * Checks records of log files: a buffer that files are read into, and the kernel that walks it. Each has an arena of its
 * own (a few MiB), so that tools and recovery need nothing of the server's.
 */
import { Arena, loadKernel } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";

interface ScanKernel {
  scanRecords(
    start: number,
    end: number,
    maxLength: number,
    crcTable: number,
    expected: number,
    result: number,
  ): number;
  findRecord(start: number, end: number, maxLength: number, crcTable: number, atLeast: number, atMost: number): number;
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

export class RecordScanner {
  /** What is to be scanned: read into its start. Grows for a record that is longer. */
  buffer: Uint8Array;
  #kernel: ScanKernel;
  #crcTable: number;
  #start: number;
  #result: number;
  #words: Uint32Array;
  #doubles: Float64Array;

  constructor(bufferBytes = BUFFER_BYTES) {
    const arena = Arena.create({ bytes: bufferBytes + 32_768 });
    this.#crcTable = createCrcTable(arena).address;
    this.#kernel = loadKernel<ScanKernel>(kernelBase64, arena);
    const result = arena.allocate("result", 48);
    this.#start = arena.allocate("buffer", bufferBytes).address;
    this.#result = result.address;
    this.#words = new Uint32Array(arena.memory.buffer, result.address, 4);
    this.#doubles = new Float64Array(arena.memory.buffer, result.address, 6);
    this.buffer = new Uint8Array(arena.memory.buffer, this.#start, bufferBytes);
  }

  /** A scanner whose buffer takes at least `bytes`: this one, or a larger one. */
  atLeast(bytes: number): RecordScanner {
    return bytes <= this.buffer.length ? this : new RecordScanner(Math.max(bytes, this.buffer.length * 2));
  }

  /**
   * Walks the records in the buffer's bytes [from, to) as long as they are good.
   * @param expected sequence of the first; 0 takes any.
   */
  scan(from: number, to: number, expected: number): ScanEnd {
    return this.#kernel.scanRecords(
      this.#start + from,
      this.#start + to,
      MAX_RECORD_BYTES,
      this.#crcTable,
      expected,
      this.#result,
    ) as ScanEnd;
  }

  /** Offset in [from, to) of a good record whose sequence is in the range, relative to `from`; -1 when there is none. */
  find(from: number, to: number, atLeast: number, atMost: number): number {
    return this.#kernel.findRecord(
      this.#start + from,
      this.#start + to,
      MAX_RECORD_BYTES,
      this.#crcTable,
      atLeast,
      atMost,
    );
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
}
