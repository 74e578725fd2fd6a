/**
 * Making a lane's folder ready to append to after whatever end the last process came to. Reads the last segment whole;
 * of the others only their indexes, as long as these fit: so the start takes as long for 10 GB as for one segment.
 */
import { RecordOffset } from "@esc/events";
import { type LogFs, makeDirectory, nodeFs, writeWhole } from "./log-fs.ts";
import { markQuarantined, readQuarantine } from "./quarantine.ts";
import { RecordScanner } from "./record-scanner.ts";
import { checkSegment, type Damage } from "./segment-check.ts";
import { indexPath, listOrphans, listSegments, quarantinePath, type SegmentFile } from "./segment-files.ts";
import { readIndex, SegmentIndex, type SegmentSummary } from "./segment-index.ts";

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
  /** Sequences that no segment holds, between two that are there. */
  readonly missing: readonly { readonly from: number; readonly to: number }[];
  /** Indexes that were missing, damaged or stale, and were made anew by reading their segments. */
  readonly rebuiltIndexes: number;
  /** The segment to go on in, and where; a new one begins without. */
  readonly resume: { readonly path: string; readonly end: number; readonly index: Uint8Array } | undefined;
}

/**
 * Makes a lane's folder ready to append to: checks the last segment and cuts what a crash tore off its end, checks that
 * every other has an index that fits it and makes those anew that don't. Damage in the middle is never cut: its segment
 * is quarantined, and appending goes on in a new one.
 * @throws the system's error when the folder can't be read or written.
 */
export function recoverLog(dir: string, fs: LogFs = nodeFs): Recovery {
  makeDirectory(dir);
  for (const path of listOrphans(dir)) fs.remove(path);
  const segments = listSegments(dir);
  const last = segments.at(-1);
  if (last === undefined) return EMPTY;
  const scanner = new RecordScanner();
  const earlier = segments.slice(0, -1).map((segment) => knownOrChecked(segment, scanner, fs));
  const index = new SegmentIndex(last.firstSequence);
  const { tornTail, damage, nextSequence, preallocatedBytes } = checkSegment(
    last.path,
    last.firstSequence,
    scanner,
    index,
  );
  // Behind damage a new segment begins, so that the damaged file stays as it was found.
  const damaged = damage.length > 0;
  const places = damaged && tornTail !== undefined ? [...damage, tornTail] : damage;
  const end = damaged ? last.bytes : last.bytes - preallocatedBytes - (tornTail?.bytes ?? 0);
  // A process that was killed may have left records with the system that no sync has covered. They are handled from now
  // on as durable ones, so they are made that; the file's name too.
  makeDurable(last.path, end, end < last.bytes, fs);
  fs.syncDirectory(dir);
  if (damaged) {
    quarantine(last.path, places, fs);
    writeIndex(last, index, fs);
  } else {
    fs.remove(quarantinePath(last.path));
  }
  return {
    segments: segments.length,
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0) - (last.bytes - end),
    firstSequence: (segments[0] as SegmentFile).firstSequence,
    nextSequence,
    tornTail: damaged ? undefined : tornTail,
    preallocatedBytes,
    damage: [...earlier.flatMap((each) => each.damage), ...places],
    missing: gapsBetween(segments, earlier),
    rebuiltIndexes: earlier.filter((each) => each.rebuilt).length,
    resume: damaged ? undefined : { path: last.path, end, index: index.encode() },
  };
}

const EMPTY: Recovery = {
  segments: 0,
  bytes: 0,
  firstSequence: 1,
  nextSequence: 1,
  tornTail: undefined,
  preallocatedBytes: 0,
  damage: [],
  missing: [],
  rebuiltIndexes: 0,
  resume: undefined,
};

/** What is known of a segment that isn't the last. */
interface Earlier {
  /** The first sequence that can't be in it. */
  readonly nextSequence: number;
  readonly damage: readonly Damage[];
  readonly rebuilt: boolean;
}

/** What the index says, if it is sound and covers the file as it is; else what reading the segment says. */
function knownOrChecked(segment: SegmentFile, scanner: RecordScanner, fs: LogFs): Earlier {
  const { path, firstSequence } = segment;
  const known = readIndex(indexPath(path), firstSequence);
  if (known !== undefined && fits(known.summary, segment)) {
    const damage = known.damaged ? readQuarantine(path) : [];
    if (damage !== undefined) return { nextSequence: known.nextSequence, damage, rebuilt: false };
  }
  const index = new SegmentIndex(firstSequence);
  const check = checkSegment(path, firstSequence, scanner, index);
  // A later segment begins only behind a sync of this one: what is cut off here was there once.
  const damage = [...check.damage, ...(check.tornTail === undefined ? [] : [check.tornTail])];
  if (damage.length > 0) quarantine(path, damage, fs);
  else fs.remove(quarantinePath(path));
  index.damaged = damage.length > 0;
  writeIndex(segment, index, fs);
  return { nextSequence: check.nextSequence, damage, rebuilt: true };
}

/** Whether an index is that of the file as it is now. */
function fits(summary: SegmentSummary, segment: SegmentFile): boolean {
  return summary.closed && summary.coveredBytes === segment.bytes;
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

function gapsBetween(segments: readonly SegmentFile[], earlier: readonly Earlier[]): { from: number; to: number }[] {
  return earlier.flatMap(({ nextSequence, damage }, i) => {
    const { bytes } = segments[i] as SegmentFile;
    const following = (segments[i + 1] as SegmentFile).firstSequence;
    // Behind a tail that can't be judged the numbers go on at the safe side: those left out were never given.
    const unsure = damage.some(({ missingTo }) => missingTo === undefined);
    const atMost = nextSequence + (unsure ? Math.ceil(bytes / RecordOffset.body) : 0);
    return following > atMost ? [{ from: nextSequence, to: following - 1 }] : [];
  });
}
