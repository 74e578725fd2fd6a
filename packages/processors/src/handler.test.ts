import { Arena } from "@esc/arena";
import { createCrcTable, type LaneName } from "@esc/events";
import { RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { DeadLetterKey, RecordView } from "@esc/storage";
import { expect, test, vi } from "vitest";
import { DeadLetters, defineHandler, type Handler, HandlerTable, toHandlers } from "./index.ts";

const table = (handlers: readonly Handler[], lane: LaneName) =>
  new HandlerTable({ handlers, windows: [], builtIns: [] }, lane);
const LANES: LaneName[] = ["realtime", "transactional", "batch"];

/** Rings with a record in the first, and a view on it. */
function rig(topic: string, payload: string) {
  const arena = Arena.create({ bytes: 1 << 20 });
  createCrcTable(arena);
  const bytes = new Uint8Array(arena.memory.buffer);
  const lane = RecordRing.create(arena, "lane", { capacityBytes: 65_536, firstSequence: 42 });
  const dead = RecordRing.create(arena, "dead", { capacityBytes: 4_096 });
  const consumers = { lane: lane.consumer(), dead: dead.consumer() };
  const producer = lane.appender("lane.producer");
  const append = (text: string) =>
    producer.append({
      topic: Buffer.from(text),
      payload: Buffer.from(payload),
      priority: 3,
      source: 1,
      timeMs: 1_700_000_000_000,
      id: new Uint8Array(16).fill(9),
    });
  append(topic);
  consumers.lane.next(1 << 16);
  const view = new RecordView(bytes).moveTo(runAddress(consumers.lane));
  return { view, append, consumers, bytes, letters: new DeadLetters(dead.appender("dead.producer"), "realtime") };
}

test("a handler is found by its patterns, for its lane or for all", () => {
  const handlers = toHandlers(
    [
      { topics: "order.*", handle: vi.fn() },
      { topics: ["x", "order.>"], lane: "batch", handle: vi.fn() },
    ],
    "test",
  );
  const { view } = rig("order.created", "x");
  const found = LANES.map((lane) => table(handlers, lane).find(view).handlers.length);
  expect(found).toEqual([1, 1, 2]);
});

test("what a topic has is remembered by its bytes, not by its hash alone", () => {
  const handlers = toHandlers({ topics: "a", handle: vi.fn() }, "test");
  const plans = table(handlers, "batch");
  const first = rig("a", "1").view;
  expect(plans.find(first)).toBe(plans.find(first));
  const other = rig("b", "1").view;
  // Another topic under the same hash, as a collision would have it.
  vi.spyOn(other, "topicHash", "get").mockReturnValue(first.topicHash);
  expect(plans.find(other)).toMatchObject({ topic: "b", handlers: [] });
  expect(plans.find(first)).toMatchObject({ topic: "a" });
});

test.each([
  ["no object", 7],
  ["no handle", { topics: "a" }],
  ["no topics", { handle() {} }],
  ["empty topics", { topics: [], handle() {} }],
  ["a topic that is no pattern", { topics: "a.>.b", handle() {} }],
  ["a topic that is no string", { topics: [7], handle() {} }],
  ["a field that isn't", { topics: "a", handle() {}, retries: 3 }],
  ["a key that is no function", { topics: "a", handle() {}, key: "id" }],
  ["no attempt", { topics: "a", handle() {}, retry: { attempts: 0 } }],
  ["a lane that isn't", { topics: "a", lane: "express", handle() {} }],
])("a definition with %s is refused with the place", (_, definition) => {
  expect(() => toHandlers(definition, "handlers/x.js")).toThrow(
    expect.objectContaining({ code: "ESC_HANDLER_INVALID" }),
  );
  expect(() => toHandlers(definition, "handlers/x.js")).toThrow("handlers/x.js");
  expect(() => defineHandler(definition as never)).toThrow(expect.objectContaining({ code: "ESC_HANDLER_INVALID" }));
});

test("a dead letter is the whole event, with where it came from and why it died", () => {
  const { view, consumers, letters, bytes } = rig("order.created", "payload");
  expect(letters.write(view, { reason: "handler_failed", attempts: 1, error: new Error("boom") })).toBe(true);
  consumers.dead.next(1 << 16);
  const dead = new RecordView(bytes).moveTo(runAddress(consumers.dead)).copy();
  expect(dead).toMatchObject({
    sequence: 1,
    topic: "order.created",
    priority: "HIGH",
    source: "tcp",
    timeMs: 1_700_000_000_000,
  });
  expect(Buffer.from(dead.payload).toString()).toBe("payload");
  expect(dead.id).toEqual(new Uint8Array(16).fill(9));
  const text = (key: string) => Buffer.from(dead.metadata.get(key) ?? []).toString();
  expect(text(DeadLetterKey.sequence)).toBe("42");
  expect(text(DeadLetterKey.lane)).toBe("realtime");
  expect(text(DeadLetterKey.reason)).toBe("handler_failed");
  expect(text(DeadLetterKey.error)).toContain("boom");
});

test("a full ring of dead letters is a return value, and an error's text is bounded", () => {
  const { view, letters } = rig("t", "x");
  let written = 0;
  while (letters.write(view, { reason: "handler_failed", attempts: 1, error: new Error("e".repeat(100_000)) }))
    written++;
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(10);
});
