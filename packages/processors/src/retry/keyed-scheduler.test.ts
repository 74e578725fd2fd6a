import fc from "fast-check";
import { expect, test } from "vitest";
import { type Held, KeyedScheduler } from "./keyed-scheduler.ts";

/** Takes everything that may run now. */
function startAll<Event>(scheduler: KeyedScheduler<Event>, nowMs = 0): Held<Event>[] {
  const started: Held<Event>[] = [];
  for (let held = scheduler.next(nowMs); held !== undefined; held = scheduler.next(nowMs)) started.push(held);
  return started;
}

const events = (all: readonly Held<string>[]) => all.map(({ event }) => event);

test("events under different keys run at once, those under one key one after the other", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 10, maxHeld: 10 });
  for (const event of ["a1", "b1", "a2", "c1", "a3"]) scheduler.offer(event, [event.charAt(0)]);
  const first = startAll(scheduler);
  expect(events(first)).toEqual(["a1", "b1", "c1"]);
  scheduler.finish(first[0] as Held<string>);
  const second = startAll(scheduler);
  expect(events(second)).toEqual(["a2"]);
  scheduler.finish(second[0] as Held<string>);
  expect(events(startAll(scheduler))).toEqual(["a3"]);
});

test("an event that waits for its retry holds back its own key only, until it is due", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 10, maxHeld: 10 });
  scheduler.offer("a1", ["a"]);
  const [a1] = startAll(scheduler) as [Held<string>];
  scheduler.retryAt(a1, 500);
  for (const event of ["a2", "b1"]) scheduler.offer(event, [event.charAt(0)]);
  expect(events(startAll(scheduler, 499))).toEqual(["b1"]);
  expect(scheduler.nextDueMs).toBe(500);
  expect(events(startAll(scheduler, 500))).toEqual(["a1"]);
  expect(scheduler.nextDueMs).toBe(Number.POSITIVE_INFINITY);
  scheduler.finish(a1);
  expect(events(startAll(scheduler, 500))).toEqual(["a2"]);
});

test("an event may come in as a retry: it holds its key, and runs when it is due", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 10, maxHeld: 10 });
  scheduler.offer("a1", ["a"], 100);
  scheduler.offer("a2", ["a"]);
  expect(events(startAll(scheduler, 99))).toEqual([]);
  expect(scheduler.nextDueMs).toBe(100);
  expect(events(startAll(scheduler, 100))).toEqual(["a1"]);
});

test("an event may be started at once, over the number that may run, but not past others under its keys", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 1, maxHeld: 3 });
  scheduler.offer("a1", ["a"]);
  startAll(scheduler);
  expect(scheduler.startAtOnce("a2", ["b", "a"])).toBeUndefined();
  const alone = scheduler.startAtOnce("b1", ["b", "b"]) as Held<string>;
  expect([scheduler.running, scheduler.held]).toEqual([2, 2]);
  scheduler.offer("b2", ["b"]);
  expect(scheduler.startAtOnce("c1", ["c"])).toBeUndefined();
  scheduler.finish(alone);
  expect(scheduler.hasReady(0)).toBe(true);
});

test("no more run at once than may, and a retry waits for its turn like any other", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 2, maxHeld: 10 });
  for (const event of ["a", "b", "c"]) scheduler.offer(event, [event]);
  const [a] = startAll(scheduler) as [Held<string>, Held<string>];
  expect(scheduler.running).toBe(2);
  scheduler.retryAt(a, 10);
  expect(events(startAll(scheduler, 10))).toEqual(["c"]);
  expect(scheduler.hasReady(10)).toBe(true);
});

test("a full scheduler refuses, and changes nothing by it", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 1, maxHeld: 2 });
  expect([scheduler.offer("a", ["a"]), scheduler.offer("b", ["b"]), scheduler.offer("c", ["c"])]).toEqual([
    true,
    true,
    false,
  ]);
  expect(scheduler.held).toBe(2);
  expect(scheduler.isHeld("c")).toBe(false);
  scheduler.finish(startAll(scheduler)[0] as Held<string>);
  expect(scheduler.full).toBe(false);
});

test("an event with several keys runs when it is first under all of them, and holds back all of them", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 10, maxHeld: 10 });
  scheduler.offer("a", ["x"]);
  scheduler.offer("both", ["x", "y", "x"]);
  scheduler.offer("b", ["y"]);
  const [a] = startAll(scheduler) as [Held<string>];
  expect(a.event).toBe("a");
  scheduler.finish(a);
  const [both] = startAll(scheduler) as [Held<string>];
  expect(both.event).toBe("both");
  scheduler.finish(both);
  expect(events(startAll(scheduler))).toEqual(["b"]);
});

test("settling what doesn't run is a caller's mistake", () => {
  const scheduler = new KeyedScheduler<string>({ concurrency: 1, maxHeld: 2 });
  scheduler.offer("a", ["a"]);
  const held = scheduler.next(0) as Held<string>;
  scheduler.retryAt(held, 10);
  expect(() => scheduler.finish(held)).toThrow("an event that is retrying can't be settled");
});

interface Model {
  readonly keys: readonly string[];
  state: "held" | "running" | "done";
  notBefore: number;
}

test("for any course of events: order per key, bounded concurrency, bounded number, and everything is done in the end", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("offer" as const),
        keys: fc.array(key, { minLength: 1, maxLength: 3 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("start" as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("finish" as const), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("fail" as const), which: fc.nat(), wait: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(15) }) },
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 8 }),
      (steps, concurrency, maxHeld) => {
        const scheduler = new KeyedScheduler<number>({ concurrency, maxHeld });
        const all: Model[] = [];
        const running: Held<number>[] = [];
        let now = 0;
        const model = (held: Held<number>) => all[held.event] as Model;
        const start = () => {
          const held = scheduler.next(now);
          if (held === undefined) return false;
          const started = model(held);
          expect(started.state).toBe("held");
          expect(started.notBefore).toBeLessThanOrEqual(now);
          // Nothing that came earlier under one of its keys is still to be done.
          for (const earlier of all.slice(0, held.event)) {
            if (earlier.state !== "done") expect(earlier.keys.some((one) => started.keys.includes(one))).toBe(false);
          }
          started.state = "running";
          running.push(held);
          return true;
        };
        const settle = (which: number) => running.splice(which % running.length, 1)[0] as Held<number>;
        for (const each of steps) {
          if (each.kind === "offer") {
            const open = all.filter(({ state }) => state !== "done").length;
            const taken = scheduler.offer(all.length, each.keys);
            expect(taken).toBe(open < maxHeld);
            if (taken) all.push({ keys: each.keys, state: "held", notBefore: 0 });
          } else if (each.kind === "start") start();
          else if (each.kind === "pass") now += each.ms;
          else if (running.length > 0) {
            const held = settle(each.which);
            if (each.kind === "finish") {
              scheduler.finish(held);
              model(held).state = "done";
            } else {
              scheduler.retryAt(held, now + each.wait);
              model(held).state = "held";
              model(held).notBefore = now + each.wait;
            }
          }
          expect(scheduler.running).toBe(running.length);
          expect(scheduler.running).toBeLessThanOrEqual(concurrency);
          expect(scheduler.held).toBe(all.filter(({ state }) => state !== "done").length);
        }
        // From any state on everything can be done.
        for (let rounds = 0; scheduler.held > 0; rounds++) {
          expect(rounds).toBeLessThan(1_000);
          now = Math.max(now, Number.isFinite(scheduler.nextDueMs) ? scheduler.nextDueMs : now);
          while (start());
          while (running.length > 0) {
            const held = settle(0);
            scheduler.finish(held);
            model(held).state = "done";
          }
        }
        expect(all.every(({ state }) => state === "done")).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});
