/**
 * Making a lane's folder ready to append to after whatever end the last process came to. Reads the last segment whole;
 * of the others only their indexes, as long as these fit: so the start takes as long for 10 GB as for one segment.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { RecordOffset } from "@esc/events";
import { type LogFs, makeDirectory, nodeFs, writeWhole } from "./log-fs.ts";
import { markQuarantined, readQuarantine } from "./quarantine.ts";
import { RecordScanner } from "./record-scanner.ts";
import { checkSegment, type Damage } from "./segment-check.ts";
import {
  indexPath,
  listOrphans,
  listSegments,
  quarantinePath,
  type SegmentFile,
  segmentName,
} from "./segment-files.ts";
import { durableBy, readIndex, SegmentIndex, type SegmentSummary } from "./segment-index.ts";

/** Sequences that no segment holds although they were written. */
export interface MissingSequences {
  readonly from: number;
  readonly to: number;
}

/** What recovery found and did. Plain data: it may have been done on another thread. */
export interface Recovery {
  /** Segments found, and their bytes after recovery. */
  readonly segments: number;
  readonly bytes: number;
  /** Sequence of the first record; that of the next in an empty log. */
  readonly firstSequence: number;
  /** Sequence of the next record. */
  readonly nextSequence: number;
  /** What a crash had cut off and recovery took away. */
  readonly tornTail: Damage | undefined;
  /** Room made ahead that the last process left behind its last record, in bytes; taken away. */
  readonly preallocatedBytes: number;
  /** Damage with good records behind it: nothing was taken away, and its segments are quarantined. */
  readonly damage: readonly Damage[];
  /** Segments or ends of segments that are gone. */
  readonly missing: readonly MissingSequences[];
  /** Indexes that were missing, damaged or stale, and were made anew by reading their segments. */
  readonly rebuiltIndexes: number;
  /** The segment to go on in, and where; a new one begins without. */
  readonly resume:
    | { readonly path: string; readonly firstSequence: number; readonly end: number; readonly index: Uint8Array }
    | undefined;
}

/**
 * Makes a lane's folder ready to append to: checks the last segment and cuts what a crash tore off its end, checks that
 * every other has an index that fits it and makes those anew that don't. Damage in the middle is never cut: its segment
 * is quarantined, and appending goes on in a new one. No sequence that was durable is given a second time.
 * @throws the system's error when the folder can't be read or written.
 */
export function recoverLog(dir: string, fs: LogFs = nodeFs): Recovery {
  makeDirectory(dir);
  const segments = listSegments(dir);
  const last = segments.at(-1);
  let scanner: RecordScanner | undefined;
  const scan = () => {
    scanner ??= new RecordScanner();
    return scanner;
  };
  const earlier = segments.slice(0, -1).map((segment) => knownOrChecked(segment, scan, fs));
  const end = last === undefined ? NO_END : recoverLast(dir, last, scan(), fs);
  const told = clearOrphans(dir, last?.firstSequence ?? 0, fs);
  // An index that says more was durable than is there: what it tells of is lost, and its numbers are not given again.
  const durable = Math.max(told, end.toldSequence);
  const lostEnd = durable > end.nextSequence ? [{ from: end.nextSequence, to: durable - 1 }] : [];
  const nextSequence = Math.max(end.nextSequence, durable);
  return {
    segments: segments.length,
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0) - end.cutBytes,
    firstSequence: segments[0]?.firstSequence ?? nextSequence,
    nextSequence,
    tornTail: end.tornTail,
    preallocatedBytes: end.preallocatedBytes,
    damage: [...earlier.flatMap((each) => each.damage), ...end.damage],
    missing: [...missingBetween(segments, earlier), ...lostEnd],
    rebuiltIndexes: earlier.filter((each) => each.rebuilt).length,
    resume: lostEnd.length > 0 ? undefined : end.resume,
  };
}

/** The log's end as it was found and put right. */
interface RecoveredEnd extends Pick<Recovery, "nextSequence" | "tornTail" | "preallocatedBytes" | "damage" | "resume"> {
  readonly cutBytes: number;
  /** Up to where the segment's own index says that records were durable. */
  readonly toldSequence: number;
}

const NO_END: RecoveredEnd = {
  nextSequence: 1,
  toldSequence: 1,
  tornTail: undefined,
  preallocatedBytes: 0,
  cutBytes: 0,
  damage: [],
  resume: undefined,
};

function recoverLast(dir: string, last: SegmentFile, scanner: RecordScanner, fs: LogFs): RecoveredEnd {
  const { path, firstSequence, bytes } = last;
  const toldSequence = durableBy(indexPath(path), firstSequence);
  const index = new SegmentIndex(firstSequence);
  const { tornTail, damage, nextSequence, preallocatedBytes } = checkSegment(path, firstSequence, scanner, index);
  const damaged = damage.length > 0;
  const end = damaged ? bytes : bytes - preallocatedBytes - (tornTail?.bytes ?? 0);
  // A process that was killed may have left records with the system that no sync has covered. They are handled from now
  // on as durable ones, so they are made that; the file's name too.
  makeDurable(path, end, end < bytes, fs);
  fs.syncDirectory(dir);
  const found = { nextSequence, toldSequence, preallocatedBytes, cutBytes: bytes - end };
  if (!damaged) {
    fs.remove(quarantinePath(path));
    return { ...found, tornTail, damage, resume: { path, firstSequence, end, index: index.encode() } };
  }
  // Behind damage a new segment begins, so that the damaged file stays as it was found.
  const places = tornTail === undefined ? damage : [...damage, tornTail];
  quarantine(path, places, fs);
  writeIndex(last, index, fs);
  return { ...found, tornTail: undefined, damage: places, resume: undefined };
}

/** What is known of a segment that isn't the last. */
interface Earlier {
  /** The first sequence that can't be in it. */
  readonly nextSequence: number;
  readonly damage: readonly Damage[];
  readonly rebuilt: boolean;
}

/** What the index says, if it is sound and covers the file as it is; else what reading the segment says. */
function knownOrChecked(segment: SegmentFile, scanner: () => RecordScanner, fs: LogFs): Earlier {
  const { path, firstSequence } = segment;
  const known = readIndex(indexPath(path), firstSequence);
  if (known !== undefined && fits(known.summary, segment)) {
    const damage = known.damaged ? readQuarantine(path) : [];
    if (damage !== undefined) return { nextSequence: known.nextSequence, damage, rebuilt: false };
  }
  const index = new SegmentIndex(firstSequence);
  const check = checkSegment(path, firstSequence, scanner(), index);
  // A later segment begins only behind a sync of this one: what is cut off here was there once.
  const damage = [...check.damage, ...(check.tornTail === undefined ? [] : [check.tornTail])];
  if (damage.length > 0) quarantine(path, damage, fs);
  else fs.remove(quarantinePath(path));
  index.damaged = damage.length > 0;
  writeIndex(segment, index, fs);
  return { nextSequence: index.nextSequence, damage, rebuilt: true };
}

/** Whether an index is that of the file as it is now: by its size, and by the sequence that its first record says. */
function fits(summary: SegmentSummary, { path, bytes, firstSequence }: SegmentFile): boolean {
  if (!summary.closed || summary.coveredBytes !== bytes) return false;
  return summary.damaged || summary.records === 0 || firstSequenceIn(path) === firstSequence;
}

function firstSequenceIn(path: string): number {
  const sequence = Buffer.alloc(8);
  const fd = openSync(path, "r");
  try {
    readSync(fd, sequence, 0, 8, RecordOffset.sequence);
  } finally {
    closeSync(fd);
  }
  return Number(sequence.readBigUInt64LE());
}

/**
 * Clears away what lies beside no segment, but for the indexes of segments that were behind the last one: retention
 * leaves none of these, so their segments are lost. Returns the sequence up to which they say there was something.
 */
function clearOrphans(dir: string, lastFirst: number, fs: LogFs): number {
  let told = 1;
  for (const { path, firstSequence } of listOrphans(dir)) {
    if (firstSequence > lastFirst && path === indexPath(join(dir, segmentName(firstSequence)))) {
      told = Math.max(told, durableBy(path, firstSequence));
    } else {
      fs.remove(path);
    }
  }
  return told;
}

/** Writes a closed segment's index. One that can't be written costs time at the next start, and nothing else. */
function writeIndex(segment: SegmentFile, index: SegmentIndex, fs: LogFs): void {
  index.closed = true;
  index.coveredBytes = segment.bytes;
  try {
    writeWhole(fs, indexPath(segment.path), index.encode(), false);
  } catch {
    // Made anew at the next start.
  }
}

/** A mark that can't be written is no reason not to start: the damage is found again by reading. */
function quarantine(path: string, damage: readonly Damage[], fs: LogFs): void {
  try {
    markQuarantined(path, damage, fs);
  } catch {
    // As above.
  }
}

function makeDurable(path: string, end: number, cut: boolean, fs: LogFs): void {
  const fd = fs.open(path);
  try {
    if (cut) fs.truncate(fd, end);
    fs.datasync(fd);
  } finally {
    fs.close(fd);
  }
}

/** What is missing between segments and isn't told already as a segment's damaged end. */
function missingBetween(segments: readonly SegmentFile[], earlier: readonly Earlier[]): MissingSequences[] {
  return earlier.flatMap(({ nextSequence, damage }, i) => {
    const following = (segments[i + 1] as SegmentFile).firstSequence;
    if (following <= nextSequence || damage.some(({ missingTo }) => missingTo === undefined)) return [];
    return [{ from: nextSequence, to: following - 1 }];
  });
}
