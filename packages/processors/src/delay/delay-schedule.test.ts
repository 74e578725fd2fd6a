import fc from "fast-check";
import { expect, test } from "vitest";
import { type Delayed, DelaySchedule } from "./delay-schedule.ts";

const delayed = (sequence: number, dueMs: number, id?: string, bytes = 10): Delayed<string> => ({
  sequence,
  dueMs,
  id,
  bytes,
  event: `event ${sequence}`,
});

function schedule(events: number, maxBytes = 1_000_000): DelaySchedule<string> {
  return new DelaySchedule(new Float64Array(events * 2), maxBytes);
}

function takeAll(from: DelaySchedule<string>, nowMs: number): number[] {
  const taken: number[] = [];
  for (let one = from.takeDue(nowMs); one !== undefined; one = from.takeDue(nowMs)) {
    taken.push(one.sequence);
    from.finish(one);
  }
  return taken;
}

test("events come when they are due, by time and then by sequence, and none before", () => {
  const later = schedule(10);
  for (const [sequence, due] of [
    [1, 300],
    [2, 100],
    [4, 200],
    [3, 200],
  ] as const)
    later.add(delayed(sequence, due));
  expect(later.nextDueMs).toBe(100);
  expect(takeAll(later, 99)).toEqual([]);
  expect(takeAll(later, 200)).toEqual([2, 3, 4]);
  expect(later.nextDueMs).toBe(300);
  expect(takeAll(later, 1_000)).toEqual([1]);
  expect([later.size, later.bytes, later.nextDueMs]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
});

test("a cancelled event never comes; one that was delivered can't be cancelled any more", () => {
  const later = schedule(10);
  later.add(delayed(1, 100, "aa"));
  later.add(delayed(2, 100, "bb"));
  expect(later.cancel("aa").map(({ sequence }) => sequence)).toEqual([1]);
  expect(later.cancel("aa")).toEqual([]);
  const taken = later.takeDue(100) as Delayed<string>;
  expect(taken.sequence).toBe(2);
  expect(later.cancel("bb")).toEqual([]);
  later.finish(taken);
  expect(() => later.finish(taken)).toThrow("an event that is done can't be finished");
});

test("full is a return value: by the number of events, delivered ones included, and by their bytes", () => {
  const two = schedule(2);
  expect([two.add(delayed(1, 1)), two.add(delayed(2, 1)), two.add(delayed(3, 1))]).toEqual([true, true, false]);
  const taken = two.takeDue(1) as Delayed<string>;
  expect(two.add(delayed(3, 1))).toBe(false);
  two.finish(taken);
  expect(two.add(delayed(3, 1))).toBe(true);
  const small = schedule(10, 25);
  expect([small.add(delayed(1, 1)), small.add(delayed(2, 1)), small.add(delayed(3, 1))]).toEqual([true, true, false]);
});

test("who takes over the table finds every event that isn't finished", () => {
  const table = new Float64Array(8);
  const first = new DelaySchedule<string>(table, 1_000);
  for (const sequence of [5, 6, 7]) first.add(delayed(sequence, sequence * 10, String(sequence)));
  first.cancel("5");
  first.takeDue(60);
  const left = [
    [6, 60],
    [7, 70],
  ];
  expect(DelaySchedule.pendingIn(table)).toEqual(left);
  // Taking over changes nothing: who dies while it reads the events again leaves the table as it was.
  const second = new DelaySchedule<string>(table, 1_000);
  expect(DelaySchedule.pendingIn(table)).toEqual(left);
  second.add(delayed(6, 60));
  second.abandon(7);
  expect(second.pending()).toEqual([[6, 60]]);
  expect([8, 9, 10, 11].map((sequence) => second.add(delayed(sequence, 80)))).toEqual([true, true, true, false]);
});

test("cancelling over and over doesn't make it grow", () => {
  const later = schedule(4);
  for (let n = 1; n <= 10_000; n++) {
    expect(later.add(delayed(n, 1e12, "x"))).toBe(true);
    later.cancel("x");
  }
  expect(later.size).toBe(0);
  expect(later.upcoming(10)).toEqual([]);
});

test("for any course: what is due comes once and in order, what was cancelled doesn't come, the table tells the rest", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      wait: fc.integer({ min: 1, max: 50 }),
      id: fc.constantFrom("a", "b", "c", undefined),
    }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(30) }),
    fc.record({ kind: fc.constant("cancel" as const), id: fc.constantFrom("a", "b", "c") }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const later = schedule(1_000);
      let model: { sequence: number; due: number; id: string | undefined }[] = [];
      let now = 1;
      let sequence = 0;
      for (const each of steps) {
        if (each.kind === "add") {
          later.add(delayed(++sequence, now + each.wait, each.id));
          model.push({ sequence, due: now + each.wait, id: each.id });
        } else if (each.kind === "cancel") {
          const gone = later.cancel(each.id).map((one) => one.sequence);
          expect(gone).toEqual(model.filter(({ id }) => id === each.id).map((one) => one.sequence));
          model = model.filter(({ id }) => id !== each.id);
        } else {
          now += each.ms;
          const due = model.filter((one) => one.due <= now).sort((a, b) => a.due - b.due || a.sequence - b.sequence);
          expect(takeAll(later, now)).toEqual(due.map((one) => one.sequence));
          model = model.filter((one) => one.due > now);
        }
        expect(later.pending()).toEqual(model.map((one) => [one.sequence, one.due]));
        expect(later.size).toBe(model.length);
      }
    }),
  );
});
