/**
 * What a server with up to 64 cores would do, computed from what each stage costs an event on this machine: the CPU time of
 * the server's own threads under load, the scan kernel alone, and the log alone on the disk. CPU time and not the clock,
 * where threads compute: other load on the machine changes it less. Of several runs each cost is the least.
 *
 *     pnpm --filter @esc/bench scaling [--runs 3] [--events 2000000] [--dir /tmp]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Arena } from "@esc/arena";
import { TopicTable, WAITING_PRODUCER } from "@esc/dispatcher";
import { createCrcTable, encodeFrame, LANE_NAMES, type LaneName, Source } from "@esc/events";
import { FrameScanner, INGEST_COUNTERS, InputArea, ScanStatus } from "@esc/ingest";
import { CounterBlock } from "@esc/metrics";
import { RecordRing } from "@esc/queues";
import { ingestWorkers } from "@esc/server";
import { SegmentedLog } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { digits, machineLine } from "./report.ts";
import { predict, type StageCosts } from "./scaling.ts";

const values = commandLine({
  about: "Measures what each stage costs an event, and computes what more cores would do.",
  options: {
    runs: { type: "string", default: "3", help: "Of each measurement; the least counts" },
    events: { type: "string", default: "2000000", help: "Of each run" },
    dir: { type: "string", default: tmpdir(), help: "On the disk to measure" },
  },
});
const runs = Number(values.runs);
const events = Number(values.events);
const CLI = fileURLToPath(new URL("../../apps/server/dist/cli.js", import.meta.url));
const FLOOD = fileURLToPath(new URL("./flood.ts", import.meta.url));
const frame = Buffer.from(encodeFrame({ topic: "order.created", payload: Buffer.alloc(32, "x"), priority: 2 }));
const MIB = 1 << 20;
/** As a lane has the frame: 32 bytes of header, 13 of topic, 32 of payload, padded. */
const RECORD_BYTES = 80;
/** `storage.group_bytes`. */
const GROUP_BYTES = 4 * MIB;
const GROUPS = 24;
/** Connections: enough that each of two ingest threads has some. */
const FLOODS = 8;
const CORES = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64];
/** Five priorities in equal parts: two go to the transactional lane, two to the realtime one. */
const MIXED_BUSIEST = 0.4;
const out = (text: string) => process.stdout.write(`${text}\n`);

/** Nanoseconds on a core of each of a process's threads that has one of these names. */
function cpuNs(pid: number, named: RegExp): number {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const dir = `/proc/${pid}/task/${task}`;
    if (!named.test(readFileSync(`${dir}/comm`, "utf8"))) continue;
    total += Number(readFileSync(`${dir}/schedstat`, "utf8").split(" ")[0]);
  }
  return total;
}

interface ServerCosts {
  readonly ingest: number;
  readonly log: number;
  readonly lane: number;
  readonly generator: number;
}

/** CPU time an event of each of a real server's threads: TCP, transactional, group sync, a handler that counts. */
async function serverCosts(workers: number): Promise<ServerCosts> {
  const dir = mkdtempSync(join(values.dir, "esc-scaling-"));
  writeFileSync(join(dir, "count.mjs"), 'let n = 0; export default { topics: ">", handle: () => { n++; } };');
  const server = spawn(process.execPath, [CLI, "start"], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      ESC_STORAGE_PATH: join(dir, "data"),
      ESC_HANDLERS: join(dir, "count.mjs"),
      ESC_INGESTION_WORKERS: String(workers),
      ESC_INGESTION_TCP_PORT: "0",
      ESC_INGESTION_UDP_ENABLE: "false",
      ESC_HTTP_PORT: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const { tcp, http } = await ready(server);
    const pid = server.pid as number;
    const names = { ingest: /^ingest/, log: /^log$/m, lane: /^lane\.transactio/ };
    const read = () => ({
      ingest: cpuNs(pid, names.ingest),
      log: cpuNs(pid, names.log),
      lane: cpuNs(pid, names.lane),
    });
    const before = read();
    const each = Math.ceil(events / FLOODS);
    const port = `--port=${tcp.slice(tcp.lastIndexOf(":") + 1)}`;
    const floods = Array.from({ length: FLOODS }, () =>
      spawn(process.execPath, [FLOOD, port, `--message=${frame.toString("hex")}`, `--count=${each}`]),
    );
    const gone = floods.map((flood) => new Promise((resolve) => flood.once("close", resolve)));
    let generator = 0;
    for (;;) {
      // The generators' start is in it: it is told, and not part of the model.
      generator = Math.max(generator, generatorNs(floods));
      const stats = (await (await fetch(`http://${http}/api/v1/stats`)).json()) as { processed: number };
      if (stats.processed >= each * FLOODS) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const after = read();
    await Promise.all(gone);
    const per = (ns: number) => ns / (each * FLOODS);
    return {
      ingest: per(after.ingest - before.ingest),
      log: per(after.log - before.log),
      lane: per(after.lane - before.lane),
      generator: per(generator),
    };
  } finally {
    server.kill("SIGTERM");
    if (server.exitCode === null) await new Promise((resolve) => server.once("exit", resolve));
    rmSync(dir, { recursive: true, force: true });
  }
}

function generatorNs(floods: readonly ChildProcess[]): number {
  let total = 0;
  for (const { pid, exitCode } of floods) {
    if (pid === undefined || exitCode !== null) continue;
    try {
      total += cpuNs(pid, /./);
    } catch {
      // It ended between the look and the read.
    }
  }
  return total;
}

async function ready(server: ChildProcess): Promise<{ readonly tcp: string; readonly http: string }> {
  const stdout = server.stdout as NonNullable<typeof server.stdout>;
  for await (const line of createInterface({ input: stdout })) {
    const said = JSON.parse(line) as { msg: string; tcp: string; http: string };
    if (said.msg !== "ready") continue;
    stdout.resume();
    return said;
  }
  throw new Error("the server ended before it was ready");
}

/** CPU time a frame of the scan kernel: chunks of one read, the lane emptied in between. */
function scanCost(): number {
  const arena = Arena.create({ bytes: 24 * MIB });
  createCrcTable(arena);
  const topics = TopicTable.create(arena, "topics", { overrides: [], maxTopics: 64 });
  const lanes = Object.fromEntries(
    LANE_NAMES.map((lane) => {
      const ring = RecordRing.create(arena, lane, { capacityBytes: 4 * MIB });
      return [lane, { ring, producer: ring.addProducer() }];
    }),
  ) as Record<LaneName, { ring: RecordRing; producer: number }>;
  const consumer = lanes.transactional.ring.consumer();
  const maxFrameBytes = 65_536;
  const input = new InputArea(arena, "input", { maxFrameBytes });
  const counters = CounterBlock.create(arena, "counters", INGEST_COUNTERS);
  const options = { source: Source.tcp, maxFrameBytes, topics, lanes, overflow: WAITING_PRODUCER, counters };
  const scanner = new FrameScanner(arena, "scan", options);
  const frames = Math.floor(input.readView.length / frame.length);
  for (let i = 0; i < frames; i++) input.readView.set(frame, i * frame.length);
  const end = input.readStart + frames * frame.length;
  let scanned = 0;
  const before = process.threadCpuUsage();
  while (scanned < events) {
    let start = input.readStart;
    for (let status: number = ScanStatus.again; status === ScanStatus.again; ) {
      status = scanner.scan(start, end, false);
      start += scanner.taken;
      if (status === ScanStatus.blocked) throw new Error("the lane is full, though it was emptied");
    }
    scanned += frames;
    while (consumer.next(4 * MIB) > 0) consumer.release(consumer.runEnd, consumer.runRecords);
  }
  const { user, system } = process.threadCpuUsage(before);
  return ((user + system) * 1_000) / scanned;
}

/** Nanoseconds on the clock an event, of the log alone: groups of `storage.group_bytes`, each synced. */
function logWall(): number {
  const dir = mkdtempSync(join(values.dir, "esc-scaling-log-"));
  const log = SegmentedLog.open({ dir: join(dir, "log"), segmentBytes: 64 * MIB, preallocateBytes: MIB });
  const perGroup = Math.floor(GROUP_BYTES / RECORD_BYTES);
  const bytes = Buffer.alloc(perGroup * RECORD_BYTES, "x");
  const started = performance.now();
  for (let group = 0; group < GROUPS; group++) {
    log.append(bytes, 0, bytes.length, group * perGroup + 1, perGroup);
    log.sync();
  }
  const ms = performance.now() - started;
  log.close();
  rmSync(dir, { recursive: true });
  return (ms * 1e6) / (GROUPS * perGroup);
}

const least = (numbers: readonly number[]) => Math.min(...numbers);
const alone: ServerCosts[] = [];
const two: ServerCosts[] = [];
const scans: number[] = [];
const logTimes: number[] = [];
for (let run = 0; run < runs; run++) {
  alone.push(await serverCosts(1));
  two.push(await serverCosts(2));
  scans.push(scanCost());
  logTimes.push(logWall());
}
const scan = least(scans);
const ingest = least(alone.map((costs) => costs.ingest));
const costs: StageCosts = {
  scan,
  read: Math.max(0, ingest - scan),
  contention: Math.max(0, least(two.map((one) => one.ingest)) - ingest),
  logCpu: least(alone.map(({ log }) => log)),
  logWall: least(logTimes),
  lane: least(alone.map(({ lane }) => lane)),
};

out(machineLine());
out(`${events} events of ${frame.length} bytes, least of ${runs} runs\n`);
out("| stage | ns an event |\n| --- | --- |");
for (const [stage, ns] of [
  ["ingest thread: socket reads and event loop", costs.read],
  ["ingest thread: scan kernel", costs.scan],
  ["each further ingest thread adds", costs.contention],
  ["log thread, on a core", costs.logCpu],
  [`log, on the clock (groups of ${GROUP_BYTES / MIB} MiB, synced)`, costs.logWall],
  ["lane thread, handler that counts", costs.lane],
  ["generator (not in the model)", least(alone.map(({ generator }) => generator))],
] as const) {
  out(`| ${stage} | ${digits(ns)} |`);
}
out(
  "\n| cores | ingest threads | one lane, M/s | binds | five priorities, M/s | binds | with a faster disk, M/s | binds | Gbit/s in |",
);
out("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const cores of CORES) {
  const workers = ingestWorkers("auto", cores);
  const one = predict(costs, cores, workers, 1);
  const mixed = predict(costs, cores, workers, MIXED_BUSIEST);
  // The log's thread no longer waits: what it computes is what is left.
  const faster = predict({ ...costs, logWall: costs.logCpu }, cores, workers, MIXED_BUSIEST);
  const gbit = (faster.eventsPerSecond * frame.length * 8) / 1e9;
  const rates = [one, mixed, faster].flatMap(({ eventsPerSecond, bound }) => [digits(eventsPerSecond / 1e6), bound]);
  out(`| ${[cores, workers, ...rates, digits(gbit)].join(" | ")} |`);
}
