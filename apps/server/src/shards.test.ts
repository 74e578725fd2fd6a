import { rmSync } from "node:fs";
import { LANE_NAMES } from "@esc/events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "./config/load-config.ts";
import type { Readiness } from "./http-server.ts";
import { shardCount, sharding, shardNames } from "./shards.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
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

async function start(folder: HandlerFolder, shards: number, dataDir?: string): Promise<ServerProcess> {
  server = await ServerProcess.start({
    ...{ args: folder.args, env: { ESC_ROUTER_SHARDS: String(shards) } },
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

test("auto is one shard up to 4 cores, then a third of the cores but two; the transactional lane always goes by topic", () => {
  const config = (text: string) =>
    loadConfig({ env: { ESC_ROUTER_SHARDS: text, ESC_ROUTER_STRATEGY: "round_robin" }, cwd: "/" }).config;
  const auto = [1, 4, 5, 8, 16, 64, 1_024].map((cores) => shardCount(config("auto"), cores));
  expect(auto).toEqual([1, 1, 1, 2, 4, 20, 64]);
  expect(shardCount(config("5"), 2)).toBe(5);
  expect(LANE_NAMES.map((lane) => sharding(config("5"), lane, 5).by)).toEqual(["sequence", "hash", "sequence"]);
  expect([shardNames("batch", 1), shardNames("batch", 2)]).toEqual([["batch"], ["batch.0", "batch.1"]]);
});
