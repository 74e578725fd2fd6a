import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BenchReport } from "./load/bench-report.ts";
import { esc, ServerProcess } from "./testing/server-process.fixture.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

function reportOf(stdout: string): BenchReport {
  return JSON.parse(stdout) as BenchReport;
}

/** `esc bench` to be watched and disturbed; its temporary files go into a directory of the test's. */
function startBench(...args: readonly string[]) {
  const temp = mkdtempSync(join(tmpdir(), "esc-test-"));
  const child = spawn(process.execPath, [CLI, "bench", "--json", ...args], {
    env: { PATH: process.env.PATH, TMPDIR: temp },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
    rmSync(temp, { recursive: true, force: true });
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; report: BenchReport; stderr: string }>((resolve, reject) => {
    child.once("close", (code) => {
      if (stdout === "") reject(new Error(stderr));
      else resolve({ code, report: reportOf(stdout), stderr });
    });
  });
  const measuring = async () => {
    await expect.poll(() => stderr, { timeout: 30_000 }).toMatch(/measuring/);
    const [, http = "", pid] = /counts from (\S+)(?: \(own server, pid (\d+)\))?/.exec(stderr) ?? [];
    await expect
      .poll(async () => ((await (await fetch(`${http}/api/v1/stats`)).json()) as { accepted: number }).accepted)
      .toBeGreaterThan(0);
    return { pid: Number(pid) };
  };
  return { child, ended, measuring, leftOver: () => readdirSync(temp) };
}

test("a second of a mix at a rate, acknowledged, over three connections: what was due was sent, answered and counted", async () => {
  const { code, stdout } = await esc(
    ...["bench", "--rate", "2000", "--duration", "1", "--connections", "3"],
    ...["--priority", "mix", "--ack", "--topic", "007", "--json"],
  );

  const report = reportOf(stdout);
  expect([code, report.outcome]).toEqual([0, "ok"]);
  expect(report.sent).toMatchObject({ events: 2_000, bytes: 2_000 * (7 + 3 + 32) });
  expect(report.acknowledged).toEqual({ events: 2_000, refused: {} });
  expect(report.server).toEqual({
    ...{ accepted: 2_000, processed: 2_000, deadLettered: 0, dropped: {}, refused: {}, stored: 2_000 },
    ...{ duplicates: 0, cancelled: 0, inLanes: 0, unaccounted: 0, notReceived: 0, others: 0 },
  });
  const { sent, acknowledged } = report.latency;
  expect([sent.count, acknowledged?.count]).toEqual([2_000, 2_000]);
  // Nothing is acknowledged before it was handed over.
  expect(acknowledged?.p50).toBeGreaterThanOrEqual(sent.min);
  for (const { min, p50, p99, p9999, max } of [sent, acknowledged ?? sent]) {
    expect([min, p50, p99, p9999, max]).toEqual([min, p50, p99, p9999, max].toSorted((a, b) => a - b));
    expect(min).toBeGreaterThanOrEqual(0);
  }
  const { inside } = report.latency;
  expect([inside?.since, inside?.unmeasured]).toEqual(["run", 0]);
  for (const stage of ["queued", "handled", "durable"]) {
    const lanes = Object.values(inside?.stages[stage] ?? {});
    expect([stage, lanes.length, lanes.reduce((sum, { count }) => sum + count, 0)]).toEqual([stage, 3, 2_000]);
  }
  expect(report.options).toMatchObject({ ownServer: true, transport: "tcp", topic: "007", rate: 2_000, ack: true });
  expect(report.machine.node).toBe(process.versions.node);
});

test("over UDP with weights: received is accepted, and the datagrams have as many events as asked for", async () => {
  await using server = await ServerProcess.start();
  const { code, stdout } = await esc(
    ...["bench", "--target", `127.0.0.1:${server.udpPort}`, "--http", `127.0.0.1:${server.httpPort}`, "--udp"],
    ...["--rate", "1000", "--duration", "1", "--frames-per-datagram", "10", "--priority", "HIGH=1,LOW=4", "--json"],
  );

  const { outcome, sent, server: verdict, acknowledged } = reportOf(stdout);
  expect([code, outcome]).toEqual([0, "ok"]);
  expect(sent.events).toBe(1_000);
  expect((verdict?.accepted ?? 0) + (verdict?.notReceived ?? 0)).toBe(1_000);
  expect(verdict).toMatchObject({ unaccounted: 0, inLanes: 0, processed: verdict?.accepted });
  expect(acknowledged).toBeUndefined();
  const stats = await server.stats();
  expect(stats.accepted).toBe(stats.datagrams * 10);
  expect(stats.lanes.transactional.accepted).toBe(stats.lanes.realtime.accepted * 4);
  expect(stats.lanes.batch.accepted).toBe(0);
});

test("at full speed everything is accounted for, and people get the same in words", async () => {
  const { code, stdout } = await esc("bench", "--max", "--duration", "0.3", "--ack", "--window", "5000");

  expect(code).toBe(0);
  const [, accepted, processed] = /accepted (\d+) = processed (\d+) \+ dead-lettered 0 \+ dropped 0/.exec(stdout) ?? [];
  expect(Number(accepted)).toBeGreaterThan(5_000);
  expect(processed).toBe(accepted);
  expect(stdout).toContain(`acked      ${accepted} as durable`);
  expect(stdout).toMatch(/from its turn to acknowledged: p50 .*, p99 .*, p99.9 .*, max /);
  expect(stdout).not.toContain("LOSS");
});

test("a target's other clients are told apart", async () => {
  await using server = await ServerProcess.start();
  const bench = startBench(
    ...["--target", `127.0.0.1:${server.tcpPort}`, "--http", `127.0.0.1:${server.httpPort}`],
    ...["--rate", "100", "--duration", "2"],
  );
  await bench.measuring();
  await esc("send", "--port", String(server.tcpPort), "--count", "50", "--ack");

  const { code, report } = await bench.ended;
  expect([code, report.sent.events, report.server?.accepted, report.server?.others]).toEqual([0, 200, 250, 50]);
});

describe("a run that is cut short", () => {
  test("by the end of its own server says what happened, exits with 1 and leaves nothing behind", async () => {
    const bench = startBench("--rate", "1000", "--duration", "60", "--ack");
    const { pid } = await bench.measuring();
    process.kill(pid, "SIGKILL");

    const { code, report } = await bench.ended;
    expect([code, report.outcome, report.server]).toEqual([1, "failed", null]);
    expect(report.error).toBe("The server for this run ended by SIGKILL.");
    expect(report.sent.events).toBeGreaterThan(0);
    expect(bench.leftOver()).toEqual([]);
  });

  test("by the end of a target says that the connection is gone, and exits with 1", async () => {
    await using server = await ServerProcess.start();
    const target = ["--target", `127.0.0.1:${server.tcpPort}`, "--http", `127.0.0.1:${server.httpPort}`];
    const bench = startBench(...target, "--max", "--duration", "60");
    await bench.measuring();
    server.kill("SIGKILL");

    const { code, report } = await bench.ended;
    expect([code, report.outcome]).toEqual([1, "failed"]);
    expect(report.error).toMatch(/connection/);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "by %s reports what was sent until then, exits with 3 and stops its server",
    async (signal) => {
      const bench = startBench("--rate", "1000", "--duration", "60", "--ack");
      const { pid } = await bench.measuring();
      bench.child.kill(signal);

      const { code, report } = await bench.ended;
      expect([code, report.outcome, report.interrupted]).toEqual([3, "incomplete", true]);
      expect(report.acknowledged?.events).toBe(report.sent.events);
      expect(report.server).toMatchObject({ accepted: report.sent.events, unaccounted: 0, notReceived: 0 });
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(bench.leftOver()).toEqual([]);
    },
  );
});

test("a server whose counts don't add up is a LOSS, and exits with 1", async () => {
  // It takes everything, and has processed one less than it says it has accepted.
  let bytes = 0;
  const sink = createTcp((socket) => {
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("error", () => undefined);
  });
  const counts = createHttp((_, response) => {
    const accepted = bytes / 52;
    const lane = { depthBytes: 0 };
    response.end(
      JSON.stringify({
        ...{ accepted, replayed: 0, processed: Math.max(0, accepted - 1), deadLettered: 0, stored: accepted },
        ...{ dropped: {}, refused: {}, lanes: { realtime: lane, transactional: lane, batch: lane } },
      }),
    );
  });
  for (const server of [sink, counts]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
  }
  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

  const { code, stdout } = await esc(
    ...["bench", "--target", `127.0.0.1:${portOf(sink)}`, "--http", `http://127.0.0.1:${portOf(counts)}`],
    ...["--rate", "100", "--duration", "0.5", "--timeout", "200"],
  );

  expect(code).toBe(1);
  expect(stdout).toContain("accepted 50 = processed 49 +");
  expect(stdout).toContain("LOSS: 1 events unaccounted for, 0 sent and never received");
});

test("a target without counts is told before anything is sent", async () => {
  let connections = 0;
  const sink = createTcp(() => {
    connections++;
  });
  await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void sink.close());
  const { port } = sink.address() as AddressInfo;

  const { code, stderr } = await esc("bench", "--target", `127.0.0.1:${port}`, "--http", "127.0.0.1:1");

  expect(code).toBe(1);
  expect(stderr).toMatch(/No counts from http:\/\/127.0.0.1:1\/api.*--http/);
  expect(connections).toBe(0);
});
