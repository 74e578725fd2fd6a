/**
 * Publishing within the process, measured: another thread → lane → its reader, alone and in the whole server with its log;
 * beside `postMessage` and ringbuf.js, in turn.
 *
 *     pnpm --filter @esc/bench publish [--rounds 3] [--events 4000000] [--rate 100000]
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
import type { PublishRun } from "./publish-thread.ts";
import { machineLine, markdownTable } from "./report.ts";

const values = commandLine({
  about: "Measures publishing within the process: lane alone and whole server, beside postMessage and ringbuf.js.",
  options: {
    rounds: { type: "string", default: "3", help: "Each measures everything once" },
    events: { type: "string", default: "4000000", help: "Of each run as fast as it goes" },
    rate: { type: "string", default: "100000", help: "Events a second where latency is measured" },
  },
});
const [rounds, events, rate] = [Number(values.rounds), Number(values.events), Number(values.rate)];
const BATCH = 256;
const LATENCY_SECONDS = 3;
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

function figure(name: string, peer: string, unit: Figure["unit"], value: number, quantile?: string): Figure {
  return { peer, version: process.version, case: name, unit, runs: [value], ...(quantile && { quantile }) };
}

async function between(way: PublishRun["way"], batch: number, atRate: number): Promise<Figure[]> {
  const shared: PublishRun = {
    ...{ way, batch, rate: atRate, handle: lanes() },
    ring: RingBuffer.getStorageForCapacity(65_536, Float64Array) as SharedArrayBuffer,
    taken: new Int32Array(new SharedArrayBuffer(4)),
  };
  const { port1, port2 } = new MessageChannel();
  await using threads = new PinnedThreads(THREAD, shared, {
    ports: [port1, port2],
    // Sleepers are woken slowly on CPUs of their own.
    pinned: way !== "postMessage",
  });
  if (atRate > 0) {
    await threads.run(atRate);
    const [, { samples }] = await threads.run(atRate * LATENCY_SECONDS);
    const sorted = (samples as Float64Array).sort();
    return Object.entries(QUANTILES).map(([name, part]) =>
      figure(
        `latency at ${atRate} a second`,
        way,
        "ns",
        Math.max(1, sorted[Math.floor(sorted.length * part)] as number),
        name,
      ),
    );
  }
  // A peer that is a hundred times slower needn't be waited for a hundred times longer.
  const count = way === "postMessage" && batch === 1 ? events / 8 : events;
  await threads.run(count);
  const [, { seconds }] = await threads.run(count);
  return [figure(batch === 1 ? "one by one" : `batches of ${BATCH}`, way, "items/s", count / seconds)];
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
  let rate = 0;
  for (let run = 1; run <= 2; run++) {
    const start = performance.now();
    worker.postMessage(count);
    for (;;) {
      const { processed, stored } = server.stats() ?? { processed: 0, stored: 0 };
      if (processed >= run * count && stored >= run * count) break;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    rate = (count / (performance.now() - start)) * 1e3;
  }
  const { accepted, processed, deadLettered } = server.stats() ?? {};
  if (accepted !== processed || deadLettered !== 0) throw new Error(`wrong result: ${accepted} in, ${processed} out`);
  await worker.terminate();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
  return figure(batch === 1 ? "one by one" : `batches of ${BATCH}`, "ours, whole server with log", "items/s", rate);
}

const figures: Figure[] = [];
const loads: string[] = [];
for (let round = 0; round < rounds; round++) {
  loads.push((loadavg()[0] as number).toFixed(1));
  for (const batch of [BATCH, 1]) {
    for (const way of WAYS) figures.push(...(await between(way, batch, 0)));
    figures.push(await wholeServer(batch));
  }
  for (const way of WAYS) figures.push(...(await between(way, 1, rate)));
}
process.stdout.write(
  `${machineLine()}\n32-byte payload, topic order.created; load average before each round: ${loads.join(", ")}\n\n`,
);
process.stdout.write(`${markdownTable(joinRounds(figures), "ours")}\n`);
