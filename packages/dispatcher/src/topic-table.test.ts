import { Arena } from "@esc/arena";
import { Priority } from "@esc/events";
import { expect, test } from "vitest";
import { TopicTable, type TopicTableOptions } from "./index.ts";

function table(options: TopicTableOptions): TopicTable {
  const arena = Arena.create({ bytes: TopicTable.bytesFor(options) + 4_096 });
  return TopicTable.create(arena, "topics", options);
}

const bytes = (topic: string) => new TextEncoder().encode(topic);

test("an exact topic wins over any pattern, then the earlier rule over the later", () => {
  const topics = table({
    overrides: [
      { pattern: "alerts.>", priority: Priority.CRITICAL },
      { pattern: "alerts.*", priority: Priority.LOW },
      { pattern: "alerts.test", priority: Priority.BATCH },
    ],
  });
  expect(topics.resolve(bytes("alerts.fire"))).toBe("CRITICAL");
  expect(topics.resolve(bytes("alerts.test"))).toBe("BATCH");
  expect(topics.resolve(bytes("orders"))).toBeUndefined();
});

test("a topic is remembered once, and answers the same from memory", () => {
  const topics = table({ overrides: [{ pattern: "a.>", priority: Priority.HIGH }] });
  for (let round = 0; round < 3; round++) {
    expect(topics.resolve(bytes("a.b"))).toBe("HIGH");
    expect(topics.resolve(bytes("c"))).toBeUndefined();
  }
  expect(topics.topics).toBe(2);
});

test("more topics than are remembered are still answered right", () => {
  const topics = table({ overrides: [{ pattern: "vip.*", priority: Priority.HIGH }], maxTopics: 100 });
  for (let i = 0; i < 1_000; i++) {
    expect(topics.resolve(bytes(`vip.${i}`))).toBe("HIGH");
    expect(topics.resolve(bytes(`other.${i}`))).toBeUndefined();
  }
  expect(topics.topics).toBe(100);
});

test("long topics work without being remembered", () => {
  const topics = table({ overrides: [{ pattern: "long.>", priority: Priority.LOW }] });
  expect(topics.resolve(bytes(`long.${"x".repeat(60_000)}`))).toBe("LOW");
  expect(topics.topics).toBe(0);
});

test("bytes that are no UTF-8 are no topic, each time they come", () => {
  const topics = table({ overrides: [] });
  for (let round = 0; round < 2; round++) expect(topics.resolve(Uint8Array.from([0x61, 0xff]))).toBe("invalid");
  expect(topics.topics).toBe(0);
});

test("a pattern that can't be is refused when the table is made", () => {
  expect(() => table({ overrides: [{ pattern: "a.>.b", priority: 1 }] })).toThrow(
    expect.objectContaining({ code: "ESC_TOPIC_PATTERN" }),
  );
});
