import { expect, test } from "vitest";
import type { Figure } from "./figure.ts";
import { judge, REQUIREMENTS, requirementsTable } from "./requirements.ts";

const rate = (peer: string, millions: number, name = "spsc-8B-batch-64"): Figure => ({
  peer,
  version: "1",
  case: name,
  unit: "items/s",
  runs: [millions * 1e6],
});
const latency = (peer: string, ns: number, quantile = "p50"): Figure => ({
  peer,
  version: "1",
  case: "roundtrip",
  unit: "ns",
  quantile,
  runs: [ns],
});
const atLeast = { what: "", case: "spsc-8B-batch-64", bound: 250 };
const faster = { what: "", case: "spsc-8B-batch-64", times: { factor: 1.5, peers: ["a", "b"] } };

test("a rate is reached from its bound on", () => {
  expect(judge(atLeast, [rate("ours", 250)])).toEqual({
    required: "≥ 250 M/s",
    measured: "250 M/s",
    verdict: "reached",
  });
  expect(judge(atLeast, [rate("ours", 249.9)]).verdict).toBe("not reached");
});

test("a latency is reached up to its bound, in its quantile only", () => {
  const requirement = { what: "", case: "roundtrip", quantile: "p99", bound: 3 };
  expect(judge(requirement, [latency("ours", 9_000), latency("ours", 3_000, "p99")]).verdict).toBe("reached");
  expect(judge(requirement, [latency("ours", 100), latency("ours", 3_001, "p99")]).verdict).toBe("not reached");
});

test("a ratio is taken to the best of the named peers, and to no other", () => {
  const figures = [rate("ours", 300), rate("a", 100), rate("b", 200), rate("c", 1_000)];
  expect(judge(faster, figures)).toEqual({
    required: "≥ 1.5×",
    measured: "1.50× (300 M/s; b 200 M/s)",
    verdict: "reached",
  });
  expect(judge(faster, [...figures, rate("a", 201)]).verdict).toBe("not reached");
});

test("a latency's ratio is how many times shorter ours is", () => {
  const requirement = {
    what: "",
    case: "roundtrip",
    quantile: "p50",
    times: { factor: 1, peers: ["postMessage"] },
  };
  const { measured } = judge(requirement, [latency("ours", 500), latency("postMessage", 10_000)]);
  expect(measured).toBe("20.0× (0.50 µs; postMessage 10.0 µs)");
});

test("what was not measured is neither reached nor not", () => {
  expect(judge(atLeast, [rate("theirs", 300)]).verdict).toBe("not measured");
  expect(judge(faster, [rate("ours", 300), rate("c", 100)]).verdict).toBe("not measured");
});

test("the table has a line for each requirement", () => {
  expect(requirementsTable([]).split("\n")).toHaveLength(REQUIREMENTS.length + 2);
});
