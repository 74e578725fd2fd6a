import fc from "fast-check";
import { expect, test } from "vitest";
import { Aggregate, PERCENTILE_ACCURACY } from "./aggregate.ts";

function of(values: readonly number[]): Aggregate {
  const aggregate = new Aggregate(true);
  for (const value of values) aggregate.add(value);
  return aggregate;
}

test("count, sum, least, greatest and mean are those of the values", () => {
  const { count, sum, min, max, mean } = of([3, -1, 4, 1, -5]);
  expect({ count, sum, min, max, mean }).toEqual({ count: 5, sum: 2, min: -5, max: 4, mean: 0.4 });
});

test("without values there are no numbers, and a sum of 0", () => {
  const { count, sum, min, max, mean } = of([]);
  expect({ count, sum, min, max, mean }).toEqual({
    count: 0,
    sum: 0,
    min: Number.NaN,
    max: Number.NaN,
    mean: Number.NaN,
  });
  expect(of([]).percentile(50)).toBeNaN();
  const plain = new Aggregate(false);
  plain.add(1);
  expect(plain.percentile(50)).toBeNaN();
});

test("a million small values beside a large one are not lost to rounding", () => {
  const aggregate = new Aggregate(false);
  aggregate.add(1e16);
  for (let n = 0; n < 1_000_000; n++) aggregate.add(1);
  aggregate.add(-1e16);
  expect(aggregate.sum).toBe(1_000_000);
});

/** Numbers within the seventeen powers of ten that a sketch tells apart. */
const value = fc
  .oneof(
    fc.integer({ min: -1_000, max: 1_000 }),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    fc.double({ min: 0.001, max: 1, noNaN: true }),
  )
  .map((number) => (Math.abs(number) < 1e-7 ? 0 : number));

test("a percentile is within its accuracy of the value at that rank, for any values", () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 100, noNaN: true }),
      (values, percent) => {
        const sorted = [...values].sort((a, b) => a - b);
        const rank = (percent / 100) * (values.length - 1);
        const near = [sorted[Math.floor(rank)] as number, sorted[Math.ceil(rank)] as number];
        const tolerance = PERCENTILE_ACCURACY * Math.max(...near.map(Math.abs)) + 1e-9;
        const told = of(values).percentile(percent);
        expect(told).toBeGreaterThanOrEqual((near[0] as number) - tolerance);
        expect(told).toBeLessThanOrEqual((near[1] as number) + tolerance);
      },
    ),
    { numRuns: 500 },
  );
});

test("what goes through a checkpoint goes on as if nothing had been", () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 50 }), fc.array(value, { maxLength: 50 }), (before, after) => {
      const whole = of([...before, ...after]);
      const restored = Aggregate.from(JSON.parse(JSON.stringify(of(before).state())));
      for (const each of after) restored.add(each);
      for (const name of ["count", "sum", "min", "max", "mean"] as const) expect(restored[name]).toBe(whole[name]);
      for (const percent of [0, 25, 50, 90, 99, 100])
        expect(restored.percentile(percent)).toBe(whole.percentile(percent));
    }),
  );
});
