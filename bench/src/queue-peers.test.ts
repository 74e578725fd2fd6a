import { expect, test } from "vitest";
import { available, runPeer } from "./queue-peers.ts";

test("every peer says what it can do, and one that is absent says what to install", () => {
  for (const { cases, absent } of available()) {
    expect(cases.length).toBeGreaterThan(0);
    if (absent !== undefined) expect(absent).toMatch(/^absent: apt-get install \S+$/);
  }
});

test("a peer in a process of its own returns its figures of the asked case, summed up", async () => {
  const [result, ...others] = await runPeer("ringbuf.js", { runs: 3, seconds: 0.01, case: "spsc-8B-batch-64" });
  expect(others).toEqual([]);
  expect(result).toMatchObject({ peer: "ringbuf.js", case: "spsc-8B-batch-64", unit: "items/s" });
  expect(result?.runs).toHaveLength(3);
  expect(result?.median).toBe([...(result?.runs ?? [])].sort((a, b) => a - b)[1]);
});

test("postMessage's round trips come back as three quantiles in order", async () => {
  const results = await runPeer("postMessage", { runs: 1, seconds: 0.01, case: "roundtrip" });
  expect(results.map(({ quantile }) => quantile)).toEqual(["p50", "p99", "p99.9"]);
  const medians = results.map(({ median }) => median);
  expect(medians).toEqual([...medians].sort((a, b) => a - b));
});

test("a case that a peer does not have is refused, with those that it has", async () => {
  await expect(runPeer("ringbuf.js", { case: "pool-pairs" })).rejects.toThrow(/no case pool-pairs: spsc-8B-per-item/);
  await expect(runPeer("ringbuf.js", { runs: 0 })).rejects.toThrow(RangeError);
});
