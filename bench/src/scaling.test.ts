import fc from "fast-check";
import { expect, test } from "vitest";
import { predict, type StageCosts } from "./scaling.ts";

const costs: StageCosts = { read: 40, scan: 40, contention: 2, logCpu: 20, logWall: 50, lane: 25 };

test("the slowest stage binds, and all cores together bind where there are few", () => {
  // 80 + 20 + 25 ns of every core: two do 16 million; one ingest thread 12.5, the log 20, the lane 40.
  expect(predict(costs, 1, 1, 1)).toMatchObject({ bound: "cores", eventsPerSecond: 8e6 });
  expect(predict(costs, 2, 1, 1)).toMatchObject({ bound: "ingest", eventsPerSecond: 12.5e6 });
  expect(predict(costs, 16, 4, 1)).toMatchObject({ bound: "log", eventsPerSecond: 20e6 });
  expect(predict({ ...costs, logWall: 10, logCpu: 10 }, 16, 4, 1)).toMatchObject({
    bound: "lane",
    eventsPerSecond: 40e6,
  });
});

test("a lane that gets less of the events binds later; each further ingest thread costs every one of them", () => {
  expect(predict(costs, 64, 8, 0.4).limits).toMatchObject({ lane: 100e6, log: 20e6 });
  expect(predict(costs, 64, 8, 0.4, 0.4).limits.log).toBe(50e6);
  expect(predict(costs, 64, 3, 1).limits.ingest).toBeCloseTo(3e9 / 84);
});

test("more cores are never worse for the same threads, and no figure is above a limit", () => {
  const cost = fc.double({ min: 0.1, max: 1e4, noNaN: true });
  const some = fc.record({ read: cost, scan: cost, contention: cost, logCpu: cost, logWall: cost, lane: cost });
  const cores = fc.integer({ min: 1, max: 63 });
  fc.assert(
    fc.property(
      some,
      cores,
      fc.integer({ min: 1, max: 32 }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      (c, n, w, share) => {
        const few = predict(c, n, w, share);
        const more = predict(c, n + 1, w, share);
        expect(more.eventsPerSecond).toBeGreaterThanOrEqual(few.eventsPerSecond);
        for (const limit of Object.values(few.limits)) expect(few.eventsPerSecond).toBeLessThanOrEqual(limit);
        expect(few.limits[few.bound]).toBe(few.eventsPerSecond);
      },
    ),
  );
});
