/** What lies where in a data directory: `log/<lane>`, `cursors/`, `groups/`, `LOCK`. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { EscError } from "@esc/events";
import { RecordScanner } from "./record-scanner.ts";
import { checkSegment, type SegmentCheck } from "./segment-check.ts";
import { indexPath, listSegments, quarantinePath, type SegmentFile } from "./segment-files.ts";
import { durableBy, readSummary, SegmentIndex, type SegmentSummary } from "./segment-index.ts";

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

/** The folder of a data directory with a folder of consumer groups for each lane. */
export function groupsDirectory(dataDir: string): string {
  return join(dataDir, "groups");
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

/**
 * Reads every record of a lane's log and checks it; changes nothing. Memory is one buffer, time that of reading it all.
 * @throws the system's error when a file can't be read.
 */
export function checkLog({ lane, dir }: LaneLog): LogCheck {
  const files = listSegments(dir);
  const last = files.at(-1);
  // Asked for before the segments are read: a writer may go on meanwhile.
  const durable = last === undefined ? 1 : durableBy(indexPath(last.path), last.firstSequence);
  const scanner = new RecordScanner();
  const segments = files.map(({ path, firstSequence }) => checkSegment(path, firstSequence, scanner));
  const problems = segments.flatMap((segment, index) => [
    ...segment.damage.map(
      ({ path, offset, reason, bytes, missingFrom, missingTo }) =>
        `${path} at byte ${offset}: ${reason} (${bytes} bytes, sequences from ${missingFrom}${missingTo === undefined ? "" : ` to ${missingTo}`})`,
    ),
    ...problemsBefore(files[index + 1], segment),
    ...(index === files.length - 1 ? problemsAtEnd(segment, durable) : []),
  ]);
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

/** What a lane's log is like, by its indexes and its end. */
export interface LogStat {
  readonly lane: string;
  readonly segments: number;
  readonly bytes: number;
  /** Of the first record and the last; undefined in an empty log. */
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  readonly firstTimeMs: number | undefined;
  readonly lastTimeMs: number | undefined;
  /** Good records; those that recovery and verify found damaged don't count. */
  readonly records: number;
  /** Segments that a mark says damage was found in. */
  readonly quarantined: number;
}

/** Reads the indexes of a lane's segments; of segments only those whose index is missing or doesn't fit, as the last one's. */
export function statLog({ lane, dir }: LaneLog): LogStat {
  const files = listSegments(dir);
  const summaries = files.map(summaryOf).filter(({ records }) => records > 0);
  const first = summaries.at(0);
  const last = summaries.at(-1);
  return {
    lane,
    segments: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    firstSequence: first?.firstSequence,
    lastSequence: last && last.nextSequence - 1,
    firstTimeMs: first?.firstTimeMs,
    lastTimeMs: last?.lastTimeMs,
    records: summaries.reduce((sum, { records }) => sum + records, 0),
    quarantined: files.filter(({ path }) => existsSync(quarantinePath(path))).length,
  };
}

function summaryOf({ path, firstSequence, bytes }: SegmentFile): SegmentSummary {
  const known = readSummary(indexPath(path), firstSequence);
  if (known?.closed && known.coveredBytes === bytes) return known;
  const index = new SegmentIndex(firstSequence);
  checkSegment(path, firstSequence, new RecordScanner(), index);
  return index.summary;
}

/** What the last segment's index says was durable, and isn't there. */
function problemsAtEnd({ path, nextSequence }: SegmentCheck, durable: number): string[] {
  if (durable <= nextSequence) return [];
  return [`${path}: sequences ${nextSequence} to ${durable - 1} were durable at its end, and are gone`];
}

/** What doesn't fit between a segment and the one that follows it. */
function problemsBefore(following: SegmentFile | undefined, { path, tornTail, nextSequence }: SegmentCheck): string[] {
  if (following === undefined) return [];
  const problems: string[] = [];
  if (tornTail !== undefined)
    problems.push(`${path} at byte ${tornTail.offset}: ${tornTail.reason}, and a later segment exists`);
  const { firstSequence } = following;
  if (firstSequence > nextSequence)
    problems.push(`sequences ${nextSequence} to ${firstSequence - 1} are missing before ${following.path}`);
  if (firstSequence < nextSequence)
    problems.push(`${following.path} begins at sequence ${firstSequence}, which ${path} has already`);
  return problems;
}
