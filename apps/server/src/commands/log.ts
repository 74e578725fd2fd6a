/** `esc log verify|stat|cat DIR`: what a log on disk holds. Works on a running server's directory too: it only reads. */
import { resolve } from "node:path";
import { LANE_NAMES, TopicPattern } from "@esc/events";
import {
  checkLog,
  DEAD_LETTERS,
  findLogs,
  type LaneLog,
  type LogCheck,
  LogReader,
  type LogStat,
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
  readonly limit?: unknown;
}

/** A payload's share of a terminal's lines; into a file or pipe it goes whole. */
const TERMINAL_PAYLOAD_CHARS = 200;
/** Lines are written in pieces of about this size: a system call each would cost more than reading the log. */
const WRITE_CHARS = 65_536;

export function registerLog(cli: CAC): void {
  cli
    .command("log <action> <dir>", "Look into a log: esc log verify|stat|cat DIR")
    .option("--json", "verify, stat: one JSON object; cat: one per line")
    .option("--lane <name>", "Only this lane's log")
    .option("--topic <pattern>", "cat: only topics that match (* one level, > the rest)")
    .option("--from <sequence>", "cat: from this sequence on (default: 1)")
    .option("--limit <count>", "cat: at most so many events of each lane")
    .example("esc log verify ./data")
    .example("esc log cat ./data --topic 'order.>' --limit 10 --json")
    .action(async (action: string, dir: string, parsed: LogOptions) => {
      const topic = asWritten(cli.rawArgs, "topic");
      const lane = asWritten(cli.rawArgs, "lane");
      const options = { ...parsed, ...(topic !== undefined && { topic }), ...(lane !== undefined && { lane }) };
      // A reader like `head` that has enough closes the pipe: that is no error.
      process.stdout.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "EPIPE") process.exit(ExitCode.ok);
        throw error;
      });
      const run = { verify, stat, cat }[action];
      if (run === undefined) throw new UsageError(`esc log ${action}: there is verify, stat and cat.`);
      const logs = findLogs(resolve(process.env.INIT_CWD ?? process.cwd(), String(dir)));
      await run(ofLane(logs, options.lane), options);
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
  const { firstSequence, lastSequence, firstTimeMs, lastTimeMs } = stat;
  const range =
    firstTimeMs === undefined || lastTimeMs === undefined
      ? "empty"
      : `sequences ${firstSequence} to ${lastSequence}, ${isoTime(firstTimeMs)} to ${isoTime(lastTimeMs)}`;
  return `${lane}: ${segments} segments, ${bytes} bytes, ${range}\n`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

async function cat(logs: readonly LaneLog[], options: LogOptions): Promise<void> {
  const pattern = options.topic === undefined ? undefined : new TopicPattern(options.topic);
  const fromSequence =
    options.from === undefined ? undefined : wholeNumber("--from", options.from, 1, Number.MAX_SAFE_INTEGER);
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
      onGap: (gap) => {
        process.stderr.write(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}\n`);
        process.exitCode = ExitCode.failed;
      },
    });
    let shown = 0;
    for (const view of reader) {
      if (pattern !== undefined && !pattern.matches(view.topic)) continue;
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

/** Waits until it is out: a slow reader holds us back, and one that has enough is noticed at once. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
