import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import { GaugeBlock, Histogram } from "./index.ts";
import type { MetricsThread } from "./metrics-thread.fixture.ts";

const OPTIONS = { maxThreads: 3 };

function stage() {
  const arena = Arena.create({ bytes: Histogram.bytesFor(OPTIONS) + 4_096 });
  const histogram = Histogram.create(arena, "latency", OPTIONS);
  return { arena, histogram, gauges: GaugeBlock.create(arena, "gauges", ["up", "down"]) };
}

function start(arena: Arena, values: number, adds: number) {
  const workerData: MetricsThread = { handle: arena.handle, values, adds };
  const worker = new Worker(new URL("./metrics-thread.fixture.ts", import.meta.url), { workerData });
  const { threadId } = worker;
  return { threadId, said: once(worker, "message").then(([word]) => word as string), ended: once(worker, "exit") };
}

test("three threads record at once while a fourth reads: nothing is lost, no count ever goes back", async () => {
  const { arena, histogram, gauges } = stage();
  const VALUES = 1_000_000;
  const threads = [1, 2, 3].map(() => start(arena, VALUES, 200_000));
  const all = Promise.all(threads.map(({ ended }) => ended));
  let running = true;
  void all.then(() => {
    running = false;
  });
  let earlier = histogram.snapshot();
  while (running) {
    const now = histogram.snapshot();
    now.since(earlier); // throws when a bucket has less than before
    earlier = now;
    await new Promise((resolve) => setImmediate(resolve));
  }

  expect(await Promise.all(threads.map(({ said }) => said))).toEqual(["done", "done", "done"]);
  const snapshot = histogram.snapshot();
  const twice = Math.floor(VALUES / 4);
  expect(snapshot.count).toBe(3 * (VALUES + twice));
  expect(snapshot.sumNs).toBe(3 * ((VALUES * (VALUES + 1)) / 2 + 4 * ((twice * (twice + 1)) / 2)));
  expect([snapshot.minNs, snapshot.maxNs]).toEqual([1, VALUES]);
  expect(snapshot.cumulative([1_023])[0]).toEqual({ upToNs: 1_023, count: 3 * (1_023 + 255) });
  expect([gauges.value("up"), gauges.value("down")]).toEqual([600_000, -300_000]);
});

test("a fourth thread gets a shard only once one of the three that ended was released", async () => {
  const { arena, histogram } = stage();
  const threads = [1, 2, 3].map(() => start(arena, 10, 0));
  await Promise.all(threads.map(({ ended }) => ended));

  const late = start(arena, 10, 0);
  expect(await late.said).toBe("ESC_HISTOGRAM_THREADS");
  await late.ended;
  expect(histogram.release(threads[1]?.threadId)).toBe(true);
  const next = start(arena, 10, 0);
  expect(await next.said).toBe("done");
  await next.ended;

  expect(histogram.snapshot().count).toBe(4 * 12);
});
