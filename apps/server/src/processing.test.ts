import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

let dir: string;
let servers: ServerProcess[] = [];

beforeEach(() => {
  dir = temporaryDirectory();
  servers = [];
});

afterEach(async () => {
  // The last one first: it is the one that runs on a shared directory.
  for (const server of servers.reverse()) await server[Symbol.asyncDispose]();
});

/** Writes a handler module and a configuration that names it. */
function withHandler(source: string): readonly string[] {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "handler.mjs"), source);
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./handler.mjs]\n");
  return ["--config", join(dir, "esc.yaml")];
}

async function start(
  args: readonly string[] = [],
  env: Record<string, string> = {},
  dataDir?: string,
): Promise<ServerProcess> {
  const server = await ServerProcess.start({ args, env, ...(dataDir && { dataDir }) });
  servers.push(server);
  return server;
}

async function send(server: ServerProcess, frames: readonly Buffer[]): Promise<void> {
  const socket = await connect(server.tcpPort);
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
}

async function deadLetters(
  server: ServerProcess,
): Promise<{ topic: string; payload: string; metadata: Record<string, string> }[]> {
  const { stdout } = await esc("log", "cat", server.dataDir, "--lane", "dead-letters", "--json");
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { topic: string; payload: string; metadata: Record<string, string> });
}

test("handlers get the events whose topics match, each once, in order, with all that the frame said", async () => {
  const out = join(dir, "seen.ndjson");
  const server = await start(
    withHandler(`
      import { appendFileSync } from "node:fs";
      const note = (name) => (event, context) => appendFileSync(${JSON.stringify(out)}, JSON.stringify({
        name, lane: context.lane, topic: event.topic, text: event.text(), priority: event.priority, source: event.source, sequence: event.sequence,
      }) + "\\n");
      export default [
        { topics: "order.*", lane: "transactional", handle: note("orders") },
        { topics: ["order.>", "alerts.>"], handle: note("all") },
      ];`),
  );
  await send(server, [
    plainFrame(2, "order.created", "1"),
    plainFrame(2, "order.eu.created", "2"),
    plainFrame(2, "nobody.cares", "3"),
    plainFrame(1, "order.paid", "4"),
  ]);
  await server.statsWhen((s) => s.processed === 4);
  const seen = readFileSync(out, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(seen.map(({ name, text }) => `${name} ${text}`)).toEqual(["orders 1", "all 1", "all 2", "orders 4", "all 4"]);
  expect(seen[0]).toMatchObject({
    lane: "transactional",
    topic: "order.created",
    priority: "MEDIUM",
    source: "tcp",
    sequence: 1,
  });
});

test("a handler that throws, rejects or never settles makes a dead letter with the reason, and the lane goes on", async () => {
  const server = await start(
    withHandler(`export default { topics: "job.*", handle(event) {
      const what = event.text();
      if (what === "throw") throw new Error("thrown on purpose");
      if (what === "reject") return Promise.reject(new Error("rejected on purpose"));
      if (what === "hang") return new Promise(() => {});
      if (what === "slow") return new Promise((resolve) => setTimeout(resolve, 20));
    } };`),
    { ESC_HANDLER_TIMEOUT_MS: "200" },
  );
  await send(
    server,
    ["fine", "throw", "reject", "hang", "slow", "fine"].map((what) => plainFrame(2, "job.x", what)),
  );
  const stats = await server.statsWhen((s) => accountedFor(s) === 6);
  expect(stats).toMatchObject({ accepted: 6, processed: 3, deadLettered: 3 });
  expect(await server.stop()).toBe(0);
  const dead = await deadLetters(server);
  expect(
    dead.map(({ payload, metadata }) => [payload, metadata["dl.reason"], metadata["dl.lane"], metadata["dl.sequence"]]),
  ).toEqual([
    ["throw", "handler_failed", "transactional", "2"],
    ["reject", "handler_failed", "transactional", "3"],
    ["hang", "handler_timeout", "transactional", "4"],
  ]);
  expect(dead[0]?.metadata["dl.error"]).toContain("thrown on purpose");
});

test("realtime gives up the oldest when its handler is too slow: each one a dead letter or a counted drop, none unaccounted for", async () => {
  const events = 150_000;
  const server = await start(
    withHandler(
      `export default { topics: ">", lane: "realtime", handle() { const end = performance.now() + 0.05; while (performance.now() < end); } };`,
    ),
    { ESC_ROUTER_BUFFER_SIZE: "32768", ESC_INGESTION_MAX_FRAME_BYTES: "64KiB" },
  );
  await send(
    server,
    Array.from({ length: events }, (_, i) => plainFrame(4, "tick", String(i))),
  );
  const stats = await server.statsWhen((s) => accountedFor(s) === events && s.stored === events, 60_000);
  expect(stats.accepted).toBe(events);
  expect(stats.stored).toBe(events);
  expect(accountedFor(stats)).toBe(events);
  expect(stats.deadLettered).toBeGreaterThan(0);
  expect(stats.dropped.lane_full_realtime).toBe(0);
  expect(await server.stop()).toBe(0);
  const dead = await deadLetters(server);
  expect(dead).toHaveLength(stats.deadLettered);
  expect(new Set(dead.map(({ metadata }) => metadata["dl.reason"]))).toEqual(new Set(["lane_overflow"]));
});

test("batch drops what is new when its handler is too slow, and counts it; what it took is stored and handled", async () => {
  const events = 150_000;
  const server = await start(
    withHandler(
      `export default { topics: ">", lane: "batch", handle() { const end = performance.now() + 0.03; while (performance.now() < end); } };`,
    ),
    { ESC_ROUTER_BUFFER_SIZE: "32768", ESC_INGESTION_MAX_FRAME_BYTES: "64KiB" },
  );
  await send(
    server,
    Array.from({ length: events }, (_, i) => plainFrame(0, "tick", String(i))),
  );
  const stats = await server.statsWhen((s) => s.accepted === events && accountedFor(s) === events, 60_000);
  expect(stats.accepted).toBe(events);
  const dropped = stats.dropped.lane_full_batch as number;
  expect(dropped).toBeGreaterThan(0);
  expect(stats).toMatchObject({ stored: events - dropped, processed: events - dropped });
});

test("events that were stored and not handled are handled after the next start, and counted as taken up again", async () => {
  const slow = withHandler(
    `export default { topics: ">", handle: () => new Promise((resolve) => setTimeout(resolve, 50)) };`,
  );
  const first = await start(slow, { ESC_SHUTDOWN_GRACE_MS: "400" });
  await send(
    first,
    Array.from({ length: 100 }, (_, i) => plainFrame(2, "job", String(i))),
  );
  await first.statsWhen((s) => s.stored === 100);
  expect(await first.stop()).toBe(0);
  const quick = withHandler(`export default { topics: ">", handle() {} };`);
  const second = await start(quick, {}, first.dataDir);
  const stats = await second.statsWhen(
    (s) => s.replayed > 0 && accountedFor(s) === s.accepted && s.processed === s.replayed,
  );
  expect(stats.replayed).toBeGreaterThan(50);
  expect(stats.replayed).toBeLessThan(100);
  expect(stats).toMatchObject({ accepted: 0, processed: stats.replayed });
});

test("kill -9 with work in the lane: everything stored is there and is handled after the next start", async () => {
  const slow = withHandler(
    `export default { topics: ">", handle: () => new Promise((resolve) => setTimeout(resolve, 20)) };`,
  );
  const first = await start(slow);
  await send(
    first,
    Array.from({ length: 500 }, (_, i) => plainFrame(2, "job", String(i))),
  );
  await first.statsWhen((s) => s.stored === 500 && s.processed > 10);
  first.kill("SIGKILL");
  await first.exited;
  const second = await start(withHandler(`export default { topics: ">", handle() {} };`), {}, first.dataDir);
  const stats = await second.statsWhen((s) => s.replayed > 400 && s.processed === s.replayed);
  // At least once: what was handled since the cursor was last written is handled again.
  expect(stats.replayed).toBeGreaterThan(400);
  expect(stats.lanes.transactional.cursors.nextSequence).toBe(501);
});
