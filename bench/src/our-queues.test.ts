import { expect, test } from "vitest";
import { OUR_CASES, type OurCase, runOurs } from "./our-queues.ts";
import { available } from "./queue-peers.ts";

const options = { runs: 1, seconds: 0.01 };

test("a variant's figures bear the case's name and say what is different", async () => {
  const [result, ...others] = await runOurs("spsc-one-thread-pairs/releaseEvery", options);
  expect(others).toEqual([]);
  expect(result).toMatchObject({ peer: "ours, releaseEvery 256", case: "spsc-one-thread-pairs", unit: "items/s" });
});

test.each<OurCase>(["spsc-64B-batch-64", "mpsc-2p-8B-batch-64", "mpsc-2p-8B-per-item/mpmc", "pool-64-held"])(
  "%s hands over what was sent, and says how fast",
  async (key) => {
    const [result] = await runOurs(key, options);
    expect(result?.runs).toHaveLength(1);
    expect(result?.median).toBeGreaterThan(0);
  },
);

test("a round trip comes back as three quantiles", async () => {
  expect((await runOurs("roundtrip", options)).map(({ quantile }) => quantile)).toEqual(["p50", "p99", "p99.9"]);
});

test("a key that the driver doesn't know is no figure", async () => {
  await expect(runOurs("no such case" as OurCase, options)).rejects.toThrow(/something else than figures/);
});

test("there is a plain way of ours for every case that a peer has", () => {
  const ours = new Set<string>(OUR_CASES);
  const theirs = available().flatMap(({ cases }) => cases);
  expect([...new Set(theirs)].filter((name) => !ours.has(name))).toEqual([]);
});
