import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logDirectory } from "@esc/storage";
import { expect, test } from "vitest";
import type { EventView } from "../handler.ts";
import { toDefinitions } from "../handler-module.ts";
import { defineWindow, type WindowResult } from "../windows/window-definition.ts";
import { CheckpointFile } from "./checkpoint-file.ts";
import { LaneRig, type RigOptions } from "./lane-rig.fixture.ts";

const RETRY = { attempts: 2, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 };
const never = () => new Promise<void>(() => undefined);

async function rig(options: RigOptions): Promise<LaneRig> {
  return await new LaneRig(options).start();
}

test("a thread that dies in a handler: what it had finished isn't handled again, what it had in hand is, no count is off", async () => {
  const seen: string[] = [];
  const handle = (event: EventView) => {
    seen.push(event.text());
    return event.text() === "5" && seen.filter((text) => text === "5").length === 1 ? never() : undefined;
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send(...Array.from({ length: 10 }, (_, n) => ({ payload: String(n) })));
  await lane.until(() => seen.includes("5"));
  await lane.die();
  await lane.start("it hung");
  await lane.until(() => lane.ended === 10);
  expect(seen).toEqual(["0", "1", "2", "3", "4", "5", "5", "6", "7", "8", "9"]);
  expect([lane.counter("processed"), lane.counter("replayed"), lane.state.cursor]).toEqual([10, 0, 11]);
});

test("an event that kills its thread at every attempt becomes a dead letter that says so, and the lane goes on", async () => {
  const seen: string[] = [];
  const handle = (event: EventView) => {
    seen.push(event.text());
    return event.text() === "bad" ? never() : undefined;
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send({ payload: "bad" }, { payload: "good" });
  for (let deaths = 1; deaths <= 2; deaths++) {
    await lane.until(() => seen.length === deaths);
    await lane.die();
    await lane.start(`death ${deaths}`);
  }
  await lane.until(() => lane.ended === 2);
  expect(seen).toEqual(["bad", "bad", "good"]);
  expect(lane.deadLetters()).toEqual([
    expect.objectContaining({ payload: "bad", reason: "worker_died", attempts: 2, error: "death 2" }),
  ]);
  expect(lane.state.crashes().size).toBe(0);
});

test("where several waited when the thread died, each runs alone from then on, and only the guilty one is blamed", async () => {
  const together: number[] = [];
  let running = 0;
  let deadly = true;
  const handle = async (event: EventView) => {
    running++;
    together.push(running);
    if (event.text() === "guilty" && deadly) await never();
    if (deadly && together.length <= 3) await never();
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send({ topic: "a", payload: "x" }, { topic: "b", payload: "guilty" }, { topic: "c", payload: "y" });
  await lane.until(() => running === 3);
  await lane.die();
  for (let deaths = 2; deaths <= 3; deaths++) {
    running = 0;
    together.splice(3);
    await lane.start(`death ${deaths}`);
    await lane.until(() => lane.state.calling === 2, "the guilty one alone");
    expect(Math.max(...together.slice(3))).toBe(1);
    await lane.die();
  }
  running = 0;
  await lane.start("the last death");
  await lane.until(() => lane.ended === 3);
  expect(lane.deadLetters()).toEqual([expect.objectContaining({ payload: "guilty", reason: "worker_died" })]);
  expect(lane.counter("processed")).toBe(2);
  deadly = false;
});

test("a thread that dies with one event waiting for its retry: the ones finished behind it are not handled again", async () => {
  const seen: string[] = [];
  let broken = true;
  const handle = (event: EventView) => {
    seen.push(event.text());
    if (event.text() === "a" && broken) throw new Error("not yet");
  };
  const retry = { ...RETRY, attempts: 100, delayMs: 60_000, maxDelayMs: 60_000 };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry });
  lane.send({ topic: "a", payload: "a" }, ...["b", "c", "d"].map((payload) => ({ payload })));
  await lane.until(() => seen.length === 4);
  await lane.die();
  broken = false;
  await lane.start("died");
  await lane.until(() => lane.ended === 4);
  expect(seen).toEqual(["a", "b", "c", "d", "a"]);
});

test("a crash of the process: what the cursor had passed isn't handled again, what it hadn't is, counted as taken up again", async () => {
  const seen: string[] = [];
  const handle = (event: EventView) => void seen.push(event.text());
  await using first = await rig({ handlers: { topics: ">", handle } });
  first.send({ payload: "1" }, { payload: "2" });
  await first.saved(3);
  first.send({ payload: "3" });
  await first.until(() => seen.length === 3);
  await first.crash();
  await using second = await rig({ handlers: { topics: ">", handle }, dataDir: first.dataDir });
  await second.until(() => second.ended === 1);
  expect(seen).toEqual(["1", "2", "3", "3"]);
  expect([second.counter("replayed"), second.counter("processed")]).toEqual([1, 1]);
});

test("a stop with one event waiting for its retry: at the next start it alone is handled", async () => {
  const seen: string[] = [];
  let broken = true;
  const handle = (event: EventView) => {
    seen.push(event.text());
    if (event.text() === "a" && broken) throw new Error("not yet");
  };
  const options = { handlers: { topics: ">", handle }, retry: { ...RETRY, delayMs: 60_000, maxDelayMs: 60_000 } };
  await using first = await rig(options);
  first.send({ topic: "a", payload: "a" }, { payload: "b" }, { payload: "c" });
  await first.until(() => seen.length === 3);
  await first.end("stop");
  await first.crash();
  broken = false;
  await using second = await rig({ ...options, dataDir: first.dataDir });
  await second.until(() => second.ended === 1);
  expect(seen).toEqual(["a", "b", "c", "a"]);
  expect(second.state.cursor).toBe(4);
});

test("ids are remembered across a crash: a duplicate of what was finished before it is known", async () => {
  const seen: string[] = [];
  const handle = (event: EventView) => void seen.push(event.text());
  await using first = await rig({ handlers: { topics: ">", handle } });
  first.send({ payload: "1", id: 1 }, { payload: "2", id: 2 });
  await first.saved(3);
  first.send({ payload: "1 again", id: 1 });
  await first.crash();
  await using second = await rig({ handlers: { topics: ">", handle }, dataDir: first.dataDir });
  second.send({ payload: "2 again", id: 2 }, { payload: "3", id: 3 });
  await second.until(() => second.ended >= 3);
  expect(seen.filter((text) => text.includes("again") || text === "3")).toEqual(["3"]);
});

test("ids are remembered when a thread dies, and those of what it hadn't finished are not held against it", async () => {
  const seen: string[] = [];
  let deadly = true;
  const handle = (event: EventView) => {
    seen.push(event.text());
    return event.text() === "2" && deadly ? never() : undefined;
  };
  await using lane = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  lane.send({ payload: "1", id: 1 }, { payload: "2", id: 2 }, { payload: "1 again", id: 1 });
  await lane.until(() => seen.includes("2"));
  await lane.die();
  deadly = false;
  await lane.start("died");
  await lane.until(() => lane.ended === 3);
  expect(seen).toEqual(["1", "2", "2"]);
  expect([lane.counter("processed"), lane.counter("duplicates")]).toEqual([2, 1]);
});

test("an event for later is handled when it is due and holds up nothing meanwhile, the cursor neither", async () => {
  const seen: string[] = [];
  await using lane = await rig({
    handlers: { topics: ">", handle: (event: EventView) => void seen.push(event.text()) },
  });
  const due = String(lane.clockMs + 5_000);
  lane.send({ payload: "later", metadata: { deliverAt: due } }, { payload: "now" });
  await lane.until(() => seen.length === 1);
  expect([seen, lane.state.cursor, lane.processor.delayedEvents(9).length]).toEqual([["now"], 3, 1]);
  lane.clockMs += 4_999;
  lane.wake();
  await lane.rest();
  expect(seen).toEqual(["now"]);
  lane.clockMs += 1;
  lane.wake();
  await lane.until(() => lane.ended === 2);
  expect(seen).toEqual(["now", "later"]);
});

test.each(["a thread that dies", "a crash of the process"])(
  "events for later survive %s; one that was cancelled stays so",
  async (which) => {
    const seen: string[] = [];
    const options = { handlers: { topics: ">", handle: (event: EventView) => void seen.push(event.text()) } };
    await using first = await rig(options);
    const metadata = { deliverAt: String(first.clockMs + 60_000) };
    first.send({ payload: "a", id: 1, metadata }, { payload: "b", id: 2, metadata }, { payload: "now" });
    await first.until(() => seen.length === 1);
    expect(await first.processor.cancelDelayed("01".repeat(16))).toBe(1);
    expect(await first.processor.cancelDelayed("01".repeat(16))).toBe(0);
    expect(first.counter("cancelled")).toBe(1);
    let lane = first;
    if (which === "a thread that dies") {
      await first.die();
      await first.start("died");
    } else {
      await first.crash();
      lane = await rig({ ...options, dataDir: first.dataDir });
    }
    await lane.until(() => lane.processor.delayedEvents(9).length === 1);
    lane.clockMs += 60_000;
    lane.wake();
    await lane.until(() => seen.length === 2);
    await lane.rest();
    expect(seen).toEqual(["now", "b"]);
    if (lane !== first) {
      expect([lane.counter("replayed"), lane.counter("processed")]).toEqual([1, 1]);
      await lane.crash();
    }
  },
);

test("the cursor's file names what is still needed: the oldest event for later, until it is handled", async () => {
  await using lane = await rig({ handlers: { topics: ">", handle() {} } });
  lane.send({ metadata: { deliverAt: String(lane.clockMs + 1_000) } }, ...Array.from({ length: 5 }, () => ({})));
  await lane.until(() => lane.ended === 5);
  await lane.saved(1);
  lane.clockMs += 1_000;
  lane.wake();
  await lane.until(() => lane.ended === 6);
  await lane.saved(7);
});

test("more events for later than there is room for become dead letters that say so, and never were tried", async () => {
  await using lane = await rig({ handlers: { topics: ">", handle() {} }, delayedEvents: 2 });
  const metadata = { deliverAt: String(lane.clockMs + 1_000) };
  lane.send(...["a", "b", "c"].map((payload) => ({ payload, metadata })));
  await lane.until(() => lane.ended === 1);
  expect(lane.deadLetters()).toEqual([expect.objectContaining({ payload: "c", reason: "schedule_full", attempts: 0 })]);
});

/** A window over the lane, with its results. */
function counting() {
  const results: WindowResult[] = [];
  const window = defineWindow({
    name: "w",
    topics: ">",
    shape: { tumbling: { ms: 1_000 } },
    value: (event) => Number(event.text()),
    handle: (result) => void results.push(result),
  });
  return { results, window };
}

const numbers = (lane: LaneRig, from: number, count: number, atMs = lane.clockMs) =>
  Array.from({ length: count }, (_, n) => ({ payload: String(from + n), timeMs: atMs }));

test("batch: windows are closed by the events behind them and at a drain, and every event is in one", async () => {
  const { results, window } = counting();
  await using lane = await rig({ lane: "batch", handlers: window });
  lane.put(...numbers(lane, 1, 3), ...numbers(lane, 10, 2, lane.clockMs + 1_000));
  await lane.until(() => results.length === 1);
  expect(results[0]).toMatchObject({ key: "t", count: 3, sum: 6, closedBy: "time", firstSequence: 1, lastSequence: 3 });
  expect(lane.state.openWindows).toBe(1);
  await lane.end("drain");
  expect(results[1]).toMatchObject({ count: 2, sum: 21, closedBy: "stop" });
  expect(lane.counter("processed")).toBe(5);
});

test("a window whose handler fails for good is a dead letter with its result; the events are processed", async () => {
  const handle = () => {
    throw new Error("no");
  };
  const { window } = counting();
  await using lane = await rig({ lane: "batch", handlers: { ...window, handle }, retry: RETRY });
  lane.put(...numbers(lane, 1, 2), ...numbers(lane, 3, 1, lane.clockMs + 1_000));
  await lane.until(() => lane.counter("windows.failed") === 1);
  const [letter] = lane.deadLetters();
  expect(letter).toMatchObject({ topic: "esc.window.w", reason: "window_failed", attempts: 2 });
  expect(JSON.parse(letter?.payload ?? "")).toMatchObject({ count: 2, sum: 3 });
  expect(lane.counter("deadLettered")).toBe(0);
});

test("an event whose value is no number is a dead letter, and in no window", async () => {
  const { results, window } = counting();
  await using lane = await rig({ lane: "batch", handlers: window });
  lane.put({ payload: "1" }, { payload: "one" }, { payload: "2" });
  await lane.until(() => lane.ended === 3);
  expect(lane.deadLetters()).toEqual([expect.objectContaining({ payload: "one", reason: "window_failed" })]);
  await lane.end("drain");
  expect(results[0]).toMatchObject({ count: 2, sum: 3 });
});

test.each(["a thread that dies", "a crash of the process"])(
  "open windows survive %s with every event in them once",
  async (which) => {
    const { results, window } = counting();
    await using first = await rig({ lane: "batch", handlers: window });
    first.send(...numbers(first, 1, 3));
    await first.saved(4);
    first.send(...numbers(first, 10, 2));
    await first.until(() => first.ended === 5);
    let lane = first;
    if (which === "a thread that dies") {
      await first.die();
      await first.start("died");
    } else {
      await first.crash();
      lane = await rig({ lane: "batch", handlers: window, dataDir: first.dataDir });
    }
    lane.send(...numbers(lane, 100, 1));
    await lane.end("drain");
    expect(results).toEqual([expect.objectContaining({ count: 6, sum: 127, closedBy: "stop", firstSequence: 1 })]);
    if (lane !== first) await lane.crash();
  },
);

test("a window that is defined no more is given up, with a line that says so", async () => {
  const { window } = counting();
  await using first = await rig({ lane: "batch", handlers: window });
  first.send(...numbers(first, 1, 3));
  await first.saved(4);
  await first.crash();
  await using second = await rig({ lane: "batch", handlers: { topics: ">", handle() {} }, dataDir: first.dataDir });
  await second.until(() => second.lines.some((line) => line.includes("windows of w are given up")));
});

test("a broken checkpoint is told, and the lane begins where the cursor's file says", async () => {
  const path = CheckpointFile.pathIn("/nowhere", "batch");
  expect(path).toBe("/nowhere/checkpoints/batch");
  await using lane = await rig({ handlers: { topics: ">", handle() {} } });
  lane.send({ metadata: { deliverAt: String(lane.clockMs + 1_000) } });
  await lane.saved(1);
  const file = CheckpointFile.pathIn(lane.dataDir, lane.lane);
  const checkpoints = new CheckpointFile(file);
  expect((await checkpoints.read()).kind).toBe("known");
  const text = readFileSync(file, "utf8");
  for (const broken of ["", "nonsense\n", text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10))]) {
    writeFileSync(file, broken);
    expect((await checkpoints.read()).kind).toBe("broken");
  }
});

test("damage in the log is told and passed over, once everything before it is finished", async () => {
  const seen: string[] = [];
  const handle = async (event: EventView) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.push(event.text());
  };
  await using first = await rig({ handlers: { topics: ">", handle }, retry: RETRY });
  first.mode = "stop";
  first.send(...Array.from({ length: 9 }, (_, n) => ({ topic: `t${n}`, payload: `payload ${n}` })));
  await first.crash();
  const [file] = readdirSync(logDirectory(first.dataDir, first.lane)).filter((name) => name.endsWith(".log"));
  const path = join(logDirectory(first.dataDir, first.lane), file as string);
  const bytes = readFileSync(path);
  bytes.write("PAYLOAD", bytes.indexOf("payload 4"));
  writeFileSync(path, bytes);
  await using second = await rig({ handlers: { topics: ">", handle }, retry: RETRY, dataDir: first.dataDir });
  await second.until(() => second.ended >= 8);
  expect(seen.sort()).toEqual([0, 1, 2, 3, 5, 6, 7, 8].map((n) => `payload ${n}`));
  expect([second.state.cursor, second.counter("replayed")]).toEqual([10, 8]);
  expect(second.lines.some((line) => line.includes("can't be read"))).toBe(true);
});

test("a module exports handlers and windows, alone or together", () => {
  const { window } = counting();
  const handler = { topics: "a", handle() {} };
  expect(toDefinitions(window, "x")).toMatchObject({ handlers: [], windows: [{ lane: "batch" }] });
  expect(toDefinitions([handler, window], "x").handlers).toHaveLength(1);
  expect(() => toDefinitions([handler, { ...window, name: "" }], "x.js")).toThrow("x.js [1]: `name`");
});
