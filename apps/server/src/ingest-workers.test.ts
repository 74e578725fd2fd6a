import dgram from "node:dgram";
import type { Socket } from "node:net";
import { LANE_NAMES } from "@esc/events";
import { checkLog, findLogs, LogReader, logDirectory } from "@esc/storage";
import { afterEach, expect, test } from "vitest";
import { configSchema } from "./config/schema.ts";
import { ingestWorkers, partialFrameShare } from "./ingest-workers.ts";
import { canSharePorts, PortReservation } from "./port-reservation.ts";
import { Answers, connect, finish, plainFrame, seeded, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, ServerProcess } from "./testing/server-process.fixture.ts";

const ACK = 0x20;
const LANE_OF = ["batch", "transactional", "transactional", "realtime", "realtime"] as const;
let servers: ServerProcess[] = [];

afterEach(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  servers = [];
});

async function start(workers: number, env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const server = await ServerProcess.start({ env: { ESC_INGESTION_WORKERS: String(workers), ...env } });
  servers.push(server);
  return server;
}

/** Connects until each of the server's ingest threads has a connection: the system spreads them by a hash of its own. */
async function connectToAll(server: ServerProcess, workers: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (;;) {
    const socket = await connect(server.tcpPort);
    sockets.push(socket);
    const stats = await server.statsWhen((s) => s.connections.open === sockets.length);
    if (stats.workers.filter(({ connections }) => connections > 0).length === workers) return sockets;
    // Two threads, evenly: 2^-100 that one has none by then.
    if (sockets.length > 200) throw new Error("200 connections, and an ingest thread without one");
  }
}

/** The payloads of a log, in its order. */
function* payloads(dataDir: string): Generator<{ lane: string; text: string }> {
  for (const lane of LANE_NAMES) {
    using reader = new LogReader({ dir: logDirectory(dataDir, lane) });
    for (const view of reader) yield { lane, text: view.text() };
  }
}

test("how many threads: as configured; else one for every 4 cores, at least 1 and at most 8", () => {
  const auto = [1, 2, 4, 7, 8, 12, 31, 32, 64, 256].map((cores) => ingestWorkers("auto", cores));
  expect(auto).toEqual([1, 1, 1, 1, 2, 3, 7, 8, 8, 8]);
  expect(ingestWorkers(3, 2)).toBe(3);
});

test("unfinished frames: an equal part for each thread, never less than the longest frame; one thread has all", () => {
  const config = configSchema.parse({ ingestion: { max_frame_bytes: "1MiB", tcp: { partialFrameBytes: "8MiB" } } });
  expect([1, 4, 32].map((workers) => partialFrameShare(config, workers))).toEqual([2 ** 23, 2 ** 21, 2 ** 20 + 4]);
});

test("a million mixed frames over 8 connections and 3 threads: all are accepted, stored and accounted for, each connection's in its order, each answered", async () => {
  const connections = 8;
  const each = 125_000;
  const server = await start(3);
  const random = seeded(7);
  const kept = new Map<string, number>();
  const refusedOf: ReadonlySet<number>[] = await Promise.all(
    Array.from({ length: connections }, async (_, connection) => {
      const socket = await connect(server.tcpPort);
      const answers = new Answers(socket);
      const frames: Buffer[] = [];
      for (let n = 1; n <= each; n++) {
        frames.push(plainFrame((n % 5) | (n % 1_000 === 0 ? ACK : 0), "many.workers", `${connection}:${n}`));
      }
      const bytes = Buffer.concat(frames);
      // Split anywhere, frames' heads included.
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 1 + Math.floor(random() * 300_000));
        await writeAll(socket, bytes.subarray(at, end));
        at = end;
      }
      await answers.until(() => answers.durable === each, 90_000);
      await finish(socket);
      return new Set(answers.all.filter(({ kind }) => kind === 2).map(({ n }) => n));
    }),
  );
  const total = connections * each;
  const stats = await server.statsWhen((s) => s.accepted === total && s.inFlight === 0, 60_000);
  expect([stats.accepted, accountedFor(stats), stats.inFlight]).toEqual([total, total, 0]);
  const dropped = LANE_NAMES.reduce((sum, lane) => sum + (stats.dropped[`lane_full_${lane}`] as number), 0);
  const stored = await server.statsWhen((s) => s.stored === total - dropped);
  expect(stored.stored).toBe(total - dropped);
  expect(stats.workers.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(total);
  expect(await server.stop()).toBe(0);
  for (const { lane, text } of payloads(server.dataDir)) {
    const [connection, n] = text.split(":").map(Number) as [number, number];
    const key = `${lane} ${connection}`;
    if (LANE_OF[n % 5] !== lane) throw new Error(`${text} is in ${lane}`);
    if (n <= (kept.get(key) ?? 0)) throw new Error(`${lane}: ${text} comes behind ${kept.get(key)}`);
    if (refusedOf[connection]?.has(n)) throw new Error(`${text} was refused, and is in the log`);
    kept.set(key, n);
  }
  expect(findLogs(server.dataDir).every((log) => checkLog(log).sound)).toBe(true);
}, 180_000);

test("stopped under load, three threads lose nothing that was acknowledged", async () => {
  const server = await start(3);
  const all = await Promise.all(
    (await connectToAll(server, 3)).map(async (socket, connection) => {
      const answers = new Answers(socket);
      socket.on("error", () => undefined);
      let n = 0;
      const send = () => {
        if (socket.destroyed) return;
        const frames = Array.from({ length: 100 }, () => plainFrame((++n % 5) | ACK, "stop", `${connection}:${n}`));
        if (socket.write(Buffer.concat(frames))) setImmediate(send);
        else socket.once("drain", send);
      };
      send();
      await answers.until(() => answers.durable > 0);
      return answers;
    }),
  );
  expect(await server.stop()).toBe(0);
  const found = new Set([...payloads(server.dataDir)].map(({ text }) => text));
  let acknowledged = 0;
  for (const [connection, answers] of all.entries()) {
    const refused = new Set(answers.all.filter(({ kind }) => kind === 2).map(({ n }) => n));
    for (let n = 1; n <= answers.durable; n++) {
      if (refused.has(n)) continue;
      acknowledged++;
      if (!found.has(`${connection}:${n}`))
        throw new Error(`${connection}:${n} was acknowledged, and is not in the log`);
    }
  }
  expect(acknowledged).toBeGreaterThan(0);
}, 60_000);

test("a second server on the same ports is refused, whether it has one thread or several; and so is one with several on the ports of one", async () => {
  const first = await start(2);
  const refused = [
    ["TCP", first.tcpPort, "1"],
    ["TCP", first.tcpPort, "2"],
    ["UDP", first.udpPort, "2"],
  ] as const;
  await Promise.all(
    refused.map(async ([key, port, workers]) => {
      const env = { ESC_INGESTION_WORKERS: workers, [`ESC_INGESTION_${key}_PORT`]: String(port) };
      await expect(ServerProcess.start({ env })).rejects.toThrow(
        `127.0.0.1:${port} is in use by another process. Set ingestion.${key.toLowerCase()}.port`,
      );
    }),
  );
  // The first one goes on as if nothing had been.
  const socket = await connect(first.tcpPort);
  const answers = new Answers(socket);
  await writeAll(socket, plainFrame(2 | ACK, "a", "b"));
  await answers.until(() => answers.durable === 1);
  await finish(socket);
  const alone = await start(1);
  const env = { ESC_INGESTION_WORKERS: "2", ESC_INGESTION_TCP_PORT: String(alone.tcpPort) };
  await expect(ServerProcess.start({ env })).rejects.toThrow("is in use by another process");
});

test("of two that reserve a port at once, one has it; given back, it can be had again", async () => {
  await using any = await PortReservation.take("tcp", { host: "127.0.0.1", port: 0 });
  const { port } = any;
  const again = () => PortReservation.take("tcp", { host: "127.0.0.1", port });
  await expect(again()).rejects.toMatchObject({ code: "EADDRINUSE" });
  await any[Symbol.asyncDispose]();
  const two = await Promise.allSettled([again(), again()]);
  expect(two.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  for (const one of two) if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
});

test("a system that can't spread connections is told from other trouble", async () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
  expect(await canSharePorts(failing("ENOTSUP"))).toBe(false);
  await expect(canSharePorts(failing("EMFILE"))).rejects.toThrow("EMFILE");
  expect(await canSharePorts(() => Promise.resolve())).toBe(true);
});

test("the limit on connections is the server's: two threads together take no more, and a place that is given back is taken again", async () => {
  const server = await start(2, { ESC_INGESTION_TCP_MAXCONNECTIONS: "20" });
  const sockets: Socket[] = [];
  for (let i = 0; i < 60; i++) {
    const socket = await connect(server.tcpPort);
    socket.on("error", () => undefined);
    sockets.push(socket);
  }
  const full = await server.statsWhen((s) => s.connections.opened + s.connections.refused === 60);
  expect(full.connections).toMatchObject({ open: 20, opened: 20, refused: 40 });
  for (const socket of sockets) socket.destroy();
  await server.statsWhen((s) => s.connections.open === 0);
  for (let i = 0; i < 20; i++) sockets.push(await connect(server.tcpPort));
  const again = await server.statsWhen((s) => s.connections.opened + s.connections.refused === 80);
  expect(again.connections).toMatchObject({ open: 20, opened: 40, refused: 40 });
  for (const socket of sockets) socket.destroy();
});

test("datagrams of many senders come in by two threads, and every one is accounted for; each thread's counts are in the metrics", async () => {
  const server = await start(2);
  const senders = 40;
  const each = 25;
  for (let sender = 0; sender < senders; sender++) {
    const socket = dgram.createSocket("udp4");
    for (let n = 1; n <= each; n++) {
      const bytes = plainFrame(n % 5, "datagram", `${sender}:${n}`);
      await new Promise((resolve) => socket.send(bytes, server.udpPort, "127.0.0.1", resolve));
    }
    socket.close();
  }
  const stats = await server.statsWhen((s) => s.datagrams === senders * each && s.inFlight === 0);
  expect([stats.datagrams, stats.accepted, accountedFor(stats)]).toEqual([1_000, 1_000, 1_000]);
  expect(Object.values(stats.dropped)).toEqual(Object.values(stats.dropped).map(() => 0));
  const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  for (const [worker, { accepted, connections }] of stats.workers.entries()) {
    expect(accepted).toBeGreaterThan(0);
    expect(metrics).toContain(`esc_ingest_accepted_total{worker="${worker}"} ${accepted}\n`);
    expect(metrics).toContain(`esc_ingest_connections{worker="${worker}"} ${connections}\n`);
  }
});
