import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, frameWithId, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
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
  rmSync(dir, { recursive: true, force: true });
});

async function start(folder: HandlerFolder, dataDir?: string): Promise<ServerProcess> {
  const server = await ServerProcess.start({ args: folder.args, ...(dataDir && { dataDir }) });
  servers.push(server);
  return server;
}

async function send(to: ServerProcess, frames: readonly Buffer[]): Promise<void> {
  const socket = await connect(to.tcpPort);
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
}

const withId = (priority: number, topic: string, payload: string, id: number) =>
  frameWithId(priority, topic, payload, Buffer.alloc(16, id));

async function ask(server: ServerProcess, path: string, method = "GET"): Promise<{ status: number; body: never }> {
  const response = await fetch(`http://127.0.0.1:${server.httpPort}/api/v1/${path}`, { method });
  return { status: response.status, body: (await response.json()) as never };
}

/** Waits until a lane has written down where it is. */
async function written(server: ServerProcess, file: string, says: (text: string) => boolean): Promise<void> {
  const path = join(server.dataDir, file);
  const deadline = Date.now() + 20_000;
  while (!existsSync(path) || !says(readFileSync(path, "utf8"))) {
    if (Date.now() > deadline) throw new Error(`${file} was not written`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const DELAYED = `processing: { topics: [{ topic: later.>, delay_ms: 3600000 }] }\n`;
const NOTE = `export default { topics: ">", handle: (event) => note(event.text()) };`;

test("events of a delayed topic wait; they are listed, one is cancelled, and both hold after kill -9", async () => {
  const folder = new HandlerFolder(dir, NOTE, DELAYED);
  const first = await start(folder);
  const ids = (n: number) => Buffer.alloc(16, n).toString("hex");
  await send(first, [
    withId(2, "later.a", "a", 1),
    withId(2, "later.b", "b", 2),
    withId(0, "later.c", "c", 3),
    plainFrame(2, "now", "now"),
  ]);
  await first.statsWhen((s) => s.processed === 1 && s.lanes.transactional.delayed === 2 && s.lanes.batch.delayed === 1);
  expect(folder.notes()).toEqual(["now"]);
  const listed = (await ask(first, "delayed")).body as { events: { id: string; topic: string; lane: string }[] };
  expect(listed.events.map(({ id, topic, lane }) => [id, topic, lane]).sort()).toEqual([
    [ids(1), "later.a", "transactional"],
    [ids(2), "later.b", "transactional"],
    [ids(3), "later.c", "batch"],
  ]);
  expect(await esc("delayed", "cancel", first.dataDir, ids(1))).toMatchObject({ code: 0, stdout: "1 cancelled\n" });
  expect((await ask(first, `delayed/${ids(1)}`, "DELETE")).body).toMatchObject({ cancelled: 0 });
  const listing = await esc("delayed", "list", first.dataDir);
  expect([listing.code, listing.stderr, listing.stdout.trim().split("\n").length]).toEqual([0, "", 2]);
  expect(listing.stdout).toContain(`${ids(2)}`);
  expect(await esc("delayed", "cancel", first.dataDir, ids(1))).toMatchObject({ code: 1, stdout: "0 cancelled\n" });
  expect(await esc("delayed", "cancel", first.dataDir, "12")).toMatchObject({ code: 2 });
  expect(await ask(first, "delayed/xyz", "DELETE")).toMatchObject({ status: 400, body: { code: "ESC_DELAYED_QUERY" } });
  expect(await first.stats()).toMatchObject({ cancelled: 1, inFlight: 2 });
  await written(first, "checkpoints/batch", (text) => text.includes('"delayed":[[1,'));
  first.kill("SIGKILL");
  await first.exited;
  // Its address is still there, and nobody at it.
  const unanswered = await esc("delayed", "list", first.dataDir);
  expect(unanswered).toMatchObject({ code: 1, stdout: "" });
  expect(unanswered.stderr).toMatch(/^esc: No server answers at 127\.0\.0\.1:\d+/);
  const hurried = new HandlerFolder(dir, NOTE, "");
  const second = await start(hurried, first.dataDir);
  const stats = await second.statsWhen((s) => s.lanes.transactional.delayed + s.lanes.batch.delayed === 2);
  expect(stats).toMatchObject({ replayed: 2, processed: 0, inFlight: 2 });
  const again = (await ask(second, "delayed")).body as { events: { id: string }[] };
  expect(again.events.map(({ id }) => id).sort()).toEqual([ids(2), ids(3)]);
});

test("what a handler publishes for later is handled when it is due, in the lane of its priority", async () => {
  const folder = new HandlerFolder(
    dir,
    `export default [
      { topics: "order", handle(event, context) {
        note("order at " + Date.now());
        context.emit({ topic: "reminder", payload: event.text(), priority: "LOW", deliverAt: Date.now() + 400, metadata: { by: "order" } });
      } },
      { topics: "reminder", handle: (event, { lane }) => note("reminder at " + Date.now() + " " + lane + " " + Buffer.from(event.metadata.get("by"))) },
    ];`,
  );
  const server = await start(folder);
  await send(server, [plainFrame(4, "order", "7")]);
  const stats = await server.statsWhen((s) => s.processed === 2);
  expect(stats).toMatchObject({ accepted: 2, emitted: 1, processed: 2, inFlight: 0 });
  const [order = "", reminder = ""] = folder.notes();
  const at = (note: string) => Number(note.split(" ")[2]);
  expect(at(reminder) - at(order)).toBeGreaterThanOrEqual(400);
  expect(reminder.endsWith("transactional order")).toBe(true);
});

test("events of one id have one effect, over lanes that publish into each other too, and across kill -9", async () => {
  const folder = new HandlerFolder(
    dir,
    `export default [
      { topics: "in", handle(event, context) { context.emit({ topic: "out", payload: event.text() }); } },
      { topics: "out", handle: (event) => note(event.text()) },
    ];`,
  );
  const first = await start(folder);
  const frames = [1, 2, 3, 1, 2].map((id) => withId(2, "in", `n${id}`, id));
  await send(first, frames);
  await first.statsWhen((s) => s.inFlight === 0 && s.processed === 6);
  await written(first, "cursors/transactional", (text) => text.startsWith("9 "));
  first.kill("SIGKILL");
  await first.exited;
  const second = await start(folder, first.dataDir);
  await send(second, frames);
  const stats = await second.statsWhen((s) => s.accepted >= 5 && s.inFlight === 0);
  expect(stats.duplicates).toBeGreaterThanOrEqual(5);
  expect(folder.notes().sort()).toEqual(["n1", "n2", "n3"]);
});

test("windows: results reach their handler and can be published; what is open at the stop is closed then", async () => {
  const folder = new HandlerFolder(
    dir,
    `import { defineWindow } from "@esc/processors";
     export default [
       defineWindow({ name: "per-key", topics: "value.*", shape: { tumbling: { count: 3 } }, value: (event) => Number(event.text()), percentiles: [50],
         handle(result, context) {
           note([result.key, result.count, result.sum, result.min, result.max, result.mean, Math.round(result.percentiles[50]), result.closedBy].join(" "));
           context.emit({ topic: "sums", payload: String(result.sum) });
         } }),
       { topics: "sums", handle: (event) => note("sum " + event.text()) },
     ];`.replace("@esc/processors", new URL("../../../packages/processors/dist/index.js", import.meta.url).pathname),
  );
  const server = await start(folder);
  await send(
    server,
    [1, 2, 3, 10].map((n) => plainFrame(0, "value.a", String(n))),
  );
  await server.statsWhen((s) => s.processed === 5);
  expect(await server.stats()).toMatchObject({ windows: { closed: 1, early: 0, late: 0, failed: 0 } });
  expect((await server.stats()).lanes.batch.windowsOpen).toBe(1);
  expect(await server.stop()).toBe(0);
  const notes = folder.notes();
  expect(notes.slice(0, 2)).toEqual(["value.a 3 6 1 3 2 2 count", "sum 6"]);
  expect(notes[2]).toBe("value.a 1 10 10 10 10 10 stop");
});

test("realtime: breaches and handlers' alerts reach the webhook; what handlers count is in the metrics", async () => {
  const alerts: { level: string; text: string; source: string }[] = [];
  const hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      alerts.push(JSON.parse(body));
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const { port } = hook.address() as AddressInfo;
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", handle(event, context) {
      const end = performance.now() + 8; while (performance.now() < end);
      context.alert("CRITICAL", "seen " + event.text());
    } };`,
    `alerts: { webhook: "http://127.0.0.1:${port}/hook" }\n`,
  );
  const server = await start(folder);
  await send(server, [plainFrame(4, "tick", "1")]);
  const stats = await server.statsWhen((s) => (s.alerts.sinks.webhook?.delivered ?? 0) === 2);
  expect(stats).toMatchObject({ slaBreaches: 1, alerts: { raised: 2, dropped: 0 } });
  expect(alerts).toEqual([
    expect.objectContaining({ level: "CRITICAL", text: "seen 1", source: "realtime" }),
    expect.objectContaining({ level: "WARNING", text: expect.stringMatching(/^tick: 1 events over 5 ms/) }),
  ]);
  const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  for (const line of [
    "esc_sla_breaches_total 1",
    'esc_lane_restarts_total{lane="realtime"} 0',
    "esc_events_in_flight 0",
  ]) {
    expect(metrics).toContain(line);
  }
  hook.closeAllConnections();
  hook.close();
});

test("mixed load with everything that can happen to an event: every sample of the counts adds up, and the end is exact", async () => {
  const events = 20_000;
  const folder = new HandlerFolder(
    dir,
    `let n = 0;
     export default [
       { topics: "work.*", lane: "transactional", key: (event) => event.topic, async handle(event, context) {
         n++;
         if (n % 97 === 0) throw new Error("sometimes");
         if (n % 10 === 0) context.emit({ topic: "next", payload: "x", priority: n % 20 === 0 ? "BATCH" : "CRITICAL" });
       } },
       { topics: ">", lane: "realtime", handle() { n++; if (n % 11 === 0) throw new Error("no"); } },
     ];`,
    "processing: { retry: { attempts: 2, delay_ms: 1 }, topics: [{ topic: work.7, delay_ms: 200 }] }\n",
  );
  const server = await start(folder);
  const frames = Array.from({ length: events }, (_, n) =>
    n % 4 === 0 ? withId(2, `work.${n % 9}`, String(n), (n >> 2) % 200) : plainFrame(n % 5, `work.${n % 9}`, String(n)),
  );
  const sending = send(server, frames);
  let samples = 0;
  const stats = await server.statsWhen((s) => {
    samples++;
    expect(s.inFlight).toBeGreaterThanOrEqual(0);
    expect(accountedFor(s) + s.inFlight).toBe(s.accepted);
    return s.accepted - s.emitted === events && s.inFlight === 0;
  }, 60_000);
  await sending;
  expect(samples).toBeGreaterThan(3);
  expect(stats.inFlight).toBe(0);
  expect(stats.accepted).toBe(events + stats.emitted);
  for (const count of [stats.emitted, stats.duplicates, stats.deadLettered, stats.retries])
    expect(count).toBeGreaterThan(0);
}, 120_000);
