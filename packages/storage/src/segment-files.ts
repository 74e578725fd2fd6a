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
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => {
      const path = join(dir, name);
      return { path, firstSequence: Number.parseInt(name, 10), bytes: statSync(path).size };
    });
}
