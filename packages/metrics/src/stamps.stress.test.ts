import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { expect, test } from "vitest";
import { Histogram, monotonicClock, StageRecorder, StampRing } from "./index.ts";
import type { StampsThread } from "./stamps-thread.fixture.ts";

/** Words that the threads share: position published, whose turn it is. */
const PUBLISHED = 0;
const TURN = 1;

function stage(capacity = 1_024) {
  const arena = Arena.create({ bytes: 1 << 20 });
  const address = regionAddress(arena.allocate("shared", 64));
  const words = new Int32Array(arena.memory.buffer, address, 4);
  const reading = new Float64Array(arena.memory.buffer, address + 16, 1);
  const stamps = [0, 1].map((i) => StampRing.create(arena, `stamps.${i}`, { capacity, readers: 1 }));
  const histogram = Histogram.create(arena, "stage", { significantDigits: 2, maxThreads: 1 });
  return { arena, words, reading, stamps, histogram };
}

function start(arena: Arena, writer: number, groups: number) {
  const workerData: StampsThread = { handle: arena.handle, writer, groups };
  const worker = new Worker(new URL("./stamps-thread.fixture.ts", import.meta.url), { workerData });
  return once(worker, "message").then(async ([errorNs]) => {
    await worker.terminate();
    return errorNs as number;
  });
}

test("two threads stamp what they publish while a third follows: every event counts once or is a counted drop", async () => {
  const GROUPS = 60_000;
  const { arena, words, stamps, histogram } = stage(64);
  const { now } = monotonicClock();
  const recorder = new StageRecorder(arena, { stamps, reader: 0, histogram: histogram.recorder(), now });
  const threads = Promise.all([start(arena, 0, GROUPS), start(arena, 1, GROUPS)]);
  let running = true;
  void threads.finally(() => {
    running = false;
  });
  while (running) {
    recorder.reach(Atomics.load(words, PUBLISHED));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await threads;
  recorder.reach(Atomics.load(words, PUBLISHED));
  const dropped = stamps.reduce((sum, ring) => sum + ring.droppedEvents, 0);
  expect(histogram.snapshot().count + dropped).toBe(2 * 2 * GROUPS);
});

test("clocks of two threads agree: a reading over there lies between the ones here before and after it", async () => {
  const TURNS = 1_000;
  const { arena, words, reading } = stage();
  const clock = monotonicClock();
  const other = start(arena, -1, TURNS);
  const early: number[] = [];
  const late: number[] = [];
  let last = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    const before = clock.now();
    expect(before).toBeGreaterThanOrEqual(last);
    Atomics.store(words, TURN, 2 * turn + 1);
    Atomics.notify(words, TURN);
    while (Atomics.load(words, TURN) !== 2 * turn + 2) Atomics.wait(words, TURN, 2 * turn + 1);
    last = clock.now();
    early.push((reading[0] as number) - before);
    late.push(last - (reading[0] as number));
  }
  // Each thread knows by how much its clock may be off, by the readings it was set by.
  const toleranceNs = clock.errorNs + (await other) + 1;
  expect(Math.min(...early)).toBeGreaterThan(-toleranceNs);
  expect(Math.min(...late)).toBeGreaterThan(-toleranceNs);
});

test("the clock is the system's monotonic one", () => {
  const clock = monotonicClock();
  const before = Number(process.hrtime.bigint());
  const now = clock.now();
  const at = clock.at(performance.now());
  const after = Number(process.hrtime.bigint());
  expect(now).toBeGreaterThan(before - clock.errorNs - 2);
  expect(at).toBeGreaterThanOrEqual(now);
  expect(at).toBeLessThan(after + clock.errorNs + 2);
});
