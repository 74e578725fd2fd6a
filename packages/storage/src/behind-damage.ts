/**
 * Where a segment goes on behind a place that isn't a good record.
 *
 * The difficulty is that a payload is anybody's bytes: it may hold whole records with a right CRC. So what lies inside
 * the record that is damaged is never taken for a record, as long as that record's own header still says how far it
 * goes. Only where the header is destroyed is a search all there is.
 */
import { paddedLength, RecordOffset } from "@esc/events";
import { MAX_RECORD_BYTES } from "./record-scanner.ts";
import type { SegmentInput } from "./segment-input.ts";

/** A good record. */
export interface FoundRecord {
  readonly offset: number;
  readonly sequence: number;
}

// Bytes read again for records that a load cut off: enough for sixteen of the longest, and an end to crafted ones.
const REREAD_BUDGET = 16 * MAX_RECORD_BYTES;

/**
 * Finds the next good record of this log from a bad place on.
 * @param next sequence that should stand at the offset.
 * @param size of the file, in bytes.
 * @returns undefined when there is none that is beyond doubt.
 */
export function findBehind(input: SegmentInput, offset: number, next: number, size: number): FoundRecord | undefined {
  // No record is shorter than its header, so the bytes that are left bound how far sequences can have gone on.
  const most = next + Math.ceil((size - offset) / RecordOffset.body);
  const here = input.goodAt(offset);
  // A good record, only not the next one: bytes are missing before it.
  if (here !== undefined && here >= next && here <= most) return { offset, sequence: here };
  const from = here === undefined ? endOfDamaged(input, offset, next, size) : offset + 8;
  const found = search(input, from, size, next, most);
  return found === "too dear" ? undefined : found;
}

/** Whether good records of whatever sequence may stand at the offset or behind it. Doubt counts as yes. */
export function holdsRecords(input: SegmentInput, offset: number, size: number): boolean {
  return search(input, offset, size, 1, Number.MAX_SAFE_INTEGER) !== undefined;
}

/** Where the damaged record ends, as far as it can be told; else the next place where a record could begin. */
function endOfDamaged(input: SegmentInput, offset: number, next: number, size: number): number {
  const anywhere = offset + 8;
  const loaded = input.load(offset);
  if (loaded < RecordOffset.body) return anywhere;
  const length = input.scanner.lengthAt(0);
  const ours = input.scanner.sequenceAt(0) === next;
  const header = ours || input.scanner.hashHolds(loaded);
  const possible = length >= RecordOffset.body && length <= MAX_RECORD_BYTES;
  const claimed = possible ? offset + paddedLength(length) : anywhere;
  // The length isn't covered by the CRC: where it alone is damaged, the CRC tells which one is true. That is asked first:
  // where a damaged length points to may, by chance, be a payload that holds a record.
  if (ours) {
    for (let least: number = RecordOffset.body; ; ) {
      const found = input.scanner.findLength(input.load(offset), least);
      if (found === 0) break;
      const end = offset + paddedLength(found);
      if (end >= size) return end;
      if (input.load(end) >= RecordOffset.body && input.scanner.sequenceAt(0) === next + 1) return end;
      least = found + 1;
    }
  }
  // The length is right if the next record follows it: then anything else of this one is what is damaged.
  if (possible && input.goodAt(claimed) === next + 1) return claimed;
  return header ? claimed : anywhere;
}

function search(
  input: SegmentInput,
  from: number,
  size: number,
  atLeast: number,
  atMost: number,
): FoundRecord | "too dear" | undefined {
  let tooDear = false;
  let reread = 0;
  for (let at = from; at + RecordOffset.body <= size; ) {
    const loaded = input.load(at);
    if (loaded < RecordOffset.body) break;
    const found = input.scanner.find(loaded, size - at, atLeast, atMost);
    const offset = at + (found < -2 ? -3 - found : found);
    if (found === -2) tooDear = true;
    if (found === -1 || found === -2) {
      // Headers across the end of the load are looked at by the next one.
      at += (loaded - RecordOffset.body + 8) & ~7;
      continue;
    }
    const sequence = input.goodAt(offset);
    if (sequence !== undefined && sequence >= atLeast && sequence <= atMost) return { offset, sequence };
    reread += input.scanner.buffer.length;
    if (reread > REREAD_BUDGET) return "too dear";
    at = offset + 8;
  }
  return tooDear ? "too dear" : undefined;
}
