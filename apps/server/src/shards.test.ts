import { rmSync } from "node:fs";
import { LANE_NAMES } from "@esc/events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "./config/load-config.ts";
import type { Readiness } from "./http-server.ts";
import { shardCount, sharding, shardNames } from "./shards.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, frameWithId, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

let dir: string;
let server: ServerProcess | undefined;

beforeEach(() => {
  dir = temporaryDirectory();
});

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function start(
  folder: HandlerFolder,
  shards: number,
  dataDir?: string,
  env: Record<string, string> = {},
): Promise<ServerProcess> {
  server = await ServerProcess.start({
    ...{ args: folder.args, env: { ESC_ROUTER_SHARDS: String(shards), ...env } },
    ...(dataDir !== undefined && { dataDir }),
  });
  return server;
}

async function send(to: ServerProcess, frames: readonly Buffer[]): Promise<void> {
  const socket = await connect(to.tcpPort);
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
}

test("a million events of 100 topics over 4 shards: each topic's stay in one shard and in order, each event once, and the counts add up", async () => {
  const [topics, each, burst] = [100, 10_000, 100];
  const folder = new HandlerFolder(
    dir,
    `const seen = new Map(); const shard = Math.random().toString(36);
    export default { topics: ">", handle(event) {
      const n = event.payload.length === 4 ? new DataView(event.payload.buffer, event.payload.byteOffset).getUint32(0) : -1;
      const next = seen.get(event.topic) ?? 0;
      if (n !== next) note("wrong " + event.topic + " " + n + " not " + next);
      seen.set(event.topic, n + 1);
      if (n === ${each - 1}) note("end " + event.topic + " " + shard);
    } };`,
  );
  const running = await start(folder, 4);
  const socket = await connect(running.tcpPort);
  for (let n = 0; n < each; n += burst) {
    const frames: Buffer[] = [];
    for (let k = n; k < n + burst; k++) {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(k);
      for (let topic = 0; topic < topics; topic++) frames.push(plainFrame(2, `topic.${topic}`, payload));
    }
    await writeAll(socket, Buffer.concat(frames));
  }
  await finish(socket);
  const stats = await running.statsWhen((s) => accountedFor(s) === topics * each, 60_000);
  expect(stats).toMatchObject({ accepted: topics * each, processed: topics * each, deadLettered: 0, inFlight: 0 });
  expect(stats.lanes.transactional.shards.map(({ name }) => name)).toEqual(
    [0, 1, 2, 3].map((n) => `transactional.${n}`),
  );
  const notes = folder.notes();
  expect(notes.filter((note) => note.startsWith("wrong"))).toEqual([]);
  expect(notes.length).toBe(topics);
  expect(new Set(notes.map((note) => note.split(" ")[2])).size).toBe(4);
  expect(await running.stop()).toBe(0);
}, 120_000);

test("a shard whose thread dies is told by name and holds up its own topics only; another number of shards goes on where they were", async () => {
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", handle(event) { if (event.text() === "bad") process.exit(3); note(event.topic + " " + event.text()); } };`,
    "processing: { retry: { attempts: 1 }, restart: { delay_ms: 3000, max_delay_ms: 3000 } }\n",
  );
  const running = await start(folder, 3);
  const topics = Array.from({ length: 12 }, (_, n) => `t${n}`);
  await send(running, [plainFrame(2, "t0", "bad")]);
  const ready = async () => (await (await fetch(`http://127.0.0.1:${running.httpPort}/readyz`)).json()) as Readiness;
  let state = await ready();
  while (!state.degraded) state = await ready();
  expect(state.checks.lanes).toMatch(/^transactional\.[012]: .*code 3/);
  await send(
    running,
    topics.map((topic) => plainFrame(2, topic, "good")),
  );
  await running.statsWhen((s) => s.processed >= 4);
  // The others' topics are done while the one is still down.
  const during = folder.notes().length;
  expect((await ready()).degraded).toBe(true);
  expect(during).toBeGreaterThanOrEqual(4);
  expect(during).toBeLessThan(12);
  const stats = await running.statsWhen((s) => accountedFor(s) === 13);
  expect(stats).toMatchObject({ accepted: 13, processed: 12, deadLettered: 1, inFlight: 0 });
  expect(stats.lanes.transactional.restarts).toBe(1);
  expect(folder.notes().sort()).toEqual(topics.map((topic) => `${topic} good`).sort());
  expect(await running.stop()).toBe(0);

  const again = await start(folder, 2, running.dataDir);
  await send(
    again,
    topics.map((topic) => plainFrame(2, topic, "later")),
  );
  const later = await again.statsWhen((s) => accountedFor(s) === 12);
  expect(later).toMatchObject({ accepted: 12, processed: 12, replayed: 0, behind: 0 });
  expect(folder.notes().filter((note) => note.endsWith("good"))).toHaveLength(12);
  expect(await again.stop()).toBe(0);
}, 60_000);

test("round robin: a topic's events go to all shards of realtime and batch; batches, built-ins and latencies have each once", async () => {
  const count = 6_000;
  const folder = new HandlerFolder(
    dir,
    `const shard = Math.random().toString(36).slice(2);
    export default [
      { batch: true, topics: "order.*", maxEvents: 100, handle(batch, { lane }) {
        const values = Array.from({ length: batch.size }, (_, i) => batch.data.getUint32(batch.offsets[i], true));
        note([lane, shard, ...values].join(" "));
      } },
      { name: "cents", topics: "order.*", kind: "sum", field: { offset: 0, type: "u32" } },
    ];`,
  );
  const running = await start(folder, 3, undefined, { ESC_ROUTER_STRATEGY: "round_robin" });
  await send(
    running,
    Array.from({ length: count }, (_, value) => {
      const payload = Buffer.alloc(4);
      payload.writeUInt32LE(value);
      return plainFrame(value % 5, value % 10 === 9 ? "nobody.cares" : `order.${value % 5}`, payload);
    }),
  );
  const byLane = { realtime: (count * 2) / 5, transactional: (count * 2) / 5, batch: count / 5 };
  const stats = await running.statsWhen(
    (s) =>
      s.processed === count &&
      LANE_NAMES.every((lane) => s.latency.handled[lane].count >= byLane[lane] && s.latency.durable[lane].count > 0),
    30_000,
  );
  expect(stats).toMatchObject({ accepted: count, processed: count, deadLettered: 0, inFlight: 0 });
  const orders = Array.from({ length: count }, (_, value) => value).filter((value) => value % 10 !== 9);
  const sum = orders.reduce((total, value) => total + value, 0);
  expect(stats.builtIns.cents).toMatchObject({ matched: orders.length, counted: orders.length, sum, min: 0 });
  for (const stage of ["queued", "handled"] as const) {
    expect(Object.fromEntries(LANE_NAMES.map((lane) => [lane, stats.latency[stage][lane].count]))).toEqual(byLane);
  }
  expect(stats.latency.unmeasured).toBe(0);
  const notes = folder.notes().map((line) => line.split(" "));
  const values = notes.flatMap(([, , ...all]) => all.map(Number));
  expect(values.sort((a, b) => a - b)).toEqual(orders);
  // Of one topic: batch has one priority, so one topic. The transactional lane has two, each in one shard.
  const shards = (lane: string) => new Set(notes.filter(([name]) => name === lane).map(([, shard]) => shard)).size;
  expect([shards("realtime"), shards("batch")]).toEqual([3, 3]);
  expect(shards("transactional")).toBeLessThanOrEqual(2);
  expect(await running.stop()).toBe(0);
}, 60_000);

test("realtime gives up the oldest of each shard when handlers are too slow: dead letters or counted drops, none unaccounted for", async () => {
  const events = 30_000;
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", lane: "realtime", handle() { const end = performance.now() + 0.1; while (performance.now() < end); } };`,
  );
  const running = await start(folder, 3, undefined, {
    ...{ ESC_ROUTER_BUFFER_SIZE: "8192", ESC_INGESTION_MAX_FRAME_BYTES: "64KiB" },
  });
  await send(
    running,
    Array.from({ length: events }, (_, i) => plainFrame(4, `tick.${i % 50}`, String(i))),
  );
  const stats = await running.statsWhen((s) => accountedFor(s) === events && s.stored === events, 60_000);
  expect(stats).toMatchObject({ accepted: events, stored: events, inFlight: 0 });
  expect(stats.deadLettered).toBeGreaterThan(0);
  expect(stats.dropped.lane_full_realtime).toBe(0);
  // What a shard gave up is in no latency, and nothing is in it twice.
  expect(stats.latency.handled.realtime.count).toBeLessThanOrEqual(events - stats.latency.unmeasured);
  expect(await running.stop()).toBe(0);
}, 120_000);

test("delayed events of all shards are listed and cancelled by id over HTTP", async () => {
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", handle: (event) => note(event.text()) };`,
    `processing: { topics: [{ topic: later.>, delay_ms: 3600000 }] }\n`,
  );
  const running = await start(folder, 3);
  const topics = Array.from({ length: 9 }, (_, n) => `later.${n}`);
  const id = (n: number) => Buffer.alloc(16, n + 1);
  await send(
    running,
    topics.map((topic, n) => frameWithId(2, topic, topic, id(n))),
  );
  const ask = async (path: string, method = "GET") =>
    (await (await fetch(`http://127.0.0.1:${running.httpPort}/api/v1/delayed${path}`, { method })).json()) as {
      events: { topic: string; lane: string }[];
      unanswered: string[];
      cancelled: number;
    };
  const stats = await running.statsWhen((s) => s.lanes.transactional.delayed === 9);
  // They wait in several shards.
  expect(stats.lanes.transactional.shards.filter(({ delayed }) => delayed > 0).length).toBeGreaterThan(1);
  const listed = await ask("");
  expect(listed.events.map(({ lane, topic }) => [lane, topic]).sort()).toEqual(
    topics.map((topic) => ["transactional", topic]),
  );
  expect(listed.unanswered).toEqual([]);
  expect((await ask("?limit=4")).events).toHaveLength(4);
  for (const n of [0, 3, 8]) expect(await ask(`/${id(n).toString("hex")}`, "DELETE")).toMatchObject({ cancelled: 1 });
  expect(await ask(`/${id(3).toString("hex")}`, "DELETE")).toMatchObject({ cancelled: 0, unanswered: [] });
  expect((await ask("")).events.map(({ topic }) => topic).sort()).toEqual(
    topics.filter((_, n) => ![0, 3, 8].includes(n)),
  );
  expect(await running.stats()).toMatchObject({ cancelled: 3, inFlight: 6, processed: 0 });
  expect(await running.stop()).toBe(0);
}, 60_000);

test("auto is one shard up to 4 cores, then a third of the cores but two; the transactional lane always goes by topic", () => {
  const config = (text: string) =>
    loadConfig({ env: { ESC_ROUTER_SHARDS: text, ESC_ROUTER_STRATEGY: "round_robin" }, cwd: "/" }).config;
  const auto = [1, 4, 5, 8, 16, 64, 1_024].map((cores) => shardCount(config("auto"), cores));
  expect(auto).toEqual([1, 1, 1, 2, 4, 20, 64]);
  expect(shardCount(config("5"), 2)).toBe(5);
  expect(LANE_NAMES.map((lane) => sharding(config("5"), lane, 5).by)).toEqual(["sequence", "hash", "sequence"]);
  expect([shardNames("batch", 1), shardNames("batch", 2)]).toEqual([["batch"], ["batch.0", "batch.1"]]);
});
