import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import { CounterBlock, GaugeBlock, Histogram, prometheusText } from "./index.ts";

test("a counter is seen by whoever attached to its block", () => {
  const arena = Arena.create({ bytes: 1_000 });
  const writer = CounterBlock.create(arena, "counters", ["in", "out"]);
  const reader = CounterBlock.attach(arena, "counters", ["in", "out"]);
  writer.add("in");
  writer.add("out", 2 ** 40);
  writer.add("out", 5);
  expect([reader.value("in"), reader.value("out")]).toEqual([1, 2 ** 40 + 5]);
});

test("Prometheus text has help, type, labels with what must be escaped, and special values", () => {
  const text = prometheusText([
    { name: "esc_a_total", help: "Line\nbreak.", type: "counter", samples: [{ value: 3 }] },
    {
      name: "esc_b",
      help: "Gauge.",
      type: "gauge",
      samples: [
        { labels: { topic: 'a"b\\c\n' }, value: Number.POSITIVE_INFINITY },
        { labels: { lane: "x", shard: "0" }, value: Number.NaN },
      ],
    },
  ]);
  expect(text).toBe(
    [
      "# HELP esc_a_total Line\\nbreak.",
      "# TYPE esc_a_total counter",
      "esc_a_total 3",
      "# HELP esc_b Gauge.",
      "# TYPE esc_b gauge",
      'esc_b{topic="a\\"b\\\\c\\n"} +Inf',
      'esc_b{lane="x",shard="0"} NaN',
      "",
    ].join("\n"),
  );
});

test("a gauge is set, added to and read by whoever attached to its block", () => {
  const arena = Arena.create({ bytes: 1_000 });
  const one = GaugeBlock.create(arena, "gauges", ["depth", "level"]);
  const other = GaugeBlock.attach(arena, "gauges", ["depth", "level"]);
  one.set("depth", 2.5);
  other.add("depth", -4);
  other.add("level");
  expect([one.value("depth"), one.value("level"), other.value("depth")]).toEqual([-1.5, 1, -1.5]);
});

test("Prometheus text has a histogram in seconds: buckets that add up, +Inf, sum and count", () => {
  const arena = Arena.create({ bytes: 600_000 });
  const histogram = Histogram.create(arena, "latency", { maxThreads: 1 });
  const recorder = histogram.recorder();
  for (const valueNs of [500, 1_023, 1_024, 3_000_000, 3_600e9]) recorder.record(valueNs);
  const text = prometheusText([
    {
      name: "esc_latency_seconds",
      help: "Latency.",
      type: "histogram",
      boundsNs: [1_023, 1_000_000, 5_000_000],
      samples: [{ labels: { lane: "batch" }, histogram: histogram.snapshot() }],
    },
  ]);
  // 1 ms and 5 ms lie inside of buckets: moved up to where those end.
  expect(text).toBe(
    [
      "# HELP esc_latency_seconds Latency.",
      "# TYPE esc_latency_seconds histogram",
      'esc_latency_seconds_bucket{lane="batch",le="0.000001023"} 2',
      'esc_latency_seconds_bucket{lane="batch",le="0.001000447"} 3',
      'esc_latency_seconds_bucket{lane="batch",le="0.005001215"} 4',
      'esc_latency_seconds_bucket{lane="batch",le="+Inf"} 5',
      'esc_latency_seconds_sum{lane="batch"} 3600.003002547',
      'esc_latency_seconds_count{lane="batch"} 5',
      "",
    ].join("\n"),
  );
});

test("without bounds of its own, a histogram has a bucket for each doubling from 1 µs to 34 s", () => {
  const arena = Arena.create({ bytes: 600_000 });
  const histogram = Histogram.create(arena, "latency", { maxThreads: 1 });
  histogram.recorder().record(2 ** 20);
  const family = { name: "a_seconds", help: "A.", type: "histogram" as const };
  const lines = prometheusText([{ ...family, samples: [{ histogram: histogram.snapshot() }] }]).split("\n");
  const buckets = lines.filter((line) => line.startsWith("a_seconds_bucket"));
  expect(buckets).toHaveLength(27);
  expect(buckets[0]).toBe('a_seconds_bucket{le="0.000001023"} 0');
  expect(buckets[10]).toBe('a_seconds_bucket{le="0.001048575"} 0');
  expect(buckets[11]).toBe('a_seconds_bucket{le="0.002097151"} 1');
  expect(buckets[25]).toBe('a_seconds_bucket{le="34.359738367"} 1');
});
