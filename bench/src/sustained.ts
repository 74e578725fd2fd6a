/**
 * A minute at full rate: TCP → scan → lane → log with group sync → built-in processor, a real server and `esc bench` as
 * its load. Rates and memory each second, loss by the server's counts, collections of garbage by thread, and the disk's own
 * rate in the same run.
 *
 *     pnpm --filter @esc/bench sustained [--seconds 60] [--dir /tmp]
 *
 * Collections are V8's own account (`--trace-gc`), written by C++ without touching a heap: a line for each, and nothing while
 * there is none. A PerformanceObserver would make an object on the observed heap for each, and the log's thread, whose event
 * loop never turns, would never hear of one.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BenchReport } from "@esc/server";
import { commandLine } from "@esc/tooling/script";
import { ddRates } from "./disk-rate.ts";
import { spread } from "./figure.ts";
import { markedThreads, parseGcTrace, sumCollections } from "./gc-trace.ts";
import { load } from "./load-process.ts";
import { machineLine } from "./report.ts";
import { ServerProcess } from "./server-process.ts";
import { collectionsTable, demands, demandsTable, perSecond, type Sample, secondsTable } from "./sustained-report.ts";

const values = commandLine({
  about: "Measures a minute at full rate over TCP with the log: rates, loss, memory, collections, the disk.",
  options: {
    seconds: { type: "string", default: "60", help: "Of load" },
    dd: { type: "string", default: "10", help: "Seconds of dd before and after" },
    dir: { type: "string", default: tmpdir(), help: "On the disk to measure" },
    keep: { type: "string", default: "8", help: "GiB of log that retention leaves" },
    connections: { type: "string", default: "1", help: "Of the load" },
    priority: { type: "string", default: "MEDIUM", help: "As esc bench has it" },
  },
});
const seconds = Number(values.seconds);
const GIB = 1 << 30;
/** `storage.group_bytes`: the most that the log writes before a sync. */
const GROUP_BYTES = 4 << 20;
/** What dd writes in one file as long as the log: beside the others it tells what new pages cost. */
const MOST_DD_BYTES = 2 ** 34;
const SAMPLE_MS = 1_000;
/** Threads on an event's way. */
const ON_THE_WAY = /^(ingest|lane\.|log$)/;
const out = (text: string) => process.stdout.write(`${text}\n`);

const dir = mkdtempSync(join(values.dir, "esc-sustained-"));
try {
  out(machineLine());
  const disk = ddRates(dir, Number(values.dd), GROUP_BYTES, "oflag=dsync");
  const marks = join(dir, "gc-marks");
  const server = await ServerProcess.start({
    dir,
    nodeOptions: ["--expose-gc", "--trace-gc", "--import", fileURLToPath(new URL("./gc-mark.ts", import.meta.url))],
    env: {
      BENCH_GC_MARKS: marks,
      ESC_BUILTINS: "[{ name: all, topics: '>', kind: count }]",
      ESC_STORAGE_RETENTION_CHECK_INTERVAL_MS: "1000",
      ...Object.fromEntries(
        ["REALTIME", "TRANSACTIONAL", "BATCH"].map((lane) => [
          `ESC_STORAGE_RETENTION_${lane}_MAX_BYTES`,
          String(Math.floor(Number(values.keep) * GIB)),
        ]),
      ),
    },
  });
  let report: BenchReport;
  let timer: NodeJS.Timeout | undefined;
  const samples: Sample[] = [];
  let highestRss = 0;
  let beginMs = 0;
  let endMs = 0;
  let threads: readonly string[] = [];
  let printed = "";
  try {
    const sample = async (): Promise<void> => {
      const { processed, stored } = await server.stats();
      samples.push({
        ...{ atMs: Date.now() - beginMs, processed, stored },
        diskBytes: server.bytesToDisk(),
        rssBytes: server.memory().now,
      });
    };
    threads = markedThreads(readFileSync(marks, "utf8")).filter((name) => ON_THE_WAY.test(name));
    beginMs = Date.now();
    await sample();
    timer = setInterval(() => void sample(), SAMPLE_MS);
    report = await load({
      ...{ server, seconds },
      options: ["--max", "--connections", values.connections, "--priority", values.priority, "--timeout", "120000"],
    });
    endMs = Date.now();
    highestRss = server.memory().highest;
    threads = [
      ...threads,
      ...markedThreads(readFileSync(marks, "utf8")).filter((name) => ON_THE_WAY.test(name) && !threads.includes(name)),
    ];
  } finally {
    clearInterval(timer);
    printed = await server.stop();
  }
  const collections = parseGcTrace(printed, readFileSync(marks, "utf8"));
  rmSync(join(dir, "data"), { recursive: true, force: true });
  const diskAfter = ddRates(dir, Number(values.dd), GROUP_BYTES, "oflag=dsync");
  const logBytes = (samples.at(-1)?.diskBytes ?? 0) - (samples[0]?.diskBytes ?? 0);
  const diskAsLong = ddRates(dir, 0, GROUP_BYTES, "oflag=dsync", Math.min(MOST_DD_BYTES, logBytes));
  const diskAtOnce = ddRates(dir, Number(values.dd) / 2, GROUP_BYTES, "conv=fdatasync");
  const { sent, drained, server: counts } = report;
  if (counts === null || drained === null) throw new Error(`the run failed: ${report.error ?? report.outcome}`);
  const whole = samples.filter(({ processed }, index) => index === 0 || processed < counts.accepted);
  const inSeconds = perSecond(whole);
  const last = samples.at(-1) as Sample;
  const first = samples[0] as Sample;
  // Everything that isn't in the log and handled, exactly once each.
  const lost =
    Math.abs(sent.events - counts.processed) +
    Math.abs(sent.events - counts.stored) +
    counts.notReceived +
    Math.abs(counts.unaccounted);
  out(secondsTable(inSeconds));
  out(
    `\n${sent.events} events sent in ${sent.seconds.toFixed(1)} s, all handled and stored after ${drained.seconds.toFixed(1)} s`,
  );
  out(
    `accepted ${counts.accepted} = processed ${counts.processed}, stored ${counts.stored}; dead ${counts.deadLettered}, dropped ${JSON.stringify(counts.dropped)}, refused ${JSON.stringify(counts.refused)}`,
  );
  out(`generator ${report.generator.cpuPercent.toFixed(0)}% of a core`);
  const mbs = (rates: readonly number[]) => {
    const { median, lowest, highest } = spread(rates);
    return `${(median / 1e6).toFixed(0)} (${(lowest / 1e6).toFixed(0)}–${(highest / 1e6).toFixed(0)}) MB/s`;
  };
  out(
    `dd, 4 MiB blocks, oflag=dsync: before ${mbs(disk)}, after ${mbs(diskAfter)}; one file as long as the log, up to 16 GiB: ${mbs(diskAsLong)}; conv=fdatasync ${mbs(diskAtOnce)}\n`,
  );
  const sums = sumCollections(collections, threads, beginMs, endMs);
  out(`${collectionsTable(sums)}\n`);
  const rows = demands({
    ...{ eventsPerSecond: drained.eventsPerSecond, lost, seconds: inSeconds, highestRss, collections: sums },
    logBytesPerSecond: ((last.diskBytes - first.diskBytes) / (last.atMs - first.atMs)) * 1e3,
    disk: [...disk, ...diskAfter],
  });
  out(demandsTable(rows));
  if (lost > 0) {
    out(`\nLOSS: ${lost}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
