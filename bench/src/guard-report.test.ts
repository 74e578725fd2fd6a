import { expect, test } from "vitest";
import { guardReport, shares } from "./guard-report.ts";

const timing = (name: string, least: number) => ({ name, least, median: 2 * least });

test("costs are told as shares of the yardstick's least, so a machine twice as fast has the same ones", () => {
  const slow = shares(timing("yardstick", 1_000), [timing("a", 50)]);
  const fast = shares(timing("yardstick", 500), [timing("a", 25)]);
  expect(slow).toEqual({ a: 0.05 });
  expect(fast).toEqual(slow);
});

test("what has grown or shrunk by more than the tolerance is named, what is new or gone as well", () => {
  const timings = [timing("grown", 120), timing("shrunk", 50), timing("same", 110), timing("new", 1)];
  const now = shares(timing("yardstick", 1_000), timings);
  const { text, grown } = guardReport(timings, now, { grown: 0.1, shrunk: 0.1, same: 0.1, gone: 0.1 });
  expect(grown).toBe(1);
  expect(text.split("\n").slice(2)).toEqual([
    "| grown | 120.0 | +20%, grown |",
    "| shrunk | 50.0 | -50%, shrunk |",
    "| same | 110.0 | +10% |",
    "| new | 1.0 | new |",
    "| gone | | no longer measured |",
  ]);
});
