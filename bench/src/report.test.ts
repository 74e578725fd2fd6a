import { expect, test } from "vitest";
import type { Figure, Unit } from "./figure.ts";
import { machineLine, markdownTable, ratio, spreadText } from "./report.ts";

const figure = (peer: string, unit: Unit, runs: readonly number[], more: Partial<Figure> = {}): Figure => ({
  peer,
  version: "1",
  case: "transfer",
  unit,
  runs,
  ...more,
});

test("a rate twice as high and a latency half as long are both 2 times as good", () => {
  expect(ratio(figure("ours", "items/s", [20]), figure("theirs", "items/s", [10]))).toBe(2);
  expect(ratio(figure("ours", "ns", [10]), figure("theirs", "ns", [20]))).toBe(2);
});

test("a spread is the median, then lowest and highest, in millions a second or nanoseconds", () => {
  expect(spreadText([3e6, 1.5e6, 120e6], "items/s")).toBe("3.00 (1.50–120) M/s");
  expect(spreadText([12.34], "ns")).toBe("12.3 (12.3–12.3) ns");
});

test("the table compares the baseline with the others of its case only", () => {
  const figures = [
    figure("ours", "items/s", [30e6]),
    figure("theirs", "items/s", [10e6]),
    figure("theirs", "ns", [5], { case: "roundtrip", quantile: "p50" }),
  ];
  expect(markdownTable(figures, "ours").split("\n")).toEqual([
    "| case          | program | median (lowest–highest) | runs | ours is |",
    "| ------------- | ------- | ----------------------- | ---- | ------- |",
    "| transfer      | ours    | 30.0 (30.0–30.0) M/s    | 1    |         |",
    "| transfer      | theirs  | 10.0 (10.0–10.0) M/s    | 1    | 3.00×   |",
    "| roundtrip p50 | theirs  | 5.00 (5.00–5.00) ns     | 1    |         |",
  ]);
});

test("without a baseline the table has no comparison", () => {
  expect(markdownTable([figure("one", "ns", [7])])).not.toContain("is |");
});

test("the machine's line names Node's version and what it is given", () => {
  expect(machineLine(["g++ 12"])).toContain(`Node ${process.versions.node}, g++ 12`);
});
