/**
 * How much of a log is kept. Whole segments are deleted, oldest first; never the last one, and never one that a durable
 * cursor has not passed, unless that is asked for. It works on the folder alone, so any thread may run it beside the
 * one that appends, which is not held up.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type LogFs, nodeFs } from "./log-fs.ts";
import { RecordScanner } from "./record-scanner.ts";
import { checkSegment } from "./segment-check.ts";
import { indexPath, listSegments } from "./segment-files.ts";
import { readSummary, SegmentIndex } from "./segment-index.ts";
import { type ClosedSegment, closedOf, type Removal, removeSegment } from "./segment-removal.ts";

/** Limits; what isn't given isn't limited. A log that exceeds one is cut back to it, but for its last segment. */
export interface RetentionPolicy {
  /** Bytes of all segments. */
  readonly maxBytes?: number | undefined;
  /** Age of a segment's latest record, ms. */
  readonly maxAgeMs?: number | undefined;
  /** Records of the whole log. */
  readonly maxRecords?: number | undefined;
  /** Delete also what a durable cursor hasn't passed: its consumer is told of the gap, and the events are lost to it. */
  readonly force?: boolean;
}

export interface RetentionOptions {
  /** The lane's folder. */
  readonly dir: string;
  readonly policy: RetentionPolicy;
  /** Sequence of the next record of the log. */
  readonly nextSequence: number;
  /** The earliest that a durable cursor has still to come to; undefined when there is no cursor. */
  readonly cursor: number | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly fs?: LogFs;
}

/** Why a segment was deleted. */
export type RetentionReason = "bytes" | "age" | "records";

export interface RetentionResult extends Removal {
  readonly reasons: readonly RetentionReason[];
  /** A limit is exceeded, and a cursor that hasn't come so far keeps the segment that would go next. */
  readonly heldBack: boolean;
  /** Sequence of the log's first record now. */
  readonly firstSequence: number;
  /** Bytes of segments that are left, the last one included. */
  readonly bytesLeft: number;
  readonly segmentsLeft: number;
}

/**
 * Deletes what the policy doesn't keep. Other work of the thread has its turn after each segment.
 * @throws the system's error when the folder can't be read, or a segment can't be deleted: those before it are gone.
 */
export async function applyRetention(options: RetentionOptions): Promise<RetentionResult> {
  const { dir, policy, nextSequence, cursor = Number.POSITIVE_INFINITY, fs = nodeFs } = options;
  const all = listSegments(dir);
  const closed = closedOf(all);
  const result = { segments: 0, records: 0, bytes: 0, heldBack: false, reasons: new Set<RetentionReason>() };
  let bytesLeft = all.reduce((sum, { bytes }) => sum + bytes, 0);
  let firstSequence = all[0]?.firstSequence ?? nextSequence;
  for (const segment of closed) {
    const reason = overLimit(segment, policy, bytesLeft, nextSequence - firstSequence, options.nowMs);
    if (reason === undefined) break;
    if (segment.endSequence > cursor && policy.force !== true) {
      result.heldBack = true;
      break;
    }
    removeSegment(dir, segment, fs);
    result.segments++;
    result.bytes += segment.bytes;
    result.records += segment.endSequence - segment.firstSequence;
    result.reasons.add(reason);
    bytesLeft -= segment.bytes;
    firstSequence = segment.endSequence;
    await nextTurn();
  }
  const segmentsLeft = all.length - result.segments;
  return { ...result, reasons: [...result.reasons], firstSequence, bytesLeft, segmentsLeft };
}

function overLimit(
  segment: ClosedSegment,
  policy: RetentionPolicy,
  bytes: number,
  records: number,
  nowMs: number,
): RetentionReason | undefined {
  const { maxBytes, maxAgeMs, maxRecords } = policy;
  if (maxBytes !== undefined && bytes > maxBytes) return "bytes";
  if (maxRecords !== undefined && records > maxRecords) return "records";
  if (maxAgeMs !== undefined && latestOf(segment) < nowMs - maxAgeMs) return "age";
  return undefined;
}

/** When a segment's latest record came. By its index; without one, by reading it. */
function latestOf({ path, firstSequence, bytes }: ClosedSegment): number {
  const known = readSummary(indexPath(path), firstSequence);
  if (known?.closed && known.coveredBytes === bytes) return known.maxTimeMs;
  const index = new SegmentIndex(firstSequence);
  checkSegment(path, firstSequence, new RecordScanner(), index);
  // One without a good record is as old as can be.
  return index.summary.maxTimeMs;
}
