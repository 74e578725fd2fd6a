import fc from "fast-check";
import { expect, test } from "vitest";
import { joinRounds, parseFigure, spread } from "./figure.ts";

const line =
  '{"peer":"boost-spsc","version":"1","case":"roundtrip","unit":"ns","quantile":"p50","value":2,"runs":[3,2,1]}';

test("a driver's line becomes a figure, without what can be computed from it", () => {
  expect(parseFigure(line)).toEqual({
    peer: "boost-spsc",
    version: "1",
    case: "roundtrip",
    unit: "ns",
    quantile: "p50",
    runs: [3, 2, 1],
  });
});

test.each([
  ["text", "hello"],
  ["no run", line.replace("[3,2,1]", "[]")],
  ["a run that took no time", line.replace("[3,2,1]", "[3,null]")],
  ["a run of nothing", line.replace("[3,2,1]", "[0]")],
  ["an unknown unit", line.replace('"ns"', '"ms"')],
  ["no case", line.replace('"roundtrip"', '""')],
])("a line with %s is refused, and quoted", (_what, bad) => {
  expect(() => parseFigure(bad)).toThrow(TypeError);
  expect(() => parseFigure(bad)).toThrow(bad);
});

test("the median has at least half of the runs on either side, and lies between the lowest and the highest", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1, max: 1e12, noNaN: true }), { minLength: 1, maxLength: 20 }), (runs) => {
      const { median, lowest, highest } = spread(runs);
      expect(runs.filter((run) => run <= median).length * 2).toBeGreaterThanOrEqual(runs.length);
      expect(runs.filter((run) => run >= median).length * 2).toBeGreaterThanOrEqual(runs.length);
      expect([lowest, highest]).toEqual([Math.min(...runs), Math.max(...runs)]);
    }),
  );
});

test("without a run there is nothing to sum up", () => {
  expect(() => spread([])).toThrow(RangeError);
});

test("rounds become one figure per program, case and quantile, with all runs in their order", () => {
  const one = (peer: string, quantile: string, runs: number[]) =>
    ({ peer, version: "1", case: "roundtrip", unit: "ns", quantile, runs }) as const;
  expect(
    joinRounds([one("a", "p50", [1, 2]), one("b", "p50", [3]), one("a", "p99", [4]), one("a", "p50", [5])]),
  ).toEqual([one("a", "p50", [1, 2, 5]), one("b", "p50", [3]), one("a", "p99", [4])]);
});
