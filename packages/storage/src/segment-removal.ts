/** Deleting segments from a log's old end. May run on any thread while another one appends: the last segment stays. */
import type { LogFs } from "./log-fs.ts";
import { indexPath, listSegments, quarantinePath, type SegmentFile } from "./segment-files.ts";

/** A segment that isn't the last. */
export interface ClosedSegment extends SegmentFile {
  /** The sequence that the segment behind it begins with: no record in this one is at it or behind. */
  readonly endSequence: number;
}

/** What was deleted. */
export interface Removal {
  readonly segments: number;
  /** Sequences, those of damaged or missing records included. */
  readonly records: number;
  readonly bytes: number;
}

/** Those of a log's segments that may be deleted, oldest first. */
export function closedOf(all: readonly SegmentFile[]): ClosedSegment[] {
  return all.slice(0, -1).map((each, i) => ({ ...each, endSequence: (all[i + 1] as SegmentFile).firstSequence }));
}

/** Deletes segments, oldest first, as long as each may go. */
export function removeSegments(dir: string, mayGo: (segment: ClosedSegment) => boolean, fs: LogFs): Removal {
  let removal: Removal = { segments: 0, records: 0, bytes: 0 };
  for (const segment of closedOf(listSegments(dir))) {
    if (!mayGo(segment)) break;
    removeSegment(dir, segment, fs);
    removal = {
      segments: removal.segments + 1,
      records: removal.records + segment.endSequence - segment.firstSequence,
      bytes: removal.bytes + segment.bytes,
    };
  }
  return removal;
}

/**
 * Deletes one. Its name is durably gone before the next one's turn, so that a crash never leaves a hole in the log: what
 * comes back is the newest that was deleted. An index without its segment is cleared away by the next start.
 */
export function removeSegment(dir: string, { path }: SegmentFile, fs: LogFs): void {
  fs.remove(path);
  fs.syncDirectory(dir);
  fs.remove(indexPath(path));
  fs.remove(quarantinePath(path));
}
