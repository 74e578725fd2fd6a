import { expect, test } from "vitest";
import { type BenchReport, exitCodeOf, type Outcome, reportText, time } from "./bench-report.ts";
import type { InsideLatency } from "./inside-latency.ts";

const latency = { count: 2, min: 1, mean: 2, p50: 999, p90: 2, p99: 1_500, p999: 2_500_000, p9999: 2, max: 3e9 };
const report: BenchReport = {
  version: 1,
  outcome: "ok",
  machine: { cpu: "a CPU", cores: 2, memoryGiB: 8, os: "Linux 6", node: "26.10.0", loadAverage: 0.5 },
  options: {
    ...{
      target: "a:1",
      ownServer: false,
      transport: "udp",
      connections: 2,
      topic: "t",
      priority: "mix",
      sizeBytes: 32,
    },
    ...{ rate: 500, durationSeconds: 2, ack: false, mostFramesPerWrite: 10 },
  },
  sent: { events: 1_000, bytes: 40_000, seconds: 2, eventsPerSecond: 500 },
  drained: { seconds: 2.5, eventsPerSecond: 2_500_000 },
  server: {
    ...{ accepted: 900, processed: 880, deadLettered: 3, dropped: { lane_full_batch: 7 }, refused: { crc: 40 } },
    ...{ stored: 890, duplicates: 2, cancelled: 0, inLanes: 8, unaccounted: 0, notReceived: 60, others: 5 },
  },
  latency: { unit: "ns", sent: latency },
  generator: { cpuPercent: 12.5 },
};

test("people get every figure in a line of its own", () => {
  expect(reportText(report).split("\n")).toEqual([
    "a CPU, 2 cores, 8 GiB, Linux 6, Node 26.10.0, load average 0.5",
    "a:1, UDP, 2 connections, 32-byte payloads on t, 500 events/s",
    "sent       1000 events, 40000 bytes in 2.00 s: 500 events/s",
    "drained    in 2.50 s: 2.50 M events/s",
    "server     accepted 900 = processed 880 + dead-lettered 3 + dropped 7 + duplicates 2 + in lanes 8",
    "           stored 890; refused: crc 40; dropped: lane_full_batch 7",
    "           5 events were not ours",
    "           60 sent events never came: datagrams dropped on the way",
    "latency    from when it was due to handed over: p50 999 ns, p99 1.5 µs, p99.9 2.50 ms, max 3.00 s",
    "generator  13% of a core",
    "",
  ]);
});

test("the server's own stages have a line for each lane that had events", () => {
  const inside: InsideLatency = {
    since: "start",
    stages: { queued: { realtime: latency, batch: latency }, durable: { batch: latency } },
    unmeasured: 4,
  };
  const figures = "p50 999 ns, p99 1.5 µs, p99.9 2.50 ms, max 3.00 s";
  const lines = reportText({ ...report, latency: { ...report.latency, inside } }).split("\n");
  expect(lines.slice(9, -2)).toEqual([
    "inside     since the server's start",
    `           realtime, received to queued: ${figures}`,
    `           batch, received to queued: ${figures}`,
    `           batch, received to durable: ${figures}`,
    "           4 events unmeasured",
  ]);
});

test("a loss, an error and an interruption are the last words", () => {
  const text = reportText({
    ...report,
    ...{ outcome: "loss", interrupted: true, error: "It broke.", drained: null },
    server: { ...(report.server as NonNullable<BenchReport["server"]>), unaccounted: -2 },
  });
  expect(text).toMatch(
    /\ninterrupted\nesc: It broke\.\nLOSS: -2 events unaccounted for, 60 sent and never received\n$/,
  );
  expect(text).not.toContain("drained");
});

test.each<[Outcome, number]>([
  ["ok", 0],
  ["loss", 1],
  ["failed", 1],
  ["incomplete", 3],
])("%s exits with %i", (outcome, code) => {
  expect(exitCodeOf(outcome)).toBe(code);
});

test.each([
  [0, "0 ns"],
  [1_000, "1.0 µs"],
  [1e6, "1.00 ms"],
  [1.5e9, "1.50 s"],
])("%i ns is %s", (ns, text) => {
  expect(time(ns)).toBe(text);
});
