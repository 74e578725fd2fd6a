import fc from "fast-check";
import { expect, test } from "vitest";
import type { WindowDefinition, WindowResult } from "./window-definition.ts";
import { WindowSet } from "./window-set.ts";

/** A set whose closed windows are kept. */
function rig(definition: Partial<WindowDefinition>) {
  const closed: WindowResult[] = [];
  const full = {
    name: "w",
    topics: "a",
    handle() {},
    shape: { tumbling: { ms: 100 } },
    ...definition,
  } as WindowDefinition;
  const set = new WindowSet(full, (result) => closed.push(result));
  let sequence = 0;
  const add = (key: string, timeMs: number, value = 1, nowMs = timeMs) =>
    set.add(key, timeMs, value, ++sequence, nowMs);
  const told = () => closed.map(({ key, startMs, endMs, count, closedBy }) => [key, startMs, endMs, count, closedBy]);
  return { set, add, closed, told };
}

test("tumbling by time: windows begin at multiples of their length and close when an event reaches their end", () => {
  const { add, told, set } = rig({});
  for (const at of [1_010, 1_099, 1_100, 1_250]) add("k", at);
  expect(told()).toEqual([
    ["k", 1_000, 1_100, 2, "time"],
    ["k", 1_100, 1_200, 1, "time"],
  ]);
  expect(set.open).toBe(1);
});

test("each key has windows of its own, and time is one for all", () => {
  const { add, told } = rig({});
  add("a", 1_000);
  add("b", 1_050);
  add("a", 1_200);
  expect(told()).toEqual([
    ["a", 1_000, 1_100, 1, "time"],
    ["b", 1_000, 1_100, 1, "time"],
  ]);
});

test("tumbling by count: closed with the last event it takes, whatever the time", () => {
  const { add, told, set } = rig({ shape: { tumbling: { count: 2 } } });
  for (const [key, at] of [
    ["a", 10],
    ["b", 5_000],
    ["a", 90],
    ["a", 7],
  ] as const)
    add(key, at);
  expect(told()).toEqual([["a", 10, 90, 2, "count"]]);
  expect(set.open).toBe(2);
});

test("tumbling by both: what comes first closes it, and the rest of the time is another window", () => {
  const { add, told } = rig({ shape: { tumbling: { ms: 100, count: 2 } } });
  for (const at of [1_000, 1_010, 1_020, 1_100]) add("k", at);
  expect(told()).toEqual([
    ["k", 1_000, 1_100, 2, "count"],
    ["k", 1_000, 1_100, 1, "time"],
  ]);
});

test("sliding by time: an event is in every window that holds its time", () => {
  const { add, told, set } = rig({ shape: { sliding: { ms: 100, everyMs: 50 } } });
  add("k", 1_060);
  add("k", 1_100);
  expect(told()).toEqual([["k", 1_000, 1_100, 1, "time"]]);
  set.flush();
  expect(told().slice(1)).toEqual([
    ["k", 1_050, 1_150, 2, "stop"],
    ["k", 1_100, 1_200, 1, "stop"],
  ]);
});

test("sliding by count: a window of so many events every so many events", () => {
  const { add, closed } = rig({ shape: { sliding: { count: 3, every: 2 } } });
  for (let n = 1; n <= 7; n++) add("k", n);
  expect(closed.map(({ firstSequence, lastSequence, count }) => [firstSequence, lastSequence, count])).toEqual([
    [1, 3, 3],
    [3, 5, 3],
    [5, 7, 3],
  ]);
});

test("an event whose window is over is late and in none", () => {
  const { add, told, set } = rig({});
  add("k", 1_100);
  expect(add("k", 1_099)).toBe("late");
  expect(add("k", 1_150)).toBe("in");
  set.flush();
  expect(told()).toEqual([["k", 1_100, 1_200, 2, "stop"]]);
});

test("with lateness a window waits behind its end; what comes within is in, what comes behind is late", () => {
  const { add, told } = rig({ late: "include", latenessMs: 50 });
  add("k", 1_010);
  add("k", 1_140);
  expect(add("k", 1_020)).toBe("in");
  add("k", 1_150);
  expect(told()).toEqual([["k", 1_000, 1_100, 2, "time"]]);
  expect(add("k", 1_030)).toBe("late");
});

test("a time a day ahead of the clock is a mistake that ends no window", () => {
  const { add, set } = rig({});
  add("k", 1_000);
  expect(add("k", 1_000 + 86_400_001, 1, 1_000)).toBe("late");
  expect(set.open).toBe(1);
});

test("when nothing comes for a while, time goes on by the clock", () => {
  const { add, set, told } = rig({ idleMs: 30 });
  add("k", 1_080, 1, 5_000);
  expect(set.nextAdvanceMs).toBe(5_030);
  set.advance(5_029);
  expect(told()).toEqual([]);
  set.advance(5_030);
  expect(told()).toEqual([["k", 1_000, 1_100, 1, "time"]]);
  expect(set.nextAdvanceMs).toBe(Number.POSITIVE_INFINITY);
});

test("more windows than may be open: the oldest is closed early, and says so", () => {
  const { add, told, set } = rig({ maxOpen: 2 });
  add("a", 1_000);
  add("b", 1_010);
  add("c", 1_020);
  expect(told()).toEqual([["a", 1_000, 1_100, 1, "memory"]]);
  expect(set.open).toBe(2);
  // What comes for it afterwards begins another window of the same time, with an id of its own.
  add("a", 1_030);
  set.flush();
  expect(new Set(told().map(([key]) => key))).toEqual(new Set(["a", "b", "c"]));
});

test("numbers are told of values; without values events are only counted", () => {
  const valued = rig({ value: () => 0, percentiles: [50] });
  for (const value of [1, 2, 6]) valued.add("k", 1_000, value);
  valued.set.flush();
  expect(valued.closed[0]).toMatchObject({ count: 3, sum: 9, min: 1, max: 6, mean: 3 });
  expect(valued.closed[0]?.percentiles[50]).toBeCloseTo(2, 1);
  const counted = rig({});
  counted.add("k", 1_000, 0);
  counted.set.flush();
  expect(counted.closed[0]).toMatchObject({ count: 1, sum: 0, min: null, max: null, mean: null, percentiles: {} });
});

test("keys that come and go, windows that close by count: nothing is kept of them", () => {
  const { add, set } = rig({ shape: { tumbling: { ms: 86_400_000, count: 1 } } });
  add("other", 1);
  for (let n = 0; n < 20_000; n++) add(`k${n}`, 10);
  expect(set.open).toBe(0);
  expect(set.state()).toMatchObject({ open: [], counts: [] });
});

const shape = fc.oneof(
  fc.constant({ tumbling: { ms: 100 } }),
  fc.constant({ tumbling: { ms: 100, count: 3 } }),
  fc.constant({ tumbling: { count: 4 } }),
  fc.constant({ sliding: { ms: 90, everyMs: 40 } }),
  fc.constant({ sliding: { count: 5, every: 2 } }),
);
const arrivals = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b", "c"),
    step: fc.integer({ min: -60, max: 90 }),
    value: fc.integer({ min: -9, max: 9 }),
  }),
  { maxLength: 80 },
);

/** Times that mostly go up. */
function timed(events: readonly { key: string; step: number; value: number }[]) {
  let at = 10_000;
  return events.map(({ key, step, value }) => {
    at += step;
    return { key, timeMs: at, value };
  });
}

test("for any events: tumbling windows hold each that isn't late exactly once, with sums that add up; memory is bounded", () => {
  fc.assert(
    fc.property(
      shape,
      arrivals,
      fc.constantFrom(0, 35),
      fc.integer({ min: 1, max: 4 }),
      (any, events, latenessMs, maxOpen) => {
        const { add, set, closed } = rig({
          shape: any,
          maxOpen,
          value: () => 0,
          ...(latenessMs > 0 && { late: "include", latenessMs }),
        });
        let counted = 0;
        let sum = 0;
        for (const { key, timeMs, value } of timed(events)) {
          const added = add(key, timeMs, value);
          expect(set.open).toBeLessThanOrEqual(maxOpen);
          if (added === "late") continue;
          counted++;
          sum += value;
        }
        set.flush();
        expect(set.open).toBe(0);
        for (const { startMs, endMs, firstSequence, lastSequence } of closed) {
          expect(startMs).toBeLessThanOrEqual(endMs);
          expect(firstSequence).toBeLessThanOrEqual(lastSequence);
        }
        expect(new Set(closed.map(({ id }) => id)).size).toBe(closed.length);
        if (!("tumbling" in any)) return;
        expect(closed.reduce((total, { count }) => total + count, 0)).toBe(counted);
        expect(closed.reduce((total, result) => total + result.sum, 0)).toBe(sum);
      },
    ),
    { numRuns: 300 },
  );
});

test("for any events: a set that goes through a checkpoint at any moment closes the same windows as one that doesn't", () => {
  fc.assert(
    fc.property(shape, arrivals, fc.nat(80), (any, events, at) => {
      const definition = { shape: any, value: () => 0, percentiles: [90] } as const;
      const whole = rig(definition);
      const before = rig(definition);
      const after = rig(definition);
      for (const [index, { key, timeMs, value }] of timed(events).entries()) {
        whole.set.add(key, timeMs, value, index, timeMs);
        if (index === at) after.set.restore(JSON.parse(JSON.stringify(before.set.state())), timeMs);
        (index < at ? before : after).set.add(key, timeMs, value, index, timeMs);
      }
      if (events.length <= at) after.set.restore(JSON.parse(JSON.stringify(before.set.state())), 0);
      whole.set.flush();
      after.set.flush();
      const both = [...before.closed, ...after.closed];
      const byId = (a: WindowResult, b: WindowResult) => a.id.localeCompare(b.id) || a.lastSequence - b.lastSequence;
      expect(both.sort(byId)).toEqual(whole.closed.sort(byId));
    }),
    { numRuns: 200 },
  );
});
