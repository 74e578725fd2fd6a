/**
 * What a server with up to 64 cores would do, computed from what each stage costs an event on this machine: the CPU time of
 * the server's own threads under load, the scan kernel alone, and the log alone on the disk. CPU time and not the clock,
 * where threads compute: other load on the machine changes it less. Of several runs each cost is the least.
 *
 *     pnpm --filter @esc/bench scaling [--runs 3] [--events 2000000] [--dir /tmp]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { TopicTable } from "@esc/dispatcher";
import { createCrcTable, encodeFrame, LANE_NAMES } from "@esc/events";
import { Parker, RecordRing } from "@esc/queues";
import { ingestWorkers } from "@esc/server";
import { SegmentedLog } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { digits, machineLine } from "./report.ts";
import { predict, type StageCosts } from "./scaling.ts";
import type { ScanThreadStart } from "./scan-thread.ts";

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
/** Connections, of a generator each. */
const FLOODS = 4;
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
async function serverCosts(): Promise<ServerCosts> {
  const dir = mkdtempSync(join(values.dir, "esc-scaling-"));
  writeFileSync(join(dir, "count.mjs"), 'let n = 0; export default { topics: ">", handle: () => { n++; } };');
  const server = spawn(process.execPath, [CLI, "start"], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      ESC_STORAGE_PATH: join(dir, "data"),
      ESC_HANDLERS: join(dir, "count.mjs"),
      ESC_INGESTION_WORKERS: "1",
      ESC_INGESTION_TCP_PORT: "0",
      ESC_INGESTION_UDP_ENABLE: "false",
      ESC_HTTP_PORT: "0",
    },
    stdio: ["ignore", "pipe", "ignore"],
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

/** CPU time a frame of the scan kernel, of one of so many threads that scan into one lane at the same time. */
async function scanCost(threads: number): Promise<number> {
  const arena = Arena.create({ bytes: 40 * MIB });
  createCrcTable(arena);
  TopicTable.create(arena, "topics", { overrides: [], maxTopics: 64 });
  const capacityBytes = 8 * MIB;
  for (const lane of LANE_NAMES) RecordRing.create(arena, lane, { capacityBytes });
  const lane = RecordRing.attach(arena, "transactional");
  const consumer = lane.consumer();
  const parker = Parker.create(arena, "parker");
  lane.wakeOnPublish(parker);
  let running = threads;
  const workers = Array.from(
    { length: threads },
    (_, index) =>
      new Worker(new URL("./scan-thread.ts", import.meta.url), {
        workerData: { handle: arena.handle, index, frame, events: events / threads } satisfies ScanThreadStart,
      }),
  );
  const costs = workers.map(async (worker) => {
    const [cost] = (await once(worker, "message")) as [number];
    running--;
    parker.unpark();
    return cost;
  });
  while (running > 0) {
    while (consumer.next(capacityBytes) > 0) consumer.release(consumer.runEnd, consumer.runRecords);
    parker.prepare();
    if (consumer.next(capacityBytes) > 0 || running === 0) parker.cancel();
    else await parker.parkAsync(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const all = await Promise.all(costs);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return all.reduce((sum, cost) => sum + cost, 0) / threads;
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
const servers: ServerCosts[] = [];
const scans: number[] = [];
const scansOfTwo: number[] = [];
const logTimes: number[] = [];
for (let run = 0; run < runs; run++) {
  servers.push(await serverCosts());
  scans.push(await scanCost(1));
  scansOfTwo.push(await scanCost(2));
  logTimes.push(logWall(), logWall(), logWall());
}
const scan = least(scans);
const further = least(scansOfTwo) - scan;
const costs: StageCosts = {
  scan,
  read: Math.max(0, least(servers.map(({ ingest }) => ingest)) - scan),
  contention: Math.max(0, further),
  logCpu: least(servers.map(({ log }) => log)),
  logWall: least(logTimes),
  lane: least(servers.map(({ lane }) => lane)),
};

out(machineLine());
out(`${events} events of ${frame.length} bytes, least of ${runs} runs\n`);
out("| stage | ns an event |\n| --- | --- |");
for (const [stage, ns] of [
  ["ingest thread: socket reads and event loop", costs.read],
  ["ingest thread: scan kernel", costs.scan],
  ["each further ingest thread adds (below 0 counts as 0)", further],
  ["log thread, on a core", costs.logCpu],
  [`log alone, on the clock (groups of ${GROUP_BYTES / MIB} MiB, synced)`, costs.logWall],
  ["lane thread, handler that counts", costs.lane],
  ["generator (not in the model)", least(servers.map(({ generator }) => generator))],
] as const) {
  out(`| ${stage} | ${ns.toFixed(1)} |`);
}
out(
  "\n| cores | ingest threads | one lane, M/s | binds | five priorities, M/s | binds | and a log thread for each lane, a disk that keeps up, M/s | binds | Gbit/s in |",
);
out("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const cores of CORES) {
  const workers = ingestWorkers("auto", cores);
  const one = predict(costs, cores, workers, 1);
  const mixed = predict(costs, cores, workers, MIXED_BUSIEST);
  // Several logs on one disk are no faster than it: this column's disk is as fast as the threads are.
  const split = predict({ ...costs, logWall: costs.logCpu }, cores, workers, MIXED_BUSIEST, MIXED_BUSIEST);
  const gbit = (split.eventsPerSecond * frame.length * 8) / 1e9;
  const rates = [one, mixed, split].flatMap(({ eventsPerSecond, bound }) => [digits(eventsPerSecond / 1e6), bound]);
  out(`| ${[cores, workers, ...rates, digits(gbit)].join(" | ")} |`);
}
