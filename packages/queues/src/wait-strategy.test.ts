import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import {
  AsyncWaitStrategy,
  BackoffWaitStrategy,
  BlockingWaitStrategy,
  BusySpinWaitStrategy,
  MpmcSlots,
  SpscRing,
  SpscSlots,
  type WaitStrategy,
} from "./index.ts";

const strategies: [string, WaitStrategy][] = [
  ["busy spin", new BusySpinWaitStrategy()],
  ["backoff", new BackoffWaitStrategy({ spins: 10, yields: 1 })],
  ["blocking", new BlockingWaitStrategy()],
];

/** Far beyond what an honest wait takes here; a lost wake-up runs into it. */
const LOST_MS = 20_000;

function arenaOf(bytes = 1 << 18): Arena {
  return Arena.create({ bytes });
}

test.each(strategies)("%s: nothing comes, so the wait ends at its time", (_, strategy) => {
  const arena = arenaOf();
  const reader = SpscRing.create(arena, "r", { capacityBytes: 4_096 }).reader();
  expect(strategy.wait(reader, 5)).toBe(false);
  expect(strategy.wait(reader, 0)).toBe(false);
  expect(reader.take(() => undefined, strategy, 1)).toBe(0);
});

test.each(strategies)("%s: what is there already is no wait", (_, strategy) => {
  const arena = arenaOf();
  const ring = SpscRing.create(arena, "r", { capacityBytes: 4_096 });
  const reader = ring.reader();
  ring.producer().offer(new Uint8Array(8));
  expect(strategy.wait(reader, 0)).toBe(true);
  expect(reader.take((record) => expect(record.length).toBe(8), strategy, 0)).toBe(1);
});

test.each(strategies)(
  "%s: two threads hand one number to and fro, 2,000 times, through full slots and empty ones: no wake-up is lost",
  async (name, strategy) => {
    const arena = arenaOf();
    const there = SpscSlots.create(arena, "there", { capacity: 2 }).producer();
    const back = SpscSlots.create(arena, "back", { capacity: 2 }).consumer();
    const worker = new Worker(new URL("./echo.fixture.ts", import.meta.url), {
      workerData: { handle: arena.handle, strategy: name, rounds: 2_000 },
    });
    const failed = new Promise<never>((_, reject) => worker.once("error", reject));
    const done = new Promise((resolve) => worker.once("message", resolve));
    // The echo also fills its side twice in a row, so that this side's answer waits for space there.
    for (let n = 0; n < 2_000; n++) {
      expect(there.push(n)).toBe(true);
      expect(strategy.wait(back, LOST_MS)).toBe(true);
      expect(back.pop()).toBe(n);
    }
    await Promise.race([done, failed]);
    await worker.terminate();
  },
);

test("async: the event loop goes on while a thread waits, and the wait ends with a record, at its time, or by its signal", async () => {
  const arena = arenaOf();
  const ring = SpscRing.create(arena, "r", { capacityBytes: 4_096 });
  const reader = ring.reader();
  const producer = ring.producer();
  const wait = new AsyncWaitStrategy();
  let turns = 0;
  const loop = setInterval(() => turns++, 1);
  expect(await wait.wait(reader, { timeoutMs: 20 })).toBe(false);
  expect(turns).toBeGreaterThan(0);
  setTimeout(() => producer.offer(new Uint8Array(1)), 5);
  expect(await wait.wait(reader)).toBe(true);
  reader.read(() => undefined);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("stop")), 5);
  await expect(wait.wait(reader, { signal: controller.signal })).rejects.toThrow("stop");
  await expect(wait.wait(reader, { signal: controller.signal })).rejects.toThrow("stop");
  clearInterval(loop);
});

test("a producer waits for space, and gets it when the slowest reader moves", async () => {
  const arena = arenaOf();
  const ring = SpscRing.create(arena, "r", { capacityBytes: 4_096 });
  const reader = ring.reader();
  const producer = ring.producer();
  while (producer.offer(new Uint8Array(120))) {}
  const strategy = new BlockingWaitStrategy();
  expect(producer.waitForSpace(120, strategy, 1)).toBe(false);
  const wait = new AsyncWaitStrategy();
  setTimeout(() => reader.read(() => undefined), 5);
  expect(await wait.wait(producer)).toBe(true);
  expect(producer.offer(new Uint8Array(120))).toBe(true);
});

test("several threads sleep at one MpmcSlots; each number wakes them, and each number is somebody's", async () => {
  const arena = arenaOf();
  const slots = MpmcSlots.create(arena, "m", { capacity: 16 });
  const waits = Array.from({ length: 3 }, async () => {
    const taken: number[] = [];
    const wait = new AsyncWaitStrategy();
    for (;;) {
      await wait.wait(slots.values, { timeoutMs: LOST_MS });
      const value = slots.pop();
      if (value < 0) return taken;
      if (!Number.isNaN(value)) taken.push(value);
    }
  });
  for (let n = 0; n < 50; n++) {
    while (!slots.push(n)) await new Promise(setImmediate);
    if (n % 10 === 0) await new Promise(setImmediate);
  }
  for (let n = 0; n < 3; n++) while (!slots.push(-1)) await new Promise(setImmediate);
  const taken = (await Promise.all(waits)).flat();
  expect(taken.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
});
