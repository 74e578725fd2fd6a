/**
 * How a log lies on disk: one folder per lane, one file per segment, named by the sequence of its first record; beside
 * it, under the same number, its index and the mark of a segment in which damage was found.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A segment's file. */
export interface SegmentFile {
  readonly path: string;
  /** Sequence of its first record, from its name. */
  readonly firstSequence: number;
  readonly bytes: number;
}

const NAME = /^(\d{20})\.log$/;

/** `00000000000000000001.log` for 1. */
export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(20, "0")}.log`;
}

/** The index of a segment: `….idx` beside `….log`. */
export function indexPath(segmentPath: string): string {
  return `${segmentPath.slice(0, -".log".length)}.idx`;
}

/** The mark of a segment in which damage was found: `….quarantine` beside `….log`. */
export function quarantinePath(segmentPath: string): string {
  return `${segmentPath.slice(0, -".log".length)}.quarantine`;
}

const BESIDE = /^(\d{20})\.(idx|quarantine)(\.new)?$/;

/** Files that lie beside no segment, with the number of the one they lay beside; unfinished ones (`….new`) always. */
export function listOrphans(dir: string): { readonly path: string; readonly firstSequence: number }[] {
  const names = new Set(readdirSync(dir));
  return [...names].flatMap((name) => {
    const [, number, , unfinished] = BESIDE.exec(name) ?? [];
    if (number === undefined || (unfinished === undefined && names.has(`${number}.log`))) return [];
    return [{ path: join(dir, name), firstSequence: unfinished === undefined ? Number(number) : 0 }];
  });
}

/** First sequences of the segments of a lane's folder in order; none when the folder isn't there. Other files are left alone. */
export function listSequences(dir: string): number[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return (
    names
      .filter((name) => NAME.test(name))
      .sort()
      .map((name) => Number(name.slice(0, 20)))
      // Sequences begin at 1 and are counted in doubles: a name beyond is nobody's that writes logs.
      .filter((first) => first >= 1 && Number.isSafeInteger(first))
  );
}

/** The segments of a lane's folder in order; as {@link listSequences}. */
export function listSegments(dir: string): SegmentFile[] {
  return listSequences(dir).flatMap((firstSequence) => segmentFile(dir, firstSequence) ?? []);
}

/** The segment of that name, while it is there. */
export function segmentFile(dir: string, firstSequence: number): SegmentFile | undefined {
  const path = join(dir, segmentName(firstSequence));
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  return bytes === undefined ? undefined : { path, firstSequence, bytes };
}
