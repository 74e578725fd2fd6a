import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import { CounterBlock, prometheusText } from "./index.ts";

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
