/** `esc log verify|stat|cat|groups DIR`: what a log on disk holds. Works on a running server's directory too: it only reads. */
import { resolve } from "node:path";
import { LANE_NAMES, patternProblem, TopicPattern } from "@esc/events";
import {
  ConsumerGroups,
  checkLog,
  DEAD_LETTERS,
  findLogs,
  type LaneLog,
  type LogCheck,
  LogReader,
  type LogStat,
  lagOf,
  statLog,
} from "@esc/storage";
import type { CAC } from "cac";
import { asWritten } from "./as-written.ts";
import { eventJson, eventText } from "./log-event-text.ts";
import { ExitCode, UsageError, wholeNumber } from "./usage-error.ts";

interface LogOptions {
  readonly json?: boolean;
  readonly topic?: string;
  readonly lane?: string;
  readonly from?: unknown;
  readonly fromTime?: string;
  readonly limit?: unknown;
}

/** A payload's share of a terminal's lines; into a file or pipe it goes whole. */
const TERMINAL_PAYLOAD_CHARS = 200;
/** Lines are written in pieces of about this size: a system call each would cost more than reading the log. */
const WRITE_CHARS = 65_536;

export function registerLog(cli: CAC): void {
  cli
    .command("log <action> <dir>", "Look into a log: esc log verify|stat|cat|groups DIR")
    .option("--json", "verify, stat, groups: one JSON object; cat: one per line")
    .option("--lane <name>", "Only this lane's log")
    .option("--topic <pattern>", "cat: only topics that match (* one level, > the rest)")
    .option("--from <sequence>", "cat: from this sequence on (default: 1)")
    .option("--from-time <time>", "cat: from the first event on that isn't earlier: ISO 8601, or ms since 1970")
    .option("--limit <count>", "cat: at most so many events of each lane")
    .example("esc log verify ./data")
    .example("esc log cat ./data --topic 'order.>' --limit 10 --json")
    .example("esc log cat ./data --lane dead-letters --from-time 2026-01-31T12:00:00Z")
    .action(async (action: string, dir: string, parsed: LogOptions) => {
      const topic = asWritten(cli.rawArgs, "topic");
      const lane = asWritten(cli.rawArgs, "lane");
      const fromTime = asWritten(cli.rawArgs, "from-time");
      const options = {
        ...parsed,
        ...(topic !== undefined && { topic }),
        ...(lane !== undefined && { lane }),
        ...(fromTime !== undefined && { fromTime }),
      };
      // A reader like `head` that has enough closes the pipe: that is no error.
      process.stdout.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "EPIPE") process.exit(ExitCode.ok);
        throw error;
      });
      const run = { verify, stat, cat, groups }[action];
      if (run === undefined) throw new UsageError(`esc log ${action}: there is verify, stat, cat and groups.`);
      const problem = topic === undefined ? undefined : patternProblem(topic);
      if (problem !== undefined) throw new UsageError(`--topic "${topic}" is no topic pattern: ${problem}.`);
      const root = resolve(process.env.INIT_CWD ?? process.cwd(), String(dir));
      await run(ofLane(findLogs(root), options.lane), options, root);
    });
}

/** The log of a lane, or all; none of a lane that has stored nothing yet. @throws UsageError for a name that is no lane's. */
function ofLane(logs: readonly LaneLog[], lane: string | undefined): readonly LaneLog[] {
  if (lane === undefined) return logs;
  const names = new Set<string>([...LANE_NAMES, DEAD_LETTERS, ...logs.map((log) => log.lane)]);
  if (!names.has(lane)) throw new UsageError(`--lane takes ${[...names].join(", ")}, not "${lane}".`);
  return logs.filter((log) => log.lane === lane);
}

function verify(logs: readonly LaneLog[], { json }: LogOptions): void {
  const checks = logs.map((log) => checkLog(log));
  const sound = checks.every((check) => check.sound);
  const records = checks.reduce((sum, check) => sum + check.records - check.tombstones, 0);
  if (json) {
    process.stdout.write(`${JSON.stringify({ sound, events: records, lanes: checks })}\n`);
  } else {
    for (const check of checks) process.stdout.write(describe(check));
    process.stdout.write(sound ? `sound: ${records} events\n` : "damaged\n");
  }
  if (!sound) process.exitCode = ExitCode.failed;
}

function describe(check: LogCheck): string {
  const range =
    check.firstSequence === undefined ? "empty" : `sequences ${check.firstSequence} to ${check.lastSequence}`;
  const lines = [
    `${check.lane}: ${check.records} records in ${check.segments.length} segments, ${check.bytes} bytes, ${range}`,
  ];
  const torn = check.segments.at(-1)?.tornTail;
  if (torn !== undefined)
    lines.push(
      `  unfinished at its end: ${torn.bytes} bytes from byte ${torn.offset} on (a write under way, or cut off by a crash)`,
    );
  return `${[...lines, ...check.problems.map((problem) => `  DAMAGE ${problem}`)].join("\n")}\n`;
}

function stat(logs: readonly LaneLog[], { json }: LogOptions): void {
  const lanes = logs.map((log) => statLog(log));
  if (json) process.stdout.write(`${JSON.stringify({ lanes })}\n`);
  else for (const lane of lanes) process.stdout.write(statLine(lane));
}

function statLine({ lane, segments, bytes, ...stat }: LogStat): string {
  const { firstSequence, lastSequence, firstTimeMs, lastTimeMs, quarantined } = stat;
  const range =
    firstTimeMs === undefined || lastTimeMs === undefined
      ? "empty"
      : `sequences ${firstSequence} to ${lastSequence}, ${isoTime(firstTimeMs)} to ${isoTime(lastTimeMs)}`;
  const marked = quarantined > 0 ? `, ${quarantined} segments quarantined (see esc log verify)` : "";
  return `${lane}: ${segments} segments, ${bytes} bytes, ${range}${marked}\n`;
}

/** Consumer groups lie beside the logs, so this takes a data directory. */
async function groups(logs: readonly LaneLog[], { json }: LogOptions, dataDir: string): Promise<void> {
  const lines: string[] = [];
  const found: object[] = [];
  for (const log of logs) {
    const { firstSequence = 1, lastSequence = 0 } = statLog(log);
    const next = lastSequence + 1;
    for (const { group, cursor } of await new ConsumerGroups({ dataDir, lane: log.lane }).list()) {
      const lag = lagOf(cursor, firstSequence, next);
      const nextSequence = cursor.kind === "known" ? cursor.nextSequence : undefined;
      const at = cursor.kind === "broken" ? `broken cursor (${cursor.reason})` : `next is ${nextSequence}`;
      found.push({ lane: log.lane, group, nextSequence, lag, state: cursor.kind });
      lines.push(`${log.lane} ${group}: ${at}, ${lag} events behind\n`);
    }
  }
  if (json) process.stdout.write(`${JSON.stringify({ groups: found })}\n`);
  else process.stdout.write(lines.length === 0 ? "no consumer groups\n" : lines.join(""));
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

async function cat(logs: readonly LaneLog[], options: LogOptions): Promise<void> {
  const pattern = options.topic === undefined ? undefined : new TopicPattern(options.topic);
  const fromSequence =
    options.from === undefined ? undefined : wholeNumber("--from", options.from, 1, Number.MAX_SAFE_INTEGER);
  const fromTimeMs = options.fromTime === undefined ? undefined : timeMs(options.fromTime);
  if (fromSequence !== undefined && fromTimeMs !== undefined) {
    throw new UsageError("--from and --from-time exclude each other: give one of them.");
  }
  const limit =
    options.limit === undefined
      ? Number.POSITIVE_INFINITY
      : wholeNumber("--limit", options.limit, 0, Number.MAX_SAFE_INTEGER);
  if (limit === 0) return;
  const maxChars = process.stdout.isTTY ? TERMINAL_PAYLOAD_CHARS : undefined;
  let lines = "";
  for (const { lane, dir } of logs) {
    using reader = new LogReader({
      dir,
      ...(fromSequence !== undefined && { fromSequence }),
      ...(fromTimeMs !== undefined && { fromTimeMs }),
      ...(pattern !== undefined && { topic: pattern }),
      onGap: (gap) => {
        process.stderr.write(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}\n`);
        process.exitCode = ExitCode.failed;
      },
    });
    let shown = 0;
    for (const view of reader) {
      lines += options.json ? eventJson(lane, view) : eventText(lane, view, maxChars);
      if (lines.length >= WRITE_CHARS) {
        await write(lines);
        lines = "";
      }
      if (++shown >= limit) break;
    }
  }
  await write(lines);
}

/** A time as people write it. */
function timeMs(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  throw new UsageError(`--from-time takes a time like 2026-01-31T12:00:00Z, or ms since 1970, not "${text}".`);
}

/** Waits until it is out: a slow reader holds us back, and one that has enough is noticed at once. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
