/**
 * A log of many gigabytes: how long recovery and a whole server's start take, how long reading from a time in the middle takes to its first event,
 * and how much memory that needs. Builds the log, measures in a process of its own, and deletes the log.
 *
 *     node bench/src/big-log.ts [--events 50000000] [--payload 160] [--dir /tmp] [--keep]
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Arena } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { CursorFile, cursorFile, LogFollower, LogReader, logDirectory, recoverLog, SegmentedLog } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";

const values = commandLine({
  about: "Builds a log of many gigabytes and measures recovery, a server's start, and reading from the middle.",
  options: {
    events: { type: "string", default: "50000000", help: "In the log" },
    payload: { type: "string", default: "160", help: "Bytes of each event" },
    dir: { type: "string", default: tmpdir(), help: "Where the log is built" },
    keep: { type: "boolean", default: false, help: "Leaves the log there" },
    measure: { type: "string" },
  },
});
const events = Number(values.events);
const SEGMENT_BYTES = 64 << 20;
const FIRST_TIME_MS = 1_700_000_000_000;
/** Events of one millisecond. */
const PER_MS = 10;

/** Appends the events as a log's thread does, from a ring. */
function build(dir: string): void {
  const arena = Arena.create({ bytes: 48 << 20 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: 16 << 20 });
  const consumer = ring.consumer();
  const producer = ring.appender("producer");
  const bytes = new Uint8Array(arena.memory.buffer);
  const log = SegmentedLog.open({ dir, segmentBytes: SEGMENT_BYTES });
  const topic = Buffer.from("order.created");
  const payload = Buffer.alloc(Number(values.payload), "x");
  for (let n = 0; n < events; ) {
    while (n < events) {
      const timeMs = FIRST_TIME_MS + Math.floor(n / PER_MS);
      if (!producer.append({ topic, payload, priority: 2, source: 0, timeMs })) break;
      n++;
    }
    for (let records = consumer.next(1 << 20); records > 0; records = consumer.next(1 << 20)) {
      log.append(bytes, runAddress(consumer), consumer.runBytes, consumer.runSequence, records);
      consumer.release(consumer.runEnd, records);
    }
  }
  log.sync();
  log.close();
}

interface Measured {
  readonly recoverMs: number;
  readonly fromTimeMs: number;
  readonly fromSequenceMs: number;
  readonly residentMb: number;
}

/** In a process of its own: what a start and two looks into the middle cost. */
async function measure(dir: string): Promise<Measured> {
  const timed = async (work: () => void | Promise<void>) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const recoverMs = await timed(() => {
    const { nextSequence } = recoverLog(dir);
    if (nextSequence !== events + 1) throw new Error(`the log ends at ${nextSequence - 1}, not ${events}`);
  });
  const middle = Math.floor(events / 2 / PER_MS) * PER_MS + 1;
  const fromTimeMs = await timed(async () => {
    const end = { sequence: () => events + 1, wait: async () => undefined };
    using follower = new LogFollower({ dir, end, fromTimeMs: FIRST_TIME_MS + (middle - 1) / PER_MS });
    for await (const event of follower) {
      if (event.sequence !== middle) throw new Error(`the first is ${event.sequence}, not ${middle}`);
      break;
    }
  });
  const fromSequenceMs = await timed(() => {
    using reader = new LogReader({ dir, fromSequence: middle + 5 });
    for (const event of reader) {
      if (event.sequence !== middle + 5) throw new Error(`the first is ${event.sequence}`);
      break;
    }
  });
  const status = readFileSync("/proc/self/status", "utf8");
  const residentMb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024;
  return { recoverMs, fromTimeMs, fromSequenceMs, residentMb };
}

/** The server on that directory: from its process's start to `ready`, and its memory then. */
async function startServer(dataDir: string): Promise<string> {
  const cli = fileURLToPath(new URL("../../apps/server/dist/cli.js", import.meta.url));
  const env = {
    PATH: process.env.PATH,
    ESC_STORAGE_PATH: dataDir,
    ESC_INGESTION_TCP_PORT: "0",
    ESC_INGESTION_UDP_PORT: "0",
    ESC_HTTP_PORT: "0",
  };
  const started = performance.now();
  const child = spawn(process.execPath, [cli, "start"], { cwd: dataDir, env, stdio: ["ignore", "pipe", "ignore"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => chunk.includes('"msg":"ready"') && resolve());
    child.once("exit", () => reject(new Error("the server ended before it was ready")));
  });
  const ms = performance.now() - started;
  const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1_024;
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
  return `the server was ready ${ms.toFixed(0)} ms after its process began (goal under 2000), RSS ${resident.toFixed(0)} MB (goal under 300)`;
}

const out = (text: string) => process.stdout.write(`${text}\n`);

if (values.measure !== undefined) {
  out(JSON.stringify(await measure(values.measure)));
} else {
  const parent = mkdtempSync(join(values.dir, "esc-big-log-"));
  const dir = logDirectory(parent, "transactional");
  try {
    const started = performance.now();
    build(dir);
    const { bytes, segments } = recoverLog(dir);
    out(
      `${events} events, ${(bytes / 1e9).toFixed(2)} GB in ${segments} segments, built in ${((performance.now() - started) / 1e3).toFixed(1)} s`,
    );
    const self = fileURLToPath(import.meta.url);
    for (let run = 1; run <= 3; run++) {
      const child = spawnSync(process.execPath, [self, "--events", String(events), "--measure", dir], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit"],
      });
      const measured = JSON.parse(child.stdout) as Measured;
      out(
        `run ${run}: recovered in ${measured.recoverMs.toFixed(0)} ms (goal under 2000), first event from a time in the middle after ${measured.fromTimeMs.toFixed(1)} ms (goal under 50), from a sequence after ${measured.fromSequenceMs.toFixed(1)} ms, highest RSS ${measured.residentMb.toFixed(0)} MB (goal under 300)`,
      );
    }
    await new CursorFile(cursorFile(parent, "transactional")).write(events + 1);
    for (let run = 1; run <= 3; run++) out(`run ${run}: ${await startServer(parent)}`);
  } finally {
    if (values.keep) out(`kept: ${parent}`);
    else rmSync(parent, { recursive: true, force: true });
  }
}
