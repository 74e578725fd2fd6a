import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Arena } from "@esc/arena";
import { createCrcTable, encodeMetadata, type LaneName } from "@esc/events";
import { type RecordInput, RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { encodeDeadLetter, LogReader, logDirectory, SegmentedLog } from "@esc/storage";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EventKey } from "../lane/handled-event.ts";
import { DeadLetterBook, type Reentry } from "./dead-letter-book.ts";
import { DeadLetterMarks } from "./dead-letter-marks.ts";
import { OfflineReentry } from "./offline-reentry.ts";
import { SequenceSet } from "./sequence-set.ts";

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "esc-dlq-"));
});

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

interface Dead {
  readonly topic?: string;
  readonly payload?: string;
  readonly lane?: string;
  readonly reason?: string;
  readonly own?: Readonly<Record<string, string>>;
}

/** Writes a log of dead letters, as the lanes' threads do. */
function bury(dead: readonly Dead[], segmentBytes = 1 << 20): void {
  const arena = Arena.create({ bytes: 1 << 22 });
  createCrcTable(arena);
  const log = SegmentedLog.open({ dir: logDirectory(dataDir, "dead-letters"), segmentBytes });
  const ring = RecordRing.create(arena, "dead", { capacityBytes: 1 << 20, firstSequence: log.nextSequence });
  const consumer = ring.consumer();
  const producer = ring.appender("p");
  for (const { topic = "t", payload = "x", lane = "transactional", reason = "handler_failed", own = {} } of dead) {
    const letter = { lane, sequence: 7, reason, error: "boom", attempts: 3, firstAtMs: 100, lastAtMs: 200 };
    const metadata = new Map(Object.entries(own).map(([key, value]) => [key, Buffer.from(value)]));
    producer.append({
      ...{ topic: Buffer.from(topic), payload: Buffer.from(payload), priority: 2, source: 1, timeMs: 1_000 },
      metadata: encodeDeadLetter(letter, metadata),
      id: new Uint8Array(16).fill(5),
    });
    consumer.next(1);
    const bytes = new Uint8Array(arena.memory.buffer);
    log.append(bytes, runAddress(consumer), consumer.runBytes, consumer.runSequence, 1);
    consumer.release(consumer.runEnd, 1);
  }
  log.sync();
  log.close();
}

/** Lanes that keep what goes into them. */
function lanes(
  room = Number.POSITIVE_INFINITY,
): Reentry & { readonly events: { lane: LaneName; event: RecordInput }[] } {
  const events: { lane: LaneName; event: RecordInput }[] = [];
  return {
    events,
    nextSequence: () => 1,
    append: (lane, event) => events.length < room && events.push({ lane, event }) > 0,
    settle: () => undefined,
  };
}

/** What a lane's log holds. */
function logged(lane: string) {
  using reader = new LogReader({ dir: logDirectory(dataDir, lane) });
  return Array.from(reader, (view) => view.copy());
}

test("lists what waits, by topic, reason and lane, page by page", () => {
  bury([
    { topic: "order.a", reason: "handler_failed" },
    { topic: "order.b", reason: "lane_overflow", lane: "realtime" },
    { topic: "user.a", reason: "handler_failed" },
  ]);
  using book = new DeadLetterBook(dataDir);
  const numbers = (query: Parameters<DeadLetterBook["list"]>[0]) =>
    book.list(query).letters.map(({ number }) => number);
  expect(numbers({})).toEqual([1, 2, 3]);
  expect(numbers({ topic: "order.*" })).toEqual([1, 2]);
  expect(numbers({ reason: "handler_failed" })).toEqual([1, 3]);
  expect(numbers({ lane: "realtime" })).toEqual([2]);
  expect(numbers({ numbers: [3, 2, 9] })).toEqual([2, 3]);
  const page = book.list({ limit: 2 });
  expect(page).toMatchObject({ letters: [{ number: 1 }, { number: 2 }], next: 2 });
  expect(book.list({ limit: 2, after: 2 })).toMatchObject({ letters: [{ number: 3 }], next: undefined });
  expect(() => book.list({ limit: 0 })).toThrow(expect.objectContaining({ code: "ESC_DLQ_QUERY" }));
});

test("shows one whole: the event, its own metadata, why and when", () => {
  bury([{ topic: "order.a", payload: "the payload", own: { trace: "abc" } }]);
  using book = new DeadLetterBook(dataDir);
  const letter = book.show(1);
  expect(letter).toMatchObject({
    ...{ number: 1, state: "waiting", topic: "order.a", reason: "handler_failed", error: "boom", attempts: 3 },
    ...{ firstAtMs: 100, lastAtMs: 200, receivedMs: 1_000, id: "05".repeat(16), lane: "transactional", sequence: 7 },
  });
  expect(Buffer.from(letter?.payload ?? []).toString()).toBe("the payload");
  expect(Buffer.from(letter?.metadata.get("trace") ?? []).toString()).toBe("abc");
  expect(book.show(2)).toBeUndefined();
});

test("a retried event goes into its lane as it was, and says that it was a dead letter", async () => {
  bury([{ topic: "a", payload: "1", lane: "batch", own: { trace: "abc" } }]);
  using book = new DeadLetterBook(dataDir);
  const to = lanes();
  expect(await book.retry({}, to)).toEqual({ retried: [1], refused: [] });
  const { lane, event } = to.events[0] as (typeof to.events)[number];
  expect([lane, Buffer.from(event.topic).toString(), Buffer.from(event.payload).toString()]).toEqual([
    "batch",
    "a",
    "1",
  ]);
  expect(event.timeMs).toBe(1_000);
  const block = encodeMetadata([
    [EventKey.retried, Buffer.from("1")],
    [EventKey.retriedReason, Buffer.from("handler_failed")],
    ["trace", Buffer.from("abc")],
  ]);
  expect(Buffer.from(event.metadata ?? [])).toEqual(Buffer.from(block));
});

test("what was retried is not retried again, by no one and after no restart", async () => {
  bury([{ payload: "1" }, { payload: "2" }]);
  {
    using book = new DeadLetterBook(dataDir);
    await book.retry({ numbers: [1] }, lanes());
    expect(await book.retry({ numbers: [1] }, lanes())).toEqual({
      retried: [],
      refused: [{ number: 1, why: "it was retried before" }],
    });
  }
  using again = new DeadLetterBook(dataDir);
  const to = lanes();
  expect(await again.retry({}, to)).toMatchObject({ retried: [2] });
  expect(to.events).toHaveLength(1);
  expect(again.list({ all: true }).letters.map(({ state }) => state)).toEqual(["retried", "retried"]);
});

test("two retries at the same time put an event in once", async () => {
  bury([{}, {}, {}]);
  using book = new DeadLetterBook(dataDir);
  const to = lanes();
  const results = await Promise.all([book.retry({}, to), book.retry({}, to)]);
  expect(results.map(({ retried }) => retried.length)).toEqual([3, 0]);
  expect(to.events).toHaveLength(3);
});

test("what its lane has no room for goes on waiting", async () => {
  bury([{}, {}, {}]);
  using book = new DeadLetterBook(dataDir);
  expect(await book.retry({}, lanes(2))).toEqual({
    retried: [1, 2],
    refused: [{ number: 3, why: "its lane has no room" }],
  });
  expect(book.list({}).letters.map(({ number, state }) => [number, state])).toEqual([[3, "waiting"]]);
});

test("a window's result can't be retried, for it is no event; nor can what is of no lane", async () => {
  bury([{ topic: "esc.window.w", reason: "window_failed" }, { lane: "express" }]);
  using book = new DeadLetterBook(dataDir);
  const { retried, refused } = await book.retry({ numbers: [1, 2, 3] }, lanes());
  expect(retried).toEqual([]);
  expect(refused.map(({ number }) => number).sort()).toEqual([1, 2, 3]);
});

test("the process ends before the event is in its lane: after the next start it waits again, and is retried once", async () => {
  bury([{ payload: "1" }]);
  {
    const marks = new DeadLetterMarks(join(dataDir, "dead-letters"));
    marks.markRetrying([1], { lane: "transactional", from: 1 });
    marks[Symbol.dispose]();
  }
  using book = new DeadLetterBook(dataDir);
  using to = new OfflineReentry({ dataDir, segmentBytes: 1 << 20 });
  expect(await book.retry({}, to)).toMatchObject({ retried: [1] });
  expect(logged("transactional")).toHaveLength(1);
});

test("the process ends when the event is in its lane already: after the next start it counts as retried", async () => {
  bury([{ payload: "1" }, { payload: "2" }]);
  const ended = new Error("the process ended here");
  {
    using to = new OfflineReentry({ dataDir, segmentBytes: 1 << 20 });
    const book = new DeadLetterBook(dataDir);
    const dying: Reentry = {
      nextSequence: (lane) => to.nextSequence(lane),
      append: (lane, event) => to.append(lane, event),
      settle(lane) {
        to.settle(lane);
        throw ended;
      },
    };
    await expect(book.retry({ numbers: [1] }, dying)).rejects.toBe(ended);
    expect(book.list({ all: true, numbers: [1] }).letters[0]?.state).toBe("retrying");
    expect(await book.retry({ numbers: [1] }, to)).toMatchObject({ refused: [{ why: "it is being retried" }] });
    book[Symbol.dispose]();
  }
  using book = new DeadLetterBook(dataDir);
  expect(book.list({ all: true }).letters.map(({ state }) => state)).toEqual(["retried", "waiting"]);
  using to = new OfflineReentry({ dataDir, segmentBytes: 1 << 20 });
  expect(await book.retry({}, to)).toMatchObject({ retried: [2] });
  expect(logged("transactional").map(({ payload }) => Buffer.from(payload).toString())).toEqual(["1", "2"]);
});

test("what is purged is gone from the list and can't be retried; files of which nothing waits are deleted", async () => {
  bury(
    Array.from({ length: 40 }, (_, n) => ({ payload: "x".repeat(200), reason: n < 30 ? "old" : "new" })),
    4_096,
  );
  const files = () => readdirSync(logDirectory(dataDir, "dead-letters")).filter((name) => name.endsWith(".log")).length;
  const before = files();
  {
    using book = new DeadLetterBook(dataDir);
    expect((await book.purge({ reason: "old" })).purged).toHaveLength(30);
    expect(files()).toBeLessThan(before);
    expect(book.list({}).letters.map(({ number }) => number)).toEqual(Array.from({ length: 10 }, (_, n) => 31 + n));
    expect((await book.retry({ numbers: [5] }, lanes())).refused).toHaveLength(1);
  }
  using again = new DeadLetterBook(dataDir);
  expect(again.list({}).letters).toHaveLength(10);
  expect((await again.purge({})).purged).toHaveLength(10);
  expect(files()).toBe(1);
});

test("a mark that a crash cut off is no mark, and those before it hold", () => {
  const dir = join(dataDir, "dead-letters");
  {
    using marks = new DeadLetterMarks(dir);
    marks.markPurged([1, 2, 3]);
    marks.markRetried([9]);
  }
  const path = join(dir, "marks");
  const whole = readFileSync(path);
  for (let cut = 1; cut < 20; cut++) {
    writeFileSync(path, whole.subarray(0, whole.length - cut));
    using marks = new DeadLetterMarks(dir);
    expect([marks.state(2), marks.state(9)]).toEqual(["purged", "waiting"]);
    marks.markRetried([4]);
  }
  appendFileSync(path, "garbage\n");
  using marks = new DeadLetterMarks(dir);
  expect([marks.state(2), marks.state(4), marks.state(9)]).toEqual(["purged", "retried", "waiting"]);
});

test("marks that have grown long are written anew with the same meaning", () => {
  const dir = join(dataDir, "dead-letters");
  {
    using marks = new DeadLetterMarks(dir);
    // Every other first: ranges that the second half joins.
    for (const odd of [1, 0]) marks.markRetried(Array.from({ length: 3_000 }, (_, n) => 2 * n + 2 - odd));
    marks.markRetrying([7_000], { lane: "batch", from: 12 });
  }
  const { length } = readFileSync(join(dir, "marks"));
  expect(length).toBeGreaterThan(65_536);
  for (let opens = 0; opens < 2; opens++) {
    using marks = new DeadLetterMarks(dir);
    expect([marks.state(1), marks.state(6_000), marks.state(6_001), marks.state(7_000)]).toEqual([
      ...["retried", "retried", "waiting", "retrying"],
    ]);
    expect(marks.firstOpen(1)).toBe(6_001);
  }
  expect(readFileSync(join(dir, "marks")).length).toBeLessThan(length / 100);
});

test("a set of sequences, for any course of additions: it has what was added, in as few ranges as can be", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(10));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), fc.integer({ min: 1, max: 70 }), (ranges, drop) => {
      const set = new SequenceSet();
      const model = new Set<number>();
      for (const [from, more] of ranges) {
        set.add(from, from + more);
        for (let n = from; n <= from + more; n++) model.add(n);
      }
      const check = () => {
        let runs = 0;
        for (let n = 1; n < 80; n++) {
          expect(set.has(n)).toBe(model.has(n));
          if (model.has(n) && !model.has(n - 1)) runs++;
          let missing = n;
          while (model.has(missing)) missing++;
          expect(set.firstMissing(n)).toBe(missing);
        }
        expect(set.ranges).toHaveLength(runs);
      };
      check();
      set.dropBefore(drop);
      for (let n = 1; n < drop; n++) model.delete(n);
      check();
    }),
  );
});
