import { expect, test } from "vitest";
import { COUNT_UNIT, measureLatency, measureRate } from "./measure.ts";

const named = { peer: "fake", version: "1", case: "transfer" };
const options = { runs: 3, seconds: 1, warmUpSeconds: 2 };

test("every measured run does the same count, which fills the asked time", async () => {
  const counts: number[] = [];
  const figure = await measureRate(
    named,
    (count) => {
      counts.push(count);
      return count / 1e6;
    },
    options,
  );
  const measured = counts.slice(-3);
  expect(new Set(measured).size).toBe(1);
  expect((measured[0] ?? 0) % COUNT_UNIT).toBe(0);
  expect((measured[0] ?? 0) / 1e6).toBeCloseTo(1, 2);
  expect(figure).toEqual({ ...named, unit: "items/s", runs: [1e6, 1e6, 1e6].map((rate) => expect.closeTo(rate, 3)) });
});

test("nothing is measured before the warm-up is over", async () => {
  let warm = 0;
  const took: number[] = [];
  await measureRate(
    named,
    (count) => {
      took.push(count / 1e6);
      return count / 1e6;
    },
    options,
  );
  for (const seconds of took.slice(0, -3)) warm += seconds;
  expect(warm).toBeGreaterThanOrEqual(2);
});

test("a latency is three figures: the middle of the round trips, and the slowest hundredth and thousandth", async () => {
  const trips = (count: number) => ({
    seconds: count / 1e3,
    samples: Float64Array.from({ length: count }, (_, i) => count - i),
  });
  const figures = await measureLatency(named, trips, { ...options, runs: 1 });
  // 1 s at a thousand a second, to a multiple of 512: the samples are 512 … 1.
  expect(figures.map(({ quantile, runs }) => [quantile, ...runs])).toEqual([
    ["p50", 257],
    ["p99", 507],
    ["p99.9", 512],
  ]);
});

test("a wrong result in any run ends the measurement", async () => {
  const transfer = () => {
    throw new Error("wrong result");
  };
  await expect(measureRate(named, transfer, options)).rejects.toThrow("wrong result");
});
