/** `esc log verify|stat|cat DIR`: what a log on disk holds. Works on a running server's directory too: it only reads. */
import { resolve } from "node:path";
import { TopicPattern } from "@esc/events";
import {
  checkLog,
  findLogs,
  type LaneLog,
  type LogCheck,
  LogReader,
  listSegments,
  type RecordView,
} from "@esc/storage";
import type { CAC } from "cac";
import { asWritten } from "./as-written.ts";
import { ExitCode, UsageError, wholeNumber } from "./usage-error.ts";

interface LogOptions {
  readonly json?: boolean;
  readonly topic?: string;
  readonly lane?: string;
  readonly from?: unknown;
  readonly limit?: unknown;
}

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
    .action((action: string, dir: string, parsed: LogOptions) => {
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
      const logs = findLogs(resolve(process.env.INIT_CWD ?? process.cwd(), String(dir))).filter(
        ({ lane }) => options.lane === undefined || lane === options.lane,
      );
      run(logs, options);
    });
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
  const lanes = logs.map(({ lane, dir }) => {
    const segments = listSegments(dir);
    return {
      lane,
      segments: segments.length,
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      firstSequence: segments[0]?.firstSequence,
    };
  });
  if (json) process.stdout.write(`${JSON.stringify({ lanes })}\n`);
  else
    for (const { lane, segments, bytes, firstSequence } of lanes)
      process.stdout.write(`${lane}: ${segments} segments, ${bytes} bytes, from sequence ${firstSequence}\n`);
}

function cat(logs: readonly LaneLog[], options: LogOptions): void {
  const pattern = options.topic === undefined ? undefined : new TopicPattern(options.topic);
  const fromSequence = options.from === undefined ? 1 : wholeNumber("--from", options.from, 1, Number.MAX_SAFE_INTEGER);
  const limit =
    options.limit === undefined
      ? Number.POSITIVE_INFINITY
      : wholeNumber("--limit", options.limit, 0, Number.MAX_SAFE_INTEGER);
  for (const { lane, dir } of logs) {
    using reader = new LogReader({
      dir,
      fromSequence,
      onGap: (gap) => {
        process.stderr.write(`${gap.path} can't be read from byte ${gap.offset} on: ${gap.reason}\n`);
        process.exitCode = ExitCode.failed;
      },
    });
    let shown = 0;
    if (limit === 0) continue;
    for (const view of reader) {
      if (pattern !== undefined && !pattern.matches(view.topic)) continue;
      process.stdout.write(options.json ? jsonLine(lane, view) : textLine(lane, view));
      if (++shown >= limit) break;
    }
  }
}

function timeText(view: RecordView): string {
  return `${new Date(view.timeMs).toISOString().slice(0, -1)}${String(view.timeNs).padStart(6, "0")}Z`;
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

function textLine(lane: string, view: RecordView): string {
  const { id, payload } = view;
  const text = asText(payload);
  // Control characters would drive the terminal: anything but plain text is shown as hex.
  const shown = text !== undefined && !/\p{Cc}/u.test(text) ? text : `0x${Buffer.from(payload).toString("hex")}`;
  const idText = id === undefined ? "" : ` id=${Buffer.from(id).toString("hex")}`;
  return `${timeText(view)} ${lane}#${view.sequence} ${view.priority} ${view.topic.replace(/\p{Cc}/gu, "?")}${idText} ${shown}\n`;
}

function jsonLine(lane: string, view: RecordView): string {
  const { id, payload, metadata } = view;
  const text = asText(payload);
  return `${JSON.stringify({
    lane,
    sequence: view.sequence,
    time: timeText(view),
    priority: view.priority,
    source: view.source,
    topic: view.topic,
    ...(id && { id: Buffer.from(id).toString("hex") }),
    ...(metadata.size > 0 && {
      metadata: Object.fromEntries(
        [...metadata].map(([key, value]) => [key, asText(value) ?? Buffer.from(value).toString("base64")]),
      ),
    }),
    ...(text === undefined ? { payloadBase64: Buffer.from(payload).toString("base64") } : { payload: text }),
  })}\n`;
}
