/**
 * A segment's sparse index: where in the file a sequence or a time is found, without reading the file from its start.
 * It lies beside the segment as `<first sequence>.idx`, is written when the segment is closed (and now and then before),
 * and is a hint only: whoever goes by it checks the record it points to, and a log without any loses time, not events.
 *
 * Header, 96 bytes, little-endian:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | u32 | `ESIX` |
 * | 4 | u32 | version of this layout: 1 |
 * | 8 | u32 | CRC-32 of bytes 16 … 96 |
 * | 12 | u32 | CRC-32 of the entries |
 * | 16 | f64 | first sequence: the segment's name |
 * | 24 | f64 | bytes of the segment that are covered |
 * | 32 | f64 | sequence behind the last record covered |
 * | 40 | f64 | records covered |
 * | 48 | f64 | time of the first record, ms since the epoch; 0 without any |
 * | 56 | f64 | time of the last record |
 * | 64 | f64 | the latest time of all: a clock may have been set back |
 * | 72 | u32 | entries |
 * | 76 | u32 | flags: 1 damage was found in the segment, 2 the segment is closed, 4 what is covered was synced |
 * | 80 | 16 B | zeros |
 *
 * Entry, 24 bytes: f64 sequence of a record · f64 latest time of all records before it in the segment · f64 its offset.
 * One for every 64 KiB of segment (more for longer records), so a 64 MiB segment has 24 KiB of index. The time is a running
 * maximum, so it never goes down and can be searched by halves even if the clock did.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { RecordOffset } from "@esc/events";

/** Bytes of segment from one entry to the next, at least. */
export const INDEX_STEP_BYTES = 65_536;

const MAGIC = 0x58495345;
const VERSION = 1;
const HEADER_BYTES = 96;
const ENTRY_BYTES = 24;
const DAMAGED = 1;
const CLOSED = 2;
const SYNCED = 4;
const FIRST_ENTRIES = 1_024;

/** What an index says of its segment. Plain data. */
export interface SegmentSummary {
  readonly firstSequence: number;
  /** Bytes of the segment that the index knows. */
  readonly coveredBytes: number;
  /** Sequence behind the last record known. */
  readonly nextSequence: number;
  readonly records: number;
  /** Undefined without records. */
  readonly firstTimeMs: number | undefined;
  readonly lastTimeMs: number | undefined;
  readonly maxTimeMs: number;
  /** Damage was found when the segment was read last. */
  readonly damaged: boolean;
  /** Nothing is appended to the segment any more. */
  readonly closed: boolean;
  /** All that is covered was durable when the index was written: if it isn't there, it is lost. */
  readonly synced: boolean;
}

/** Grows with its segment; an add makes no objects, but for the entries' array growing now and then. */
export class SegmentIndex {
  firstSequence: number;
  coveredBytes = 0;
  nextSequence: number;
  records = 0;
  damaged = false;
  closed = false;
  synced = false;
  #firstTimeMs = 0;
  #lastTimeMs = 0;
  #maxTimeMs = 0;
  #entries = 0;
  /** Offset from which on the next entry is due. */
  #due = 0;
  #table = new Float64Array(FIRST_ENTRIES * 3);

  constructor(firstSequence: number) {
    this.firstSequence = firstSequence;
    this.nextSequence = firstSequence;
  }

  /** Empties it for another segment. */
  reset(firstSequence: number): void {
    this.firstSequence = firstSequence;
    this.nextSequence = firstSequence;
    this.coveredBytes = 0;
    this.records = 0;
    this.damaged = false;
    this.closed = false;
    this.synced = false;
    this.#firstTimeMs = 0;
    this.#lastTimeMs = 0;
    this.#maxTimeMs = 0;
    this.#entries = 0;
    this.#due = 0;
  }

  get entries(): number {
    return this.#entries;
  }

  get summary(): SegmentSummary {
    const some = this.records > 0;
    return {
      firstSequence: this.firstSequence,
      coveredBytes: this.coveredBytes,
      nextSequence: this.nextSequence,
      records: this.records,
      firstTimeMs: some ? this.#firstTimeMs : undefined,
      lastTimeMs: some ? this.#lastTimeMs : undefined,
      maxTimeMs: this.#maxTimeMs,
      damaged: this.damaged,
      closed: this.closed,
      synced: this.synced,
    };
  }

  /**
   * Adds whole records that lie one behind the other: those that a writer appends, which are known to be good.
   * @param view over the memory that holds them; `at` is the first one's offset in it.
   * @param fileOffset where the first one stands in the segment.
   */
  addRecords(view: DataView, at: number, length: number, fileOffset: number, firstSequence: number): void {
    const end = at + length;
    const toFile = fileOffset - at;
    let sequence = firstSequence;
    let maxHigh = 0;
    let maxLow = 0;
    let from = at;
    while (from < end) {
      if (from + toFile >= this.#due) {
        this.#see(maxHigh, maxLow);
        this.#addEntry(sequence, from + toFile);
      }
      const low = view.getUint32(from + RecordOffset.time, true);
      const high = view.getUint32(from + RecordOffset.time + 4, true);
      if (high > maxHigh || (high === maxHigh && low > maxLow)) {
        maxHigh = high;
        maxLow = low;
      }
      if (this.records === 0 && sequence === firstSequence) this.#firstTimeMs = toMs(high, low);
      const next = from + ((view.getUint32(from, true) + 7) & ~7);
      if (next >= end) this.#lastTimeMs = toMs(high, low);
      from = next;
      sequence++;
    }
    this.#see(maxHigh, maxLow);
    this.records += sequence - firstSequence;
    this.nextSequence = sequence;
    this.coveredBytes = fileOffset + length;
  }

  /** Adds records that a scan found good. */
  addScanned(
    fileOffset: number,
    scan: {
      readonly bytes: number;
      readonly records: number;
      readonly firstSequence: number;
      readonly lastSequence: number;
      readonly firstTimeMs: number;
      readonly lastTimeMs: number;
      readonly maxTimeMs: number;
    },
  ): void {
    if (scan.records === 0) return;
    if (fileOffset >= this.#due) this.#addEntry(scan.firstSequence, fileOffset);
    if (this.records === 0) this.#firstTimeMs = scan.firstTimeMs;
    this.#lastTimeMs = scan.lastTimeMs;
    this.#maxTimeMs = Math.max(this.#maxTimeMs, scan.maxTimeMs);
    this.records += scan.records;
    this.nextSequence = scan.lastSequence + 1;
    this.coveredBytes = fileOffset + scan.bytes;
  }

  /** The last place known at or before a sequence: where to begin to look for it. */
  placeOf(sequence: number): { readonly offset: number; readonly sequence: number } | undefined {
    return this.#place(this.#lastBelow(0, sequence, true));
  }

  /** The last place before which no record is as late as a time: where to begin to look for the first that is. */
  placeOfTime(timeMs: number): { readonly offset: number; readonly sequence: number } | undefined {
    return this.#place(this.#lastBelow(1, timeMs, false));
  }

  /** The index as its file's bytes. */
  encode(): Uint8Array {
    const bytes = Buffer.alloc(HEADER_BYTES + this.#entries * ENTRY_BYTES);
    bytes.writeUInt32LE(MAGIC, 0);
    bytes.writeUInt32LE(VERSION, 4);
    bytes.writeDoubleLE(this.firstSequence, 16);
    bytes.writeDoubleLE(this.coveredBytes, 24);
    bytes.writeDoubleLE(this.nextSequence, 32);
    bytes.writeDoubleLE(this.records, 40);
    bytes.writeDoubleLE(this.#firstTimeMs, 48);
    bytes.writeDoubleLE(this.#lastTimeMs, 56);
    bytes.writeDoubleLE(this.#maxTimeMs, 64);
    bytes.writeUInt32LE(this.#entries, 72);
    const flags = (this.damaged ? DAMAGED : 0) | (this.closed ? CLOSED : 0) | (this.synced ? SYNCED : 0);
    bytes.writeUInt32LE(flags, 76);
    for (let i = 0; i < this.#entries * 3; i++) bytes.writeDoubleLE(this.#table[i] as number, HEADER_BYTES + i * 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(HEADER_BYTES)), 12);
    bytes.writeUInt32LE(crc32(bytes.subarray(16, HEADER_BYTES)), 8);
    return bytes;
  }

  /** The index of those bytes; undefined when they are not, bit for bit, what {@link encode} made. */
  static decode(bytes: Uint8Array, firstSequence: number): SegmentIndex | undefined {
    const summary = decodeHeader(bytes, firstSequence);
    if (summary === undefined) return undefined;
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const entries = data.readUInt32LE(72);
    if (data.length !== HEADER_BYTES + entries * ENTRY_BYTES) return undefined;
    if (crc32(data.subarray(HEADER_BYTES)) !== data.readUInt32LE(12)) return undefined;
    const index = new SegmentIndex(firstSequence);
    index.coveredBytes = summary.coveredBytes;
    index.nextSequence = summary.nextSequence;
    index.records = summary.records;
    index.damaged = summary.damaged;
    index.closed = summary.closed;
    index.synced = summary.synced;
    index.#firstTimeMs = data.readDoubleLE(48);
    index.#lastTimeMs = data.readDoubleLE(56);
    index.#maxTimeMs = summary.maxTimeMs;
    index.#entries = entries;
    index.#table = new Float64Array(Math.max(FIRST_ENTRIES, entries) * 3);
    for (let i = 0; i < entries * 3; i++) index.#table[i] = data.readDoubleLE(HEADER_BYTES + i * 8);
    index.#due = (index.#place(entries - 1)?.offset ?? -INDEX_STEP_BYTES) + INDEX_STEP_BYTES;
    return index;
  }

  #see(high: number, low: number): void {
    this.#maxTimeMs = Math.max(this.#maxTimeMs, toMs(high, low));
  }

  #addEntry(sequence: number, offset: number): void {
    const at = this.#entries * 3;
    if (at === this.#table.length) {
      const larger = new Float64Array(at * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table[at] = sequence;
    this.#table[at + 1] = this.#maxTimeMs;
    this.#table[at + 2] = offset;
    this.#entries++;
    this.#due = offset + INDEX_STEP_BYTES;
  }

  /** Number of the last entry whose field is below a value, or is it; -1 when there is none. */
  #lastBelow(field: 0 | 1, value: number, orEqual: boolean): number {
    let low = 0;
    let high = this.#entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.#table[middle * 3 + field] as number;
      if (found < value || (orEqual && found === value)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #place(entry: number): { offset: number; sequence: number } | undefined {
    if (entry < 0) return undefined;
    return { sequence: this.#table[entry * 3] as number, offset: this.#table[entry * 3 + 2] as number };
  }
}

/** What an index file's header says; undefined when there is none, or it isn't sound, or is another segment's. */
export function readSummary(path: string, firstSequence: number): SegmentSummary | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return readSync(fd, header, 0, HEADER_BYTES, 0) === HEADER_BYTES ? decodeHeader(header, firstSequence) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Sequence up to which an index says that its segment's records were durable; 1 when it says nothing. */
export function durableBy(path: string, firstSequence: number): number {
  const known = readSummary(path, firstSequence);
  return known?.synced ? known.nextSequence : 1;
}

/** A whole index file; undefined as with {@link readSummary}. */
export function readIndex(path: string, firstSequence: number): SegmentIndex | undefined {
  try {
    return SegmentIndex.decode(readFileSync(path), firstSequence);
  } catch {
    return undefined;
  }
}

function decodeHeader(bytes: Uint8Array, firstSequence: number): SegmentSummary | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.readUInt32LE(0) !== MAGIC || data.readUInt32LE(4) !== VERSION) return undefined;
  if (crc32(data.subarray(16, HEADER_BYTES)) !== data.readUInt32LE(8)) return undefined;
  if (data.readDoubleLE(16) !== firstSequence) return undefined;
  const records = data.readDoubleLE(40);
  const flags = data.readUInt32LE(76);
  return {
    firstSequence,
    coveredBytes: data.readDoubleLE(24),
    nextSequence: data.readDoubleLE(32),
    records,
    firstTimeMs: records > 0 ? data.readDoubleLE(48) : undefined,
    lastTimeMs: records > 0 ? data.readDoubleLE(56) : undefined,
    maxTimeMs: data.readDoubleLE(64),
    damaged: (flags & DAMAGED) !== 0,
    closed: (flags & CLOSED) !== 0,
    synced: (flags & SYNCED) !== 0,
  };
}

/** Whole milliseconds of a record's nanoseconds: exact, by way of microseconds (2^32 = 4,294,967 · 1000 + 296). */
function toMs(high: number, low: number): number {
  return Math.floor((high * 4_294_967 + Math.floor((high * 296 + low) / 1_000)) / 1_000);
}
