import { LANE_NAMES, PRIORITY_NAMES, Priority } from "@esc/events";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import {
  BatchError,
  type BatchHandlerDefinition,
  defineBatchHandler,
  defineHandler,
  defineWindow,
  type EventBatch,
} from "../index.ts";
import { LaneRig, type Put, type RigOptions } from "../lane/lane-rig.fixture.ts";

const RETRY = { attempts: 2, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 };
const never = () => new Promise<void>(() => undefined);
const texts = (batch: EventBatch) => Array.from({ length: batch.size }, (_, i) => batch.view(i).text());
const numbered = (count: number, topic = "t"): Put[] =>
  Array.from({ length: count }, (_, n) => ({ topic, payload: String(n) }));

async function rig(options: RigOptions): Promise<LaneRig> {
  return await new LaneRig(options).start();
}

/** A handler that notes what each of its batches held, then does what it is told. */
function noting(
  handle: BatchHandlerDefinition["handle"] = () => undefined,
  more: Partial<BatchHandlerDefinition> = {},
) {
  const batches: string[][] = [];
  const handler = defineBatchHandler({
    topics: ">",
    ...more,
    handle(batch, context) {
      batches.push(texts(batch));
      return handle(batch, context);
    },
  });
  return { batches, handler };
}

const put = fc.record({
  topic: fc.oneof(
    fc.constantFrom("a", "a.b", "order.created", "nobody.cares"),
    fc.constant(`long.${"x".repeat(60)}`),
    fc.integer({ min: 0, max: 99 }).map((n) => `topic.${n}`),
  ),
  payload: fc.string({ maxLength: 300 }),
  priority: fc.constantFrom(...PRIORITY_NAMES),
  id: fc.option(fc.integer({ min: 1, max: 250 }), { nil: undefined }),
  timeMs: fc.integer({ min: 0, max: 1_700_000_000_000 }),
  metadata: fc.option(fc.constant({ key: "value" }), { nil: undefined, freq: 5 }),
  tombstone: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

test.each(LANE_NAMES)(
  "%s: every event is in one batch, in order, and its columns say what its view says: whatever lies between, at any place of the ring",
  async (lane) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(put, { minLength: 1, maxLength: 400 }), { minLength: 3, maxLength: 6 }),
        fc.integer({ min: 1, max: 64 }),
        async (rounds, maxEvents) => {
          const seen: Put[] = [];
          const ids = new Set<number>();
          const handle = (batch: EventBatch) => {
            expect(batch.size).toBeLessThanOrEqual(maxEvents);
            for (let i = 0; i < batch.size; i++) {
              const view = batch.view(i);
              const [offset, length] = [batch.offsets[i] as number, batch.lengths[i] as number];
              expect([batch.sequences[i], batch.timesMs[i], batch.timesNs[i], batch.ids[i]]).toEqual([
                ...[view.sequence, view.timeMs, view.timeNs, view.id === undefined ? 0 : 1],
              ]);
              const number = batch.topics[i] as number;
              expect([batch.topic(number), batch.priorities[i]]).toEqual([view.topic, Priority[view.priority]]);
              const payload = Buffer.from(batch.bytes.subarray(offset, offset + length)).toString();
              expect(payload).toBe(view.text());
              if (length > 0) expect(batch.data.getUint8(offset)).toBe(batch.bytes[offset]);
              seen.push({ topic: view.topic, payload, priority: view.priority, timeMs: view.timeMs });
            }
          };
          const handlers = defineBatchHandler({
            topics: ["a", "a.b", "order.created", "long.*", "topic.*"],
            maxEvents,
            handle,
          });
          await using rigged = await rig({ lane, handlers });
          let sent = 0;
          const expected: Put[] = [];
          for (const round of rounds) {
            for (const { tombstone, ...event } of round) {
              if (tombstone) rigged.putTombstone();
              // The transactional lane takes an id once.
              if (event.id !== undefined && ids.has(event.id)) event.id = undefined;
              if (event.id !== undefined) ids.add(event.id);
              const { id, metadata, ...rest } = event;
              rigged.put({ ...rest, ...(id !== undefined && { id }), ...(metadata && { metadata }) });
              sent++;
              const { topic, payload, priority, timeMs } = event;
              if (topic !== "nobody.cares") expected.push({ topic, payload, priority, timeMs });
            }
            rigged.store();
            await rigged.until(() => rigged.ended === sent);
          }
          expect(rigged.counter("processed")).toBe(sent);
          expect(rigged.state.next).toBe(rigged.ring.publishedSequence);
          expect(seen).toEqual(expected);
          await rigged.end("drain");
        },
      ),
      { numRuns: 5 },
    );
  },
);

test("events of topics that no handler is for are passed over in the midst of a batch, and counted", async () => {
  const { batches, handler } = noting(undefined, { topics: "mine" });
  await using lane = await rig({ handlers: handler });
  lane.send(...["a", "b", "c"].flatMap((payload) => [{ topic: "mine", payload }, { topic: "other" }]));
  await lane.until(() => lane.ended === 6);
  expect(batches).toEqual([["a", "b", "c"]]);
  await lane.saved(7);
});

test("a batch holds as many events as its handler takes; several handlers get their own topics each", async () => {
  const small = noting(undefined, { topics: "s", maxEvents: 3 });
  const large = noting(undefined, { topics: "l", maxEvents: 100 });
  await using lane = await rig({ handlers: [small.handler, large.handler] });
  lane.send(...numbered(7, "s"), ...numbered(50, "l"));
  await lane.until(() => lane.ended === 57);
  expect(small.batches.map(({ length }) => length)).toEqual([3, 3, 1]);
  expect(large.batches.map(({ length }) => length)).toEqual([50]);
});

test("transactional: only what is durable is in a batch", async () => {
  const { batches, handler } = noting();
  await using lane = await rig({ handlers: handler });
  lane.send(...numbered(2));
  lane.put(...numbered(3));
  await lane.until(() => lane.ended === 2);
  await lane.rest();
  expect(batches).toEqual([["0", "1"]]);
  lane.store();
  await lane.until(() => lane.ended === 5);
});

test("BatchError: what was before is done, the event becomes a dead letter that says the cause, the rest is offered again", async () => {
  const { batches, handler } = noting((batch) => {
    const bad = texts(batch).indexOf("2");
    if (bad >= 0) throw new BatchError(bad, new Error("no good"));
  });
  await using lane = await rig({ lane: "batch", handlers: handler });
  lane.send(...numbered(5));
  await lane.until(() => lane.ended === 5);
  expect(batches).toEqual([
    ["0", "1", "2", "3", "4"],
    ["3", "4"],
  ]);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({
      payload: "2",
      reason: "handler_failed",
      error: expect.stringContaining("no good"),
      attempts: 1,
      sequence: 3,
    }),
  ]);
  expect([lane.counter("processed"), lane.counter("deadLettered")]).toEqual([4, 1]);
});

test("BatchError with attempts left: the event is tried again alone, and only events of its topic wait for it", async () => {
  let failures = 0;
  const { batches, handler } = noting((batch) => {
    const bad = texts(batch).indexOf("bad");
    if (bad >= 0 && failures++ === 0) throw new BatchError(bad, "once");
  });
  await using lane = await rig({ handlers: handler, retry: { ...RETRY, attempts: 3, delayMs: 30, maxDelayMs: 30 } });
  lane.send(
    ...[
      { topic: "a", payload: "bad" },
      { topic: "b", payload: "b1" },
      { topic: "b", payload: "b2" },
      { topic: "a", payload: "a2" },
      { topic: "b", payload: "b3" },
    ],
  );
  await lane.until(() => lane.ended === 5);
  const flat = batches.slice(1).flat();
  expect(flat.filter((text) => text !== "bad").sort()).toEqual(["a2", "b1", "b2", "b3"]);
  expect(flat.indexOf("bad")).toBeLessThan(flat.indexOf("a2"));
  expect(flat.indexOf("b3")).toBeLessThan(flat.indexOf("bad"));
  expect([lane.counter("processed"), lane.counter("retries")]).toEqual([5, 1]);
  await lane.saved(6);
});

test("any other throw: each event of the batch goes alone once more, and only the one that throws then is a dead letter", async () => {
  const { batches, handler } = noting((batch) => {
    if (texts(batch).includes("bad")) throw new Error("somewhere");
  });
  await using lane = await rig({ lane: "realtime", handlers: handler });
  lane.send(...["a", "bad", "c"].map((payload) => ({ payload })));
  await lane.until(() => lane.ended === 3);
  expect(batches).toEqual([["a", "bad", "c"], ["a"], ["bad"], ["c"]]);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({ payload: "bad", error: expect.stringContaining("somewhere"), attempts: 1 }),
  ]);
});

test("partial failure is exact for any course: each event ends once, as a dead letter only if it fails alone", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("good", "good", "good", "said", "thrown"), { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      fc.boolean(),
      async (kinds, maxEvents, async) => {
        const done = new Map<number, number>();
        const work = (batch: EventBatch) => {
          const fails: number[] = [];
          for (let i = 0; i < batch.size; i++) {
            const text = batch.view(i).text();
            if (text === "thrown") throw new Error("thrown");
            if (text === "said") throw new BatchError(i, "said");
            fails.push(batch.sequences[i] as number);
            done.set(batch.sequences[i] as number, (done.get(batch.sequences[i] as number) ?? 0) + 1);
          }
        };
        const handle = async
          ? (batch: EventBatch) => Promise.resolve().then(() => work(batch))
          : (batch: EventBatch) => work(batch);
        const handlers = defineBatchHandler({ topics: ">", maxEvents, handle });
        await using lane = await rig({ lane: "batch", handlers });
        lane.send(...kinds.map((payload) => ({ payload })));
        await lane.until(() => lane.ended === kinds.length);
        const bad = kinds.flatMap((kind, n) => (kind === "good" ? [] : [n + 1]));
        expect(lane.deadLetters().map(({ sequence }) => sequence)).toEqual(bad);
        expect(lane.counter("processed")).toBe(kinds.length - bad.length);
        for (const [n, kind] of kinds.entries()) if (kind === "good") expect(done.get(n + 1)).toBeGreaterThanOrEqual(1);
        // A throw that says nothing costs each event one call more, and no more than that.
        expect(Math.max(0, ...done.values())).toBeLessThanOrEqual(2);
      },
    ),
    { numRuns: 30 },
  );
});

test("a promise: the lane takes nothing else until it settles, and gives nothing back to the producers before", async () => {
  const gates: (() => void)[] = [];
  const { batches, handler } = noting(() => new Promise<void>((resolve) => void gates.push(resolve)), { maxEvents: 2 });
  await using lane = await rig({ handlers: handler });
  lane.send(...numbered(4));
  await lane.until(() => gates.length === 1);
  await lane.rest();
  expect([batches, lane.ended, lane.state.next]).toEqual([[["0", "1"]], 0, 1]);
  gates[0]?.();
  await lane.until(() => gates.length === 2);
  expect([lane.ended, lane.state.next]).toEqual([2, 3]);
  gates[1]?.();
  await lane.until(() => lane.ended === 4);
});

test("a promise that takes too long: each event goes alone, and the one that takes too long then is a dead letter", async () => {
  const { handler } = noting((batch) => (texts(batch).includes("slow") ? never() : Promise.resolve()));
  await using lane = await rig({ lane: "batch", handlers: handler, timeoutMs: 20 });
  lane.send(...["a", "slow", "c"].map((payload, n) => ({ topic: `t${n}`, payload })));
  await lane.until(() => lane.ended === 3);
  expect(lane.deadLetters()).toEqual([expect.objectContaining({ payload: "slow", reason: "handler_timeout" })]);
  expect(lane.counter("processed")).toBe(2);
});

test("what a batch publishes after its time is nobody's", async () => {
  let late: (() => void) | undefined;
  const error = vi.fn();
  const handler = defineBatchHandler({
    topics: ">",
    handle: (batch, { emit }) => {
      if (batch.size === 1) return;
      late = () => emit(0, { topic: "late", payload: "", priority: "BATCH" });
      return never();
    },
  });
  await using lane = await rig({ handlers: handler, timeoutMs: 10 });
  lane.send(...numbered(2));
  await lane.until(() => lane.ended === 2);
  try {
    late?.();
  } catch (thrown) {
    error((thrown as { code?: string }).code);
  }
  expect(error).toHaveBeenCalledWith("ESC_CONTEXT_EXPIRED");
  expect(lane.emitted("batch")).toEqual([]);
});

test("a batch that kills its thread: its events go alone from then on, the guilty one is a dead letter after its attempts, the others are done", async () => {
  const { batches, handler } = noting((batch) => (texts(batch).includes("bad") ? never() : undefined));
  await using lane = await rig({ handlers: handler, retry: RETRY });
  lane.send(...["a", "bad", "c", "d"].map((payload) => ({ payload })));
  for (let deaths = 1; deaths <= 3; deaths++) {
    await lane.until(() => batches.filter((batch) => batch.includes("bad")).length === deaths);
    await lane.die();
    await lane.start(`death ${deaths}`);
  }
  await lane.until(() => lane.ended === 4);
  lane.send(...numbered(3));
  await lane.until(() => lane.ended === 7);
  expect(batches).toEqual([["a", "bad", "c", "d"], ["a"], ["bad"], ["bad"], ["c"], ["d"], ["0", "1", "2"]]);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({ payload: "bad", reason: "worker_died", attempts: 2, error: "death 3" }),
  ]);
  expect([lane.counter("processed"), lane.counter("replayed"), lane.state.crashes().size]).toEqual([6, 0, 0]);
});

test("a thread that dies between two batches handles no event twice", async () => {
  let hang = false;
  const { batches, handler } = noting(() => (hang ? never() : undefined), { maxEvents: 4 });
  await using lane = await rig({ handlers: handler, retry: RETRY });
  lane.send(...numbered(8));
  await lane.until(() => lane.ended === 8);
  hang = true;
  lane.send({ payload: "x" }, { payload: "y" });
  await lane.until(() => batches.length === 3);
  hang = false;
  await lane.die();
  await lane.start("died");
  await lane.until(() => lane.ended === 10);
  expect(batches.slice(2)).toEqual([["x", "y"], ["x"], ["y"]]);
});

test("metadata, ids, delays, windows and handlers of single events beside it: each event ends once, and all get theirs", async () => {
  const { batches, handler } = noting();
  const single: string[] = [];
  const sums: number[] = [];
  const handlers = [
    handler,
    defineHandler({ topics: "single", handle: (event) => void single.push(event.text()) }),
    defineWindow({
      name: "w",
      lane: "transactional",
      topics: "windowed",
      shape: { tumbling: { count: 2 } },
      value: (event) => Number(event.text()),
      handle: ({ sum }) => void sums.push(sum),
    }),
  ];
  const rules = [{ pattern: new (await import("@esc/events")).TopicPattern("later"), delayMs: 1_000 }];
  await using lane = await rig({ handlers, rules });
  lane.send(
    ...[
      { payload: "p1" },
      { payload: "p2" },
      { payload: "id", id: 7 },
      { payload: "id", id: 7 },
      { topic: "single", payload: "s" },
      { payload: "p3" },
      { topic: "windowed", payload: "4" },
      { topic: "windowed", payload: "5" },
      { topic: "later", payload: "l" },
      { payload: "m", metadata: { a: "b" } },
      { payload: "p4" },
      { payload: "p5" },
    ],
  );
  await lane.until(() => lane.ended === 11);
  lane.clockMs += 2_000;
  lane.wake();
  await lane.until(() => lane.ended === 12);
  await lane.until(() => sums.length === 1);
  expect(batches).toEqual([["p1", "p2"], ["id"], ["s"], ["p3"], ["4"], ["5"], ["m"], ["p4", "p5"], ["l"]]);
  expect([single, sums, lane.counter("duplicates"), lane.counter("processed")]).toEqual([["s"], [9], 1, 11]);
});

test("what is published on behalf of an event has the id that a handler of single events gives it; a failed one publishes nothing", async () => {
  const emission = { topic: "next", payload: "x", priority: "BATCH" } as const;
  const source = [{ payload: "a" }, { payload: "b" }, { payload: "bad" }, { payload: "c" }];
  await using one = await rig({
    handlers: defineHandler({
      topics: ">",
      handle(event, { emit }) {
        emit(emission);
        if (event.text() === "bad") throw new Error("bad");
      },
    }),
  });
  one.send(...source);
  await one.until(() => one.ended === 4);
  await using many = await rig({
    handlers: defineBatchHandler({
      topics: ">",
      handle(batch, { emit }) {
        for (let i = 0; i < batch.size; i++) {
          emit(i, emission);
          if (batch.view(i).text() === "bad") throw new BatchError(i, "bad");
        }
      },
    }),
    maxHeld: 1,
  });
  many.send(...source);
  await many.until(() => many.ended === 4);
  const ids = one.emitted("batch").map(({ id }) => id);
  expect(ids).toHaveLength(3);
  expect(many.emitted("batch").map(({ id }) => id)).toEqual(ids);
  expect([many.counter("emitted.batch"), many.counter("processed")]).toEqual([3, 3]);
});

test("realtime: events of a batch that took too long are breaches", async () => {
  const { handler } = noting();
  await using lane = await rig({ lane: "realtime", handlers: handler, slaMs: 5 });
  lane.send(
    ...[
      { payload: "late", timeMs: lane.clockMs - 1_000 },
      { payload: "in time", timeMs: lane.clockMs },
    ],
  );
  await lane.until(() => lane.ended === 2);
  expect(lane.counter("sla.breaches")).toBe(1);
});

test("with handlers_debug a batch, a view and bytes that were kept tell; what they say during the call is the same", async () => {
  let kept: { batch: EventBatch; bytes: Uint8Array; view: ReturnType<EventBatch["view"]> } | undefined;
  const handler = defineBatchHandler({
    topics: ">",
    handle(batch) {
      const [from, length] = [batch.offsets[1] as number, batch.lengths[1] as number];
      expect(Buffer.from(batch.bytes.subarray(from, from + length)).toString()).toBe("1");
      expect(batch.topic(batch.topics[1] as number)).toBe("t");
      kept = { batch, bytes: batch.bytes, view: batch.view(1) };
    },
  });
  await using lane = await rig({ handlers: handler, debug: true });
  lane.send(...numbered(2));
  await lane.until(() => lane.ended === 2);
  expect(lane.counter("processed")).toBe(2);
  expect(() => kept?.batch.size).toThrow(/`size` of a batch was asked for after its handler was done/);
  expect(() => kept?.view.topic).toThrow(/ESC_VIEW_EXPIRED|after its handler was done/);
  expect(kept?.bytes.length).toBe(0);
});

test("a topic's number stays what it is, also where the event comes alone", async () => {
  const numbers = new Map<string, Set<number>>();
  const handler = defineBatchHandler({
    topics: ">",
    handle(batch) {
      for (const [i, number] of batch.topics.subarray(0, batch.size).entries()) {
        const { topic } = batch.view(i);
        numbers.set(topic, (numbers.get(topic) ?? new Set()).add(number));
      }
    },
  });
  await using lane = await rig({ handlers: handler });
  lane.send(
    { topic: "a" },
    { topic: "b" },
    { topic: "b", id: 1 },
    { topic: "c", metadata: { x: "y" } },
    { topic: "c" },
  );
  await lane.until(() => lane.ended === 5);
  expect([...numbers]).toEqual([
    ["a", new Set([0])],
    ["b", new Set([1])],
    ["c", new Set([2])],
  ]);
});

test("topics beyond those that are remembered come alone, with no number, and none is lost", async () => {
  const seen = new Map<string, number>();
  const handler = defineBatchHandler({
    topics: ">",
    handle(batch) {
      for (let i = 0; i < batch.size; i++) {
        const number = batch.topics[i] as number;
        const topic = batch.topic(number);
        expect(topic).toBe(batch.view(i).topic);
        expect(number === -1 ? batch.size : 1).toBe(1);
        seen.set(topic, (seen.get(topic) ?? 0) + 1);
      }
    },
  });
  await using lane = await rig({ lane: "batch", handlers: handler });
  const topics = Array.from({ length: 4_500 }, (_, n) => `topic.${n}`);
  for (let round = 0; round < 2; round++) {
    for (let from = 0; from < topics.length; from += 1_500) {
      lane.send(...topics.slice(from, from + 1_500).map((topic) => ({ topic })));
      await lane.until(() => lane.state.next === lane.ring.publishedSequence);
    }
  }
  expect([lane.counter("processed"), lane.counter("deadLettered"), seen.size]).toEqual([9_000, 0, 4_500]);
  expect(new Set(seen.values())).toEqual(new Set([2]));
});

test.each([
  [{ topics: "a", maxEvents: 0, handle() {} }, /`maxEvents` must be a whole number from 1 to 8192, not 0/],
  [{ topics: "a", key: () => "k", handle() {} }, /there is no `key` of a batch handler/],
  [{ topics: "a.b*", handle() {} }, /topic "a\.b\*"/],
  [{ topics: "a" }, /`handle` must be a function \(batch, context\)/],
  [{ topics: "a", lane: "fast", handle() {} }, /`lane` must be one of/],
])("a definition that can't be is refused where it is written: %o", (definition, message) => {
  expect(() => defineBatchHandler(definition as unknown as BatchHandlerDefinition)).toThrow(message);
});
