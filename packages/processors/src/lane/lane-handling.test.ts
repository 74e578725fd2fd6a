import { TopicPattern } from "@esc/events";
import { expect, test } from "vitest";
import type { EventView, HandlerContext, HandlerDefinition } from "../handler.ts";
import { LaneRig, type Put, type RigOptions } from "./lane-rig.fixture.ts";

const RETRY = { attempts: 3, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 };

async function rig(options: RigOptions): Promise<LaneRig> {
  return await new LaneRig(options).start();
}

/** Promises that tests settle by the payload of their event. */
class Gates {
  readonly called: string[] = [];
  readonly #open = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();

  readonly handle = async (event: EventView): Promise<void> => {
    const name = event.text();
    this.called.push(`${name}.${event.attempt}`);
    await new Promise<void>((resolve, reject) => this.#open.set(name, { resolve, reject }));
  };

  resolve(name: string): void {
    this.#take(name).resolve();
  }

  reject(name: string): void {
    this.#take(name).reject(new Error(`${name} was rejected`));
  }

  #take(name: string) {
    const gate = this.#open.get(name);
    if (gate === undefined) throw new Error(`${name} is not being handled`);
    this.#open.delete(name);
    return gate;
  }
}

const keyed = (key: string, ...payloads: string[]): Put[] => payloads.map((payload) => ({ topic: key, payload }));

test("asynchronous handlers of different keys run at once, those of one key one after the other, in order", async () => {
  const gates = new Gates();
  await using lane = await rig({ handlers: { topics: ">", handle: gates.handle } });
  lane.send(...keyed("a", "a1", "a2"), ...keyed("b", "b1"));
  await lane.until(() => gates.called.length === 2);
  expect(gates.called).toEqual(["a1.1", "b1.1"]);
  gates.resolve("a1");
  await lane.until(() => gates.called.length === 3);
  expect(gates.called[2]).toBe("a2.1");
  gates.resolve("b1");
  gates.resolve("a2");
  await lane.until(() => lane.ended === 3);
  expect(lane.counter("processed")).toBe(3);
  expect(lane.state.cursor).toBe(4);
});

test("a handler's own key decides, whatever the topic", async () => {
  const gates = new Gates();
  const key = (event: EventView) => event.text().charAt(0);
  await using lane = await rig({ handlers: { topics: ">", key, handle: gates.handle } });
  lane.send(...keyed("t", "x1", "y1", "x2"));
  await lane.until(() => gates.called.length === 2);
  expect(gates.called).toEqual(["x1.1", "y1.1"]);
});

test("no more handlers run at once than may", async () => {
  const gates = new Gates();
  await using lane = await rig({ handlers: { topics: ">", handle: gates.handle }, concurrency: 2 });
  lane.send(...["a", "b", "c", "d"].flatMap((key) => keyed(key, key)));
  await lane.until(() => gates.called.length === 2);
  await lane.rest();
  expect(gates.called).toHaveLength(2);
  gates.resolve("b");
  await lane.until(() => gates.called.length === 3);
  expect(gates.called[2]).toBe("c.1");
});

test("a retrying event holds back its own key and no other; the cursor waits for it", async () => {
  const seen: string[] = [];
  let broken = true;
  const handle = (event: EventView) => {
    seen.push(`${event.text()}.${event.attempt}`);
    if (event.text() === "a1" && broken) throw new Error("not yet");
  };
  const retry = { ...RETRY, attempts: 1_000, delayMs: 20, maxDelayMs: 20 };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry });
  lane.send(...keyed("a", "a1", "a2"), ...keyed("b", "b1", "b2"));
  await lane.until(() => seen.includes("b2.1") && seen.includes("a1.3"));
  expect(seen).not.toContain("a2.1");
  expect([lane.state.cursor, lane.state.next]).toEqual([1, 5]);
  broken = false;
  await lane.until(() => lane.ended === 4);
  expect(seen.indexOf("a2.1")).toBe(seen.length - 1);
  expect([lane.state.cursor, lane.state.tracking]).toEqual([5, false]);
  expect(lane.counter("retries")).toBeGreaterThanOrEqual(2);
});

test("an event becomes a dead letter after its last attempt, with how often it was tried, and what is behind goes on", async () => {
  const handle = (event: EventView) => {
    if (event.text() === "bad") throw new Error("on purpose");
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send(...keyed("t", "bad", "good"));
  await lane.until(() => lane.ended === 2);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({ payload: "bad", reason: "handler_failed", attempts: 3, sequence: 1 }),
  ]);
  expect(lane.counter("processed")).toBe(1);
});

test("a topic's rule decides over the handler's policy, and that over what holds for all", async () => {
  const attempts = new Map<string, number>();
  const handle = (event: EventView) => {
    attempts.set(event.topic, event.attempt);
    throw new Error("always");
  };
  await using lane = await rig({
    handlers: [
      { topics: "plain", handle },
      { topics: ["own.*"], retry: { attempts: 2 }, handle },
    ],
    retry: RETRY,
    rules: [{ pattern: new TopicPattern("own.ruled"), retry: { attempts: 1 } }],
  });
  lane.send({ topic: "plain" }, { topic: "own.x" }, { topic: "own.ruled" });
  await lane.until(() => lane.ended === 3);
  expect(Object.fromEntries(attempts)).toEqual({ plain: 3, "own.x": 2, "own.ruled": 1 });
});

test("handlers of an event run in order; a retry goes on at the one that failed", async () => {
  const seen: string[] = [];
  const handler = (name: string, failures = 0): HandlerDefinition => ({
    topics: ">",
    handle(event) {
      seen.push(`${name}.${event.attempt}`);
      if (event.attempt <= failures) throw new Error("again");
    },
  });
  await using lane = await rig({ handlers: [handler("a"), handler("b", 1), handler("c")], retry: RETRY });
  lane.send({});
  await lane.until(() => lane.ended === 1);
  expect(seen).toEqual(["a.1", "b.1", "b.2", "c.2"]);
});

test("a promise that takes too long is a failed attempt, and its signal tells it", async () => {
  const signals: AbortSignal[] = [];
  const handle = async (_: EventView, { signal }: HandlerContext) => {
    signals.push(signal);
    await new Promise(() => undefined);
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: { ...RETRY, attempts: 2 }, timeoutMs: 30 });
  lane.send({ payload: "slow" });
  await lane.until(() => lane.ended === 1);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({ reason: "handler_timeout", attempts: 2, error: "no answer within 30 ms" }),
  ]);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test("a plain function that returns a promise is waited for; its event stays as it is meanwhile, parts of it taken before too", async () => {
  const seen: string[] = [];
  const handle = (event: EventView) => {
    const { payload } = event;
    return new Promise<void>((resolve) => setTimeout(resolve, 10)).then(() => {
      seen.push(`${event.text()} ${Buffer.from(payload).toString()}`);
    });
  };
  await using lane = await rig({ handlers: { topics: ">", handle } });
  lane.send(...keyed("t", "first", "second", "third"));
  await lane.until(() => lane.ended === 3);
  expect(seen).toEqual(["first first", "second second", "third third"]);
});

test("what a handler returns that is no promise is nobody's business", async () => {
  await using lane = await rig({ handlers: { topics: ">", handle: () => 7 as never } });
  lane.send({}, {});
  await lane.until(() => lane.ended === 2);
  expect(lane.counter("processed")).toBe(2);
});

test("when as many are held as may be, the lane takes no more until one is done", async () => {
  const gates = new Gates();
  await using lane = await rig({ handlers: { topics: ">", handle: gates.handle }, maxHeld: 3 });
  lane.send(...Array.from({ length: 10 }, (_, n) => ({ topic: `t${n}`, payload: String(n) })));
  await lane.until(() => gates.called.length === 3);
  await lane.rest();
  expect([gates.called.length, lane.state.next]).toEqual([3, 4]);
  gates.resolve("1");
  await lane.until(() => gates.called.length === 4);
  expect(lane.state.next).toBe(5);
});

test("transactional events are handled once they are durable, not before", async () => {
  const seen: string[] = [];
  await using lane = await rig({
    handlers: { topics: ">", handle: (event: EventView) => void seen.push(event.text()) },
  });
  lane.put({ payload: "1" });
  await lane.rest();
  expect(seen).toEqual([]);
  lane.store();
  await lane.until(() => seen.length === 1);
});

test("an id is taken once: another event with it is counted as a duplicate and not handled", async () => {
  const seen: string[] = [];
  await using lane = await rig({
    handlers: { topics: ">", handle: (event: EventView) => void seen.push(event.text()) },
  });
  lane.send({ payload: "1", id: 1 }, { payload: "2", id: 2 }, { payload: "1 again", id: 1 }, { payload: "no id" });
  await lane.until(() => lane.ended === 4);
  expect(seen).toEqual(["1", "2", "no id"]);
  expect(lane.counter("duplicates")).toBe(1);
});

test("an id that was taken longer ago than the window is a new one", async () => {
  await using lane = await rig({ handlers: { topics: ">", handle() {} } });
  lane.send({ id: 1, timeMs: 1_700_000_000_000 }, { id: 1, timeMs: 1_700_000_060_001 });
  await lane.until(() => lane.ended === 2);
  expect(lane.counter("processed")).toBe(2);
});

test("what a handler publishes goes into the lane of its priority, when the handler is done", async () => {
  const publish: HandlerDefinition = {
    topics: ">",
    handle(event, context) {
      context.emit({ topic: "next.batch", payload: `${event.text()}!`, priority: "BATCH", metadata: { from: "t" } });
      context.emit({ topic: "next.urgent", payload: Buffer.from("now"), priority: "CRITICAL", deliverAt: 5 });
      expect(lane.emitted("batch")).toEqual([]);
    },
  };
  await using lane = await rig({ handlers: publish });
  lane.send({ payload: "x" });
  await lane.until(() => lane.ended === 1);
  const [batch] = lane.emitted("batch");
  expect(batch).toMatchObject({ topic: "next.batch", payload: "x!" });
  expect(Buffer.from(batch?.metadata.get("from") ?? []).toString()).toBe("t");
  const [urgent] = lane.emitted("realtime");
  expect(Buffer.from(urgent?.metadata.get("deliverAt") ?? []).toString()).toBe("5");
  expect([lane.counter("emitted.batch"), lane.counter("emitted.realtime"), lane.state.pendingEmits]).toEqual([1, 1, 0]);
});

test("a failed attempt publishes nothing; the ids of what is published are the same at each attempt", async () => {
  const ids: (string | undefined)[] = [];
  const handle = (event: EventView, context: HandlerContext) => {
    context.emit({ topic: "out", payload: String(event.attempt), priority: "BATCH" });
    context.emit({ topic: "out", payload: String(event.attempt), priority: "BATCH" });
    if (event.attempt < 3) throw new Error("again");
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send({});
  await lane.until(() => lane.ended === 1);
  const first = lane.emitted("batch");
  expect(first.map(({ payload }) => payload)).toEqual(["3", "3"]);
  ids.push(...first.map(({ id }) => id));
  expect(new Set(ids).size).toBe(2);
});

test("an event is not finished before what it published has room, and when it has none in time it is a dead letter", async () => {
  const handle = (_: EventView, context: HandlerContext) => {
    context.emit({ topic: "out", payload: "x".repeat(1_500), priority: "BATCH" });
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, emitBytes: 4_096, timeoutMs: 200 });
  lane.send({}, {}, {});
  await lane.until(() => lane.counter("processed") === 2);
  expect([lane.state.held, lane.state.pendingEmits]).toEqual([expect.any(Number), 1]);
  lane.emitted("batch");
  await lane.until(() => lane.counter("processed") === 3);
  lane.send({}, {}, {}, {});
  await lane.until(() => lane.ended === 7);
  expect(lane.deadLetters()[0]).toMatchObject({ reason: "emit_full", attempts: 1 });
  expect(lane.counter("dropped.emit")).toBe(lane.counter("deadLettered"));
  expect(lane.state.pendingEmits).toBe(0);
});

test.each([
  ["an empty topic", { topic: "", payload: "" }, "ESC_EMIT_INVALID"],
  ["a payload that is an object", { topic: "t", payload: {} }, "ESC_EMIT_INVALID"],
  ["a priority that isn't", { topic: "t", payload: "", priority: "URGENT" }, "ESC_EMIT_INVALID"],
  ["a short id", { topic: "t", payload: "", id: new Uint8Array(8) }, "ESC_EMIT_INVALID"],
  ["a time that isn't", { topic: "t", payload: "", deliverAt: Number.NaN }, "ESC_EMIT_INVALID"],
  ["metadata of the lanes' own", { topic: "t", payload: "", metadata: { "dl.retried": "1" } }, "ESC_EMIT_INVALID"],
  ["more than an event takes", { topic: "t", payload: "x".repeat(3_000) }, "ESC_EMIT_INVALID"],
])("publishing %s is the handler's mistake", async (_, emission, code) => {
  const codes: string[] = [];
  const handle = (_event: EventView, context: HandlerContext) => {
    try {
      context.emit(emission as never);
    } catch (error) {
      codes.push((error as { code: string }).code);
    }
  };
  await using lane = await rig({ handlers: { topics: ">", handle } });
  lane.send({});
  await lane.until(() => lane.ended === 1);
  expect(codes).toEqual([code]);
});

test("a call that is over publishes nothing more, and one call at most 1,024", async () => {
  const codes: string[] = [];
  let late: HandlerContext | undefined;
  const handle = async (event: EventView, context: HandlerContext) => {
    if (event.text() === "late") {
      late = context;
      return await new Promise<void>(() => undefined);
    }
    for (let n = 0; n <= 1_024; n++) context.emit({ topic: "t", payload: "" });
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, timeoutMs: 30 });
  lane.send({ payload: "late" }, { topic: "other", payload: "many" });
  await lane.until(() => lane.ended === 2);
  try {
    late?.emit({ topic: "t", payload: "" });
  } catch (error) {
    codes.push((error as { code: string }).code);
  }
  expect(codes).toEqual(["ESC_CONTEXT_EXPIRED"]);
  expect(lane.deadLetters().find(({ payload }) => payload === "many")?.error).toContain("up to 1024");
});

test("alerts of handlers are told with their level; an unknown level is the handler's mistake", async () => {
  await using lane = await rig({
    handlers: {
      topics: ">",
      handle: (event: EventView, context: HandlerContext) => context.alert(event.text() as "INFO", "look"),
    },
  });
  lane.send({ payload: "CRITICAL" }, { payload: "LOUD" });
  await lane.until(() => lane.ended === 2);
  expect(lane.alerts).toEqual(["CRITICAL look"]);
  expect(lane.deadLetters()[0]?.error).toContain("a level is one of INFO, WARNING, CRITICAL, EMERGENCY");
});

test("realtime: an event that took longer than its topic's SLA is counted and alerted, one in time isn't", async () => {
  await using lane = await rig({
    lane: "realtime",
    handlers: { topics: ">", handle() {} },
    rules: [{ pattern: new TopicPattern("patient"), slaMs: 100 }],
  });
  lane.put(...Array.from({ length: 40 }, () => ({ topic: "quick" })));
  await lane.until(() => lane.ended === 40);
  expect(lane.counter("sla.breaches")).toBe(0);
  const past = { timeMs: lane.clockMs - 50 };
  lane.put({ topic: "quick", ...past }, { topic: "patient", ...past }, { topic: "quick", ...past });
  await lane.until(() => lane.ended === 43);
  expect(lane.counter("sla.breaches")).toBe(2);
  expect(lane.alerts).toEqual(["WARNING quick: 1 events over 5 ms, the slowest 50 ms"]);
});

test("with handlers_debug a view that was kept throws, and bytes that were kept are gone; copies stay", async () => {
  const kept: { event: EventView; payload: Uint8Array; copy: ReturnType<EventView["copy"]> }[] = [];
  const keep = (event: EventView) => void kept.push({ event, payload: event.payload, copy: event.copy() });
  for (const handle of [keep, async (event: EventView) => keep(event)]) {
    await using lane = await rig({ handlers: { topics: ">", handle }, debug: true });
    lane.send({ payload: "kept" });
    await lane.until(() => lane.ended === 1);
    const { event, payload, copy } = kept.pop() as (typeof kept)[number];
    expect(() => event.text()).toThrow(expect.objectContaining({ code: "ESC_VIEW_EXPIRED" }));
    expect(() => event.topic).toThrow("Keep event.copy()");
    expect(payload).toHaveLength(0);
    expect(Buffer.from(copy.payload).toString()).toBe("kept");
  }
});

test("dead letters wait for room in their ring, and the lane's other keys go on", async () => {
  const handle = (event: EventView) => {
    if (event.topic === "bad") throw new Error("x".repeat(900));
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, deadBytes: 4_096 });
  lane.send(...Array.from({ length: 6 }, (_, n) => ({ topic: "bad", payload: String(n) })), { topic: "good" });
  await lane.until(() => lane.counter("processed") === 1);
  expect(lane.counter("deadLettered")).toBeLessThan(6);
  const read: string[] = [];
  await lane.until(() => {
    read.push(...lane.deadLetters().map(({ payload }) => payload));
    return lane.ended === 7;
  });
  expect([...read, ...lane.deadLetters().map(({ payload }) => payload)]).toEqual(["0", "1", "2", "3", "4", "5"]);
});
