/** What lies where in a data directory: `log/<lane>`, `cursors/`, `LOCK`. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { EscError } from "@esc/events";
import { checkSegment, type SegmentCheck } from "./segment-check.ts";
import { listSegments } from "./segment-files.ts";

/** The folder of the dead letters beside the lanes' folders. */
export const DEAD_LETTERS = "dead-letters";

/** The folder of a lane's log. */
export function logDirectory(dataDir: string, lane: string): string {
  return join(dataDir, "log", lane);
}

/** The file of a lane's durable cursor. */
export function cursorFile(dataDir: string, lane: string): string {
  return join(dataDir, "cursors", lane);
}

/** A lane's log on disk. */
export interface LaneLog {
  readonly lane: string;
  readonly dir: string;
}

/**
 * The lanes' logs under a folder: a data directory, its `log` folder, or one lane's.
 * @throws EscError `ESC_LOG_NOT_FOUND` when there is none.
 */
export function findLogs(dir: string): LaneLog[] {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) {
    throw new EscError(
      "ESC_LOG_NOT_FOUND",
      `${dir} is not a folder. Give a data directory, its log folder, or one lane's folder.`,
    );
  }
  if (listSegments(dir).length > 0) return [{ lane: basename(dir), dir }];
  const root = existsSync(join(dir, "log")) ? join(dir, "log") : dir;
  const lanes = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && listSegments(join(root, entry.name)).length > 0)
    .map((entry) => ({ lane: entry.name, dir: join(root, entry.name) }));
  if (lanes.length === 0 && root === dir) {
    throw new EscError(
      "ESC_LOG_NOT_FOUND",
      `${dir} holds no log. Give a data directory, its log folder, or one lane's folder.`,
    );
  }
  return lanes;
}

/** What a lane's log holds, and whether all of it is good. */
export interface LogCheck {
  readonly lane: string;
  readonly segments: readonly SegmentCheck[];
  readonly records: number;
  readonly tombstones: number;
  readonly bytes: number;
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  /** No damage, and no sequence missing between segments. A torn tail is no damage: it was never acknowledged. */
  readonly sound: boolean;
  /** For a person: what is wrong, place by place. */
  readonly problems: readonly string[];
}

/** Reads every record of a lane's log and checks it. */
export function checkLog({ lane, dir }: LaneLog): LogCheck {
  const files = listSegments(dir);
  const segments = files.map((file) => checkSegment(file.path, file.firstSequence));
  const problems: string[] = [];
  for (const [index, segment] of segments.entries()) {
    for (const damage of segment.damage) {
      problems.push(
        `${damage.path} at byte ${damage.offset}: ${damage.reason} (${damage.bytes} bytes, sequences from ${damage.missingFrom}${damage.missingTo === undefined ? "" : ` to ${damage.missingTo}`})`,
      );
    }
    const following = files[index + 1];
    if (following === undefined) continue;
    if (segment.tornTail !== undefined)
      problems.push(
        `${segment.path} at byte ${segment.tornTail.offset}: ${segment.tornTail.reason}, and a later segment exists`,
      );
    const next = (segment.lastSequence ?? (files[index]?.firstSequence as number) - 1) + 1;
    if (following.firstSequence !== next)
      problems.push(`sequences ${next} to ${following.firstSequence - 1} are missing before ${following.path}`);
  }
  const good = segments.filter((segment) => segment.records > 0);
  return {
    lane,
    segments,
    records: segments.reduce((sum, segment) => sum + segment.records, 0),
    tombstones: segments.reduce((sum, segment) => sum + segment.tombstones, 0),
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
    firstSequence: good[0]?.firstSequence,
    lastSequence: good.at(-1)?.lastSequence,
    sound: problems.length === 0,
    problems,
  };
}
