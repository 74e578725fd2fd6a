/**
 * Publishing within the process, measured: another thread → lane → its reader, alone and in the whole server with its log;
 * beside `postMessage` and ringbuf.js, in turn.
 *
 *     pnpm --filter @esc/bench run publish [--rounds 2] [--runs 20] [--events 400000] [--rate 100000]
 *
 * Runs are many and short: on a machine with other work both threads have a CPU for some milliseconds at a time only. The best
 * run says what the code does, the median what the machine left of it.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { TopicTable } from "@esc/dispatcher";
import { createCrcTable, LANE_NAMES, type LaneName } from "@esc/events";
import { type PublisherHandle, PublisherPlaces } from "@esc/ingest";
import { RecordRing } from "@esc/queues";
import { loadConfig, Server } from "@esc/server";
import { commandLine } from "@esc/tooling/script";
import { pino } from "pino";
import { RingBuffer } from "ringbuf.js";
import { PinnedThreads } from "../peers/js/pinned-threads.ts";
import { type Figure, joinRounds } from "./figure.ts";
import { DOUBLES, type PublishRun, publisherOf } from "./publish-thread.ts";
import { machineLine, markdownTable, spreadText } from "./report.ts";

const values = commandLine({
  about: "Measures publishing within the process: lane alone and whole server, beside postMessage and ringbuf.js.",
  options: {
    rounds: { type: "string", default: "2", help: "Each measures everything, in turn" },
    runs: { type: "string", default: "20", help: "Of each way in a round" },
    events: { type: "string", default: "400000", help: "Of each run as fast as it goes" },
    what: { type: "string", default: "all", help: "all, rate or latency" },
    rate: { type: "string", default: "100000", help: "Events a second where latency is measured" },
  },
});
const [rounds, runs, events, rate] = [values.rounds, values.runs, values.events, values.rate].map(Number) as [
  number,
  number,
  number,
  number,
];
const BATCH = 256;
const LATENCY_SECONDS = 0.2;
/** Events of a stretch whose latency is looked at by itself: 5 ms at 100,000 a second. */
const WINDOW = 500;
const RING_BYTES = 1 << 22;
const THREAD = new URL("./publish-thread.ts", import.meta.url);
const WAYS = ["ours", "ringbuf.js", "postMessage"] as const;
const QUANTILES = { p50: 0.5, p99: 0.99, "p99.9": 0.999 } as const;

/** Lanes without a server. */
function lanes(): PublisherHandle {
  const arena = Arena.create({ bytes: 1 << 26 });
  createCrcTable(arena);
  TopicTable.create(arena, "topics", { overrides: [], maxTopics: 1_024 });
  const rings = Object.fromEntries(
    LANE_NAMES.map((lane) => [lane, RecordRing.create(arena, lane, { capacityBytes: RING_BYTES })]),
  ) as Record<LaneName, RecordRing>;
  const places = PublisherPlaces.create(arena, { places: 1, maxFrameBytes: 65_536, batchBytes: 1 << 20 });
  places.watch(rings);
  places.open();
  return { arena: arena.handle };
}

function figure(
  name: string,
  peer: string,
  unit: Figure["unit"],
  measured: readonly number[],
  quantile?: string,
): Figure {
  return { peer, version: process.version, case: name, unit, runs: measured, ...(quantile && { quantile }) };
}

/** The stretch in which both threads had a CPU, if there was one: that of the least p99, sorted. */
function bestWindow(samples: Float64Array): Float64Array {
  let best = samples.slice(0, WINDOW).sort();
  const p99 = (window: Float64Array) => window[Math.floor(WINDOW * 0.99)] as number;
  for (let at = WINDOW; at + WINDOW <= samples.length; at += WINDOW) {
    const window = samples.slice(at, at + WINDOW).sort();
    if (p99(window) < p99(best)) best = window;
  }
  return best;
}

async function between(way: PublishRun["way"], batch: number, atRate: number): Promise<Figure[]> {
  const shared: PublishRun = {
    ...{ way, batch, rate: atRate, handle: lanes() },
    ring: RingBuffer.getStorageForCapacity(DOUBLES * 32_768, Float64Array) as SharedArrayBuffer,
    taken: new Int32Array(new SharedArrayBuffer(4)),
  };
  const { port1, port2 } = new MessageChannel();
  await using threads = new PinnedThreads(THREAD, shared, {
    ports: [port1, port2],
    // Sleepers are woken slowly on CPUs of their own.
    pinned: way !== "postMessage",
  });
  if (atRate > 0) {
    const count = Math.round(atRate * LATENCY_SECONDS);
    await threads.run(count);
    const sorted: Float64Array[] = [];
    const best: Float64Array[] = [];
    for (let run = 0; run < runs; run++) {
      const samples = (await threads.run(count))[1].samples as Float64Array;
      best.push(bestWindow(samples));
      sorted.push(samples.sort());
    }
    const windows = { p50: 0.5, p99: 0.99 };
    const inWindow = Object.entries(windows).map(([name, part]) => {
      const each = best.map((samples) => Math.max(1, samples[Math.floor(samples.length * part)] as number));
      return figure(`the same, each run's best ${WINDOW} events`, way, "ns", each, name);
    });
    const whole = Object.entries(QUANTILES).map(([name, part]) => {
      const each = sorted.map((samples) => Math.max(1, samples[Math.floor(samples.length * part)] as number));
      return figure(`latency at ${atRate} a second`, way, "ns", each, name);
    });
    return [...whole, ...inWindow];
  }
  const rates: number[] = [];
  await threads.run(events);
  for (let run = 0; run < runs; run++) rates.push(events / (await threads.run(events))[1].seconds);
  return [figure(batch === 1 ? "one by one" : `batches of ${BATCH}`, way, "items/s", rates)];
}

/** Published and taken on one thread in turn: what the work costs, without the way between two CPUs. */
function onOneThread(batch: number): Figure {
  const handle = lanes();
  const send = publisherOf({ handle, batch });
  const consumer = RecordRing.attach(Arena.attach(handle.arena), "transactional").consumer();
  const rates: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    let taken = 0;
    for (let sent = 0; sent < events; sent += batch) {
      send(sent, batch, 0);
      if ((sent / batch) % 16 !== 15) continue;
      for (let records = consumer.next(65_536); records > 0; records = consumer.next(65_536)) {
        consumer.release(consumer.runEnd, records);
        taken += records;
      }
    }
    if (taken === 0) throw new Error("wrong result: nothing was taken");
    if (run > 0) rates.push((events / (performance.now() - start)) * 1e3);
  }
  return figure(batch === 1 ? "one by one" : `batches of ${BATCH}`, "ours, on one thread", "items/s", rates);
}

async function wholeServer(batch: number): Promise<Figure> {
  const dir = mkdtempSync(join(tmpdir(), "esc-bench-"));
  const env = {
    ...{ ESC_INGESTION_TCP_PORT: "0", ESC_INGESTION_UDP_PORT: "0", ESC_HTTP_ENABLE: "false" },
    ESC_STORAGE_PATH: dir,
    ESC_STORAGE_SYNC_TRANSACTIONAL: "never",
  };
  const server = new Server({
    loaded: loadConfig({ env, cwd: dir }),
    defaultTopicsFile: join(dir, "topics.conf"),
    logger: pino({ level: "silent" }),
    onCrash: (error) => {
      throw error;
    },
  });
  await server.start();
  const worker = new Worker(THREAD, { workerData: { alone: { handle: server.publisherHandle(), batch } } });
  await once(worker, "message");
  const count = Math.ceil(events / BATCH) * BATCH;
  const rates: number[] = [];
  for (let run = 1; run <= runs + 1; run++) {
    const start = performance.now();
    worker.postMessage(count);
    for (;;) {
      const { processed, stored } = server.stats() ?? { processed: 0, stored: 0 };
      if (processed >= run * count && stored >= run * count) break;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (run > 1) rates.push((count / (performance.now() - start)) * 1e3);
  }
  const { accepted, processed, deadLettered } = server.stats() ?? {};
  if (accepted !== processed || deadLettered !== 0) throw new Error(`wrong result: ${accepted} in, ${processed} out`);
  await worker.terminate();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
  return figure(batch === 1 ? "one by one" : `batches of ${BATCH}`, "ours, whole server with log", "items/s", rates);
}

const figures: Figure[] = [];
/** Keeps what was measured, and tells it while the rest is. */
function keep(measured: readonly Figure[]): void {
  figures.push(...measured);
  for (const one of measured) process.stderr.write(`${one.case}, ${one.peer}: ${spreadText(one.runs, one.unit)}\n`);
}

const loads: string[] = [];
for (let round = 0; round < rounds; round++) {
  loads.push((loadavg()[0] as number).toFixed(1));
  for (const batch of values.what === "latency" ? [] : [BATCH, 1]) {
    for (const way of WAYS) keep(await between(way, batch, 0));
    keep([onOneThread(batch), await wholeServer(batch)]);
  }
  for (const way of values.what === "rate" ? [] : WAYS) keep(await between(way, 1, rate));
}
process.stdout.write(
  `${machineLine()}\n32-byte payload, topic order.created; load average before each round: ${loads.join(", ")}\n\n`,
);
process.stdout.write(`${markdownTable(joinRounds(figures), "ours")}\n`);
