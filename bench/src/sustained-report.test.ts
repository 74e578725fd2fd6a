import { expect, test } from "vitest";
import { demands, perSecond, type SustainedRun } from "./sustained-report.ts";

const none = { minor: 0, major: 0, minorMs: 0, majorMs: 0, longestMs: 0 };
const second = (atMs: number, rssBytes: number) => ({
  ...{ atMs, rssBytes, handledPerSecond: 1, storedPerSecond: 1, diskBytesPerSecond: 1 },
});
const good: SustainedRun = {
  ...{ eventsPerSecond: 8e6, lost: 0, logBytesPerSecond: 900e6, disk: [1e9], highestRss: 400e6 },
  seconds: [second(1_000, 100e6), second(6_000, 390e6), second(7_000, 400e6)],
  collections: new Map([["log", none]]),
};
const reached = (change: Partial<SustainedRun>) => demands({ ...good, ...change }).map((one) => one.reached);

test("rates are between two looks, by the time that really passed", () => {
  const sample = { diskBytes: 0, rssBytes: 7 };
  const [rate] = perSecond([
    { ...sample, atMs: 0, processed: 0, stored: 0 },
    { ...sample, atMs: 2_000, processed: 10, stored: 8, diskBytes: 100 },
  ]);
  expect(rate).toEqual({ atMs: 2_000, handledPerSecond: 5, storedPerSecond: 4, diskBytesPerSecond: 50, rssBytes: 7 });
});

test("nine tenths of the disk count as the rate; the first seconds' growth is no growth", () => {
  expect(reached({})).toEqual([true, true, true, true, true, true]);
});

test.each([
  [{ logBytesPerSecond: 899e6 }, 0],
  [{ lost: 1 }, 1],
  [{ highestRss: 500e6 }, 2],
  [{ seconds: [second(6_000, 300e6), second(7_000, 400e6)] }, 3],
  [{ collections: new Map([["log", { ...none, major: 1 }]]) }, 4],
  [{ collections: new Map([["log", { ...none, minorMs: 1 }]]) }, 5],
] as const)("%j misses demand %i alone", (change, index) => {
  expect(reached(change)).toEqual([0, 1, 2, 3, 4, 5].map((each) => each !== index));
});

test("ten million a second are enough on any disk", () => {
  expect(reached({ eventsPerSecond: 10e6, logBytesPerSecond: 1 })[0]).toBe(true);
});
