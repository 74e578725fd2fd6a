/** How a log lies on disk: one folder per lane, one file per segment, named by the sequence of its first record. */
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

/** The segments of a lane's folder in order; none when the folder isn't there. Other files are left alone. */
export function listSegments(dir: string): SegmentFile[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const segments: SegmentFile[] = [];
  for (const name of names.filter((each) => NAME.test(each)).sort()) {
    const path = join(dir, name);
    const firstSequence = Number(name.slice(0, 20));
    // Sequences begin at 1 and are counted in doubles: a name beyond is nobody's that writes logs.
    if (firstSequence < 1 || !Number.isSafeInteger(firstSequence)) continue;
    const bytes = statSync(path, { throwIfNoEntry: false })?.size;
    if (bytes !== undefined) segments.push({ path, firstSequence, bytes });
  }
  return segments;
}
