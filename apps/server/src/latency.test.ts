import { join } from "node:path";
import { LANE_NAMES, type LaneName } from "@esc/events";
import { expect, test } from "vitest";
import type { Latency } from "./latency-figures.ts";
import type { Stats } from "./stats.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { Answers, connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

const ACK = 0x20;
const EVENTS = 3_000;
const STAGES = ["queued", "handled", "durable"] as const;

function counts(stats: Stats, stage: (typeof STAGES)[number]): Record<LaneName, number> {
  const { realtime, transactional, batch } = stats.latency[stage];
  return { realtime: realtime.count, transactional: transactional.count, batch: batch.count };
}

test("every acknowledged event is in the latencies of its lane: queued, handled and durable, once each", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  for (let i = 0; i < EVENTS; i += 100) {
    const frames = Array.from({ length: 100 }, (_, n) => plainFrame(((i + n) % 5) | ACK, "order.created", "x"));
    await writeAll(socket, Buffer.concat(frames));
  }
  await answers.until(() => answers.durable === EVENTS);

  // What is acknowledged is in the durable stage already: it is recorded before anybody can see it as durable.
  const acknowledged = await server.stats();
  const byLane = { realtime: (EVENTS * 2) / 5, transactional: (EVENTS * 2) / 5, batch: EVENTS / 5 };
  expect(counts(acknowledged, "durable")).toEqual(byLane);
  expect(acknowledged.stored).toBe(EVENTS);
  const stats = await server.statsWhen(
    (now) => now.processed === EVENTS && LANE_NAMES.every((lane) => now.latency.handled[lane].count === byLane[lane]),
  );
  expect([counts(stats, "queued"), counts(stats, "handled"), stats.latency.unmeasured]).toEqual([byLane, byLane, 0]);

  for (const stage of STAGES) {
    for (const lane of LANE_NAMES) {
      const { min, p50, p90, p99, p999, p9999, max } = stats.latency[stage][lane];
      const rising = [0, min, p50, p90, p99, p999, p9999, max];
      expect(rising).toEqual(rising.toSorted((a, b) => a - b));
    }
  }
  const { queued, handled, durable } = stats.latency;
  // Each stage begins with the receipt: what comes later is later. A transactional event is handled once it is durable.
  for (const lane of LANE_NAMES) expect(handled[lane].mean).toBeGreaterThanOrEqual(queued[lane].mean);
  expect(queued.transactional.min).toBeGreaterThanOrEqual(durable.transactional.min);
  await finish(socket);
});

test("the metrics have the same: buckets that add up, quantiles in order, in seconds", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  await writeAll(socket, Buffer.concat(Array.from({ length: 200 }, () => plainFrame(4, "order.created", "x"))));
  const stats = await server.statsWhen(({ latency }) => STAGES.every((stage) => latency[stage].realtime.count === 200));
  const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  const samples = new Map(
    [...text.matchAll(/^(esc_latency\S*) (\S+)$/gm)].map(([, name = "", value]) => [name, Number(value)]),
  );

  for (const stage of STAGES) {
    const labels = `stage="${stage}",lane="realtime"`;
    const buckets = [...samples].filter(([name]) => name.startsWith(`esc_latency_seconds_bucket{${labels},`));
    expect(buckets.length).toBeGreaterThan(20);
    const rising = buckets.map(([, count]) => count);
    expect(rising).toEqual(rising.toSorted((a, b) => a - b));
    expect(samples.get(`esc_latency_seconds_bucket{${labels},le="+Inf"}`)).toBe(200);
    expect(samples.get(`esc_latency_seconds_count{${labels}}`)).toBe(200);
    const figures: Latency = stats.latency[stage].realtime;
    const { mean, p50, p90, p99, p999, p9999, max } = figures;
    expect(samples.get(`esc_latency_seconds_sum{${labels}}`)).toBeCloseTo((mean * 200) / 1e9, 6);
    const quantiles = ["0.5", "0.9", "0.99", "0.999", "0.9999", "1"].map((quantile) =>
      samples.get(`esc_latency_quantile_seconds{${labels},quantile="${quantile}"}`),
    );
    expect(quantiles).toEqual([p50, p90, p99, p999, p9999, max].map((ns) => ns / 1e9));
  }
  expect(samples.get("esc_latency_unmeasured_events_total")).toBe(0);
  expect(text).toContain("# TYPE esc_latency_seconds histogram\n");
  expect(text).toContain("# TYPE esc_latency_quantile_seconds gauge\n");
  await finish(socket);
});

test("a lane whose thread died goes on being measured, by the thread that follows it", async () => {
  const dataDir = temporaryDirectory();
  const folder = new HandlerFolder(
    join(dataDir, "handlers"),
    `export default { topics: ">", handle(event) { if (event.text() === "bad") process.exit(1); } };`,
  );
  await using server = await ServerProcess.start({ dataDir, args: folder.args });
  const socket = await connect(server.tcpPort);
  await writeAll(socket, plainFrame(4, "order.created", "bad"));
  await server.statsWhen(({ deadLettered }) => deadLettered === 1);
  await writeAll(socket, Buffer.concat(Array.from({ length: 50 }, () => plainFrame(4, "order.created", "good"))));
  const stats = await server.statsWhen(({ latency }) => latency.handled.realtime.count === 51);
  expect(stats.lanes.realtime.restarts).toBeGreaterThan(0);
  // The one that took the thread with it is handled as well: a dead letter by the next thread's hand.
  expect([stats.latency.queued.realtime.count, stats.latency.handled.realtime.count]).toEqual([51, 51]);
  await finish(socket);
});
