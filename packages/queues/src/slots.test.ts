import { Arena } from "@esc/arena";
import type { EscError } from "@esc/events";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { MpmcSlots, MpscSlots, SpscSlots } from "./index.ts";

let arena: Arena;

beforeEach(() => {
  arena = Arena.create({ bytes: 1 << 18 });
});

function codeOf(mistake: () => unknown): string | undefined {
  try {
    mistake();
  } catch (error) {
    return (error as EscError).code;
  }
  return undefined;
}

/** The same face for all three: one producer, one consumer. */
const queues = {
  SpscSlots: (capacity: number, releaseEvery = 1) => {
    const slots = SpscSlots.create(arena, "s", { capacity });
    const producer = slots.producer();
    const consumer = slots.consumer({ releaseEvery });
    return {
      push: (value: number) => producer.push(value),
      pushMany: (values: Float64Array, from?: number, to?: number) => producer.pushMany(values, from, to),
      pop: () => consumer.pop(),
      popMany: (target: Float64Array, from?: number, to?: number) => consumer.popMany(target, from, to),
    };
  },
  MpscSlots: (capacity: number) => {
    const slots = MpscSlots.create(arena, "s", { capacity });
    const producer = slots.producer();
    const consumer = slots.consumer();
    const one = new Float64Array(1);
    return {
      push: (value: number) => producer.push(value),
      pushMany: (values: Float64Array, from?: number, to?: number) => producer.pushMany(values, from, to),
      pop: () => (consumer.popMany(one) === 1 ? (one[0] as number) : Number.NaN),
      popMany: (target: Float64Array, from?: number, to?: number) => consumer.popMany(target, from, to),
    };
  },
  MpmcSlots: (capacity: number) => {
    const slots = MpmcSlots.create(arena, "s", { capacity });
    return {
      push: (value: number) => slots.push(value),
      pushMany: undefined,
      pop: () => slots.pop(),
      popMany: undefined,
    };
  },
};

describe.each([
  ["SpscSlots", 8, queues.SpscSlots],
  ["SpscSlots", 2, queues.SpscSlots],
  ["MpscSlots", 512, queues.MpscSlots],
  ["MpmcSlots", 8, queues.MpmcSlots],
  ["MpmcSlots", 2, queues.MpmcSlots],
] as const)("%s of %i", (_, capacity, make) => {
  test("any number but NaN comes out as it went in, in order", () => {
    const slots = make(capacity);
    for (const value of [0, -0, 1.5, -1, Number.MAX_SAFE_INTEGER, Number.NEGATIVE_INFINITY, Number.MIN_VALUE]) {
      expect(slots.push(value)).toBe(true);
      expect(Object.is(slots.pop(), value)).toBe(true);
    }
    expect(codeOf(() => slots.push(Number.NaN))).toBe("ESC_SLOTS_NUMBER");
    if (slots.pushMany !== undefined) {
      expect(codeOf(() => slots.pushMany?.(Float64Array.of(1, Number.NaN)))).toBe("ESC_SLOTS_NUMBER");
    }
    expect(slots.pop()).toBeNaN();
  });

  test("it takes its capacity, and one more for each that is taken out", () => {
    const slots = make(capacity);
    for (let lap = 0; lap < 3; lap++) {
      for (let i = 0; i < capacity; i++) expect(slots.push(i)).toBe(true);
      expect(slots.push(99)).toBe(false);
      expect(slots.pop()).toBe(0);
      expect(slots.push(capacity)).toBe(true);
      expect(slots.push(99)).toBe(false);
      for (let i = 1; i <= capacity; i++) expect(slots.pop()).toBe(i);
      expect(slots.pop()).toBeNaN();
    }
  });

  test("like a plain queue, for any order of putting in and taking out, one by one or many", () => {
    const step = fc.tuple(fc.constantFrom("push", "pop", "pushMany", "popMany"), fc.integer({ min: 0, max: 12 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        arena = Arena.create({ bytes: 1 << 14 });
        const slots = make(capacity);
        const model: number[] = [];
        let next = 0;
        for (const [kind, n] of steps) {
          if (kind === "push") {
            expect(slots.push(next)).toBe(model.length < capacity);
            if (model.length < capacity) model.push(next++);
          } else if (kind === "pop") {
            expect(slots.pop()).toEqual(model.shift() ?? Number.NaN);
          } else if (kind === "pushMany" && slots.pushMany !== undefined) {
            const values = Float64Array.from({ length: n + 2 }, (_, i) => next + i - 1);
            const pushed = slots.pushMany(values, 1, n + 1);
            expect(pushed).toBe(Math.min(n, capacity - model.length));
            for (let i = 0; i < pushed; i++) model.push(next++);
          } else if (kind === "popMany" && slots.popMany !== undefined) {
            const target = new Float64Array(n + 1).fill(-1);
            const popped = slots.popMany(target, 1);
            expect(popped).toBeLessThanOrEqual(Math.min(n, model.length));
            if (n > 0 && model.length > 0) expect(popped).toBeGreaterThan(0);
            expect([...target.subarray(1, 1 + popped)]).toEqual(model.splice(0, popped));
            expect(target[0]).toBe(-1);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

test("a consumer that gives space back in batches gives all of it back when it finds nothing more", () => {
  const slots = queues.SpscSlots(8, 4);
  for (let i = 0; i < 8; i++) slots.push(i);
  for (let i = 0; i < 3; i++) expect(slots.pop()).toBe(i);
  expect(slots.push(8)).toBe(false);
  expect(slots.pop()).toBe(3);
  for (let i = 8; i < 12; i++) expect(slots.push(i)).toBe(true);
  expect(slots.push(12)).toBe(false);
  for (let i = 4; i < 12; i++) expect(slots.pop()).toBe(i);
  expect(slots.pop()).toBeNaN();
  for (let i = 0; i < 8; i++) expect(slots.push(i)).toBe(true);
});

test("each side of SpscSlots is one thread's; given back, or reclaimed, another takes it and goes on", () => {
  const slots = SpscSlots.create(arena, "s", { capacity: 8 });
  const producer = slots.producer();
  const consumer = slots.consumer({ releaseEvery: 8 });
  expect(codeOf(() => slots.producer())).toBe("ESC_SLOTS_TAKEN");
  expect(codeOf(() => slots.consumer())).toBe("ESC_SLOTS_TAKEN");
  for (let i = 0; i < 8; i++) producer.push(i);
  consumer.pop();
  producer[Symbol.dispose]();
  slots.reclaim("consumer");
  expect(slots.depth).toBe(7);
  const next = slots.consumer();
  expect(next.pop()).toBe(1);
  expect(slots.producer().push(8)).toBe(true);
});

test("every consumer of MpscSlots sees every number; the slowest holds the producers back", () => {
  const slots = MpscSlots.create(arena, "s", { capacity: 512 });
  const [first, second] = [slots.consumer(), slots.consumer()];
  const producers = [slots.producer(), slots.producer()];
  const values = Float64Array.from({ length: 300 }, (_, i) => i);
  expect(producers[0]?.pushMany(values)).toBe(300);
  expect(producers[1]?.pushMany(values)).toBe(212);
  const target = new Float64Array(1_000);
  expect(first.popMany(target)).toBe(512);
  expect(producers[0]?.push(1)).toBe(false);
  expect(second.popMany(target, 0, 100)).toBe(100);
  expect(producers[0]?.pushMany(values)).toBe(100);
  expect(slots.depthBytes / 8).toBe(512);
});

test.each([
  ["ESC_SLOTS_CAPACITY", () => SpscSlots.create(arena, "x", { capacity: 3 })],
  ["ESC_SLOTS_CAPACITY", () => SpscSlots.create(arena, "x", { capacity: 1 })],
  ["ESC_SLOTS_CAPACITY", () => MpmcSlots.create(arena, "x", { capacity: 0 })],
  ["ESC_RING_CAPACITY", () => MpscSlots.create(arena, "x", { capacity: 256 })],
  ["ESC_SLOTS_CAPACITY", () => SpscSlots.create(arena, "x", { capacity: 8 }).consumer({ releaseEvery: 9 })],
  [
    "ESC_SLOTS_RANGE",
    () => SpscSlots.create(arena, "x", { capacity: 8 }).producer().pushMany(new Float64Array(2), 1, 3),
  ],
  [
    "ESC_SLOTS_RANGE",
    () => SpscSlots.create(arena, "x", { capacity: 8 }).consumer().popMany(new Float64Array(2), 2, 1),
  ],
  ["ESC_ARENA_REGION_UNKNOWN", () => MpmcSlots.attach(arena, "nobody")],
])("a mistake has the code %s", (code, mistake) => {
  expect(codeOf(mistake)).toBe(code);
});
