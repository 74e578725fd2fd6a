import { threadId } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { Histogram, StageRecorder, StampRing } from "@esc/metrics";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SharedStage } from "./shared-stage.ts";

const GROUP = 100;

function rig(shards: number) {
  const arena = Arena.create({ bytes: 1 << 20 });
  const stamps = StampRing.create(arena, "stamps", { capacity: 64, readers: 1 });
  const histogram = Histogram.create(arena, "histogram", { significantDigits: 2, maxThreads: 2 });
  const recorder = new StageRecorder(arena, {
    ...{ stamps: [stamps], reader: 0, histogram: histogram.recorder(), now: () => 10 },
  });
  const stage = SharedStage.ensure(arena, "stage", shards);
  return { arena, stamps, recorder, stage, count: () => histogram.snapshot().count };
}

test("a group counts once, when the last of the shards has passed it", () => {
  const { count, recorder, stage, stamps } = rig(3);
  stamps.stamp(GROUP, 0, 7);
  stage.reach(0, GROUP, recorder);
  stage.reach(1, GROUP, recorder);
  stage.reach(2, GROUP - 1, recorder);
  expect(count()).toBe(0);
  stage.reach(2, GROUP, recorder);
  expect(count()).toBe(7);
  for (const shard of [0, 1, 2]) stage.reach(shard, GROUP, recorder);
  expect(count()).toBe(7);
});

test("in any order of shards each group counts once; one that a shard gave up counts in none", () => {
  const step = fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 300 }), fc.boolean());
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), fc.array(step, { maxLength: 60 }), (shards, steps) => {
      const { count, recorder, stage, stamps } = rig(shards);
      const groups = 30;
      for (let n = 1; n <= groups; n++) stamps.stamp(n * GROUP, 0, n);
      const at = Array.from({ length: shards }, () => 0);
      let recorded = 0;
      let given = 0;
      let total = 0;
      for (const [any, by, gaveUp] of steps) {
        const shard = any % shards;
        const position = Math.min(groups * GROUP, (at[shard] as number) + by);
        at[shard] = position;
        if (gaveUp) {
          given = Math.max(given, position);
          stage.skip(shard, position, recorder);
        } else {
          stage.reach(shard, position, recorder);
        }
        const last = Math.min(...at);
        for (let n = 1; n <= groups; n++) {
          if (n * GROUP <= recorded || n * GROUP > last) continue;
          if (n * GROUP > Math.min(last, given)) total += n;
        }
        recorded = Math.max(recorded, last);
        expect(count()).toBe(total);
      }
    }),
    { numRuns: 200 },
  );
});

test("while another thread records, it is left to that one; when that one has died, the next goes on", () => {
  const { arena, count, recorder, stage, stamps } = rig(2);
  stamps.stamp(GROUP, 0, 1);
  const other = threadId + 1_000;
  // Field 0: who records now.
  new Int32Array(arena.memory.buffer, regionAddress(arena.region("stage")), 1)[0] = other + 1;
  stage.reach(0, GROUP, recorder);
  stage.reach(1, GROUP, recorder);
  expect(count()).toBe(0);
  stage.release(other + 1);
  stage.reach(1, GROUP, recorder);
  expect(count()).toBe(0);
  stage.release(other);
  stage.reach(1, GROUP, recorder);
  expect(count()).toBe(1);
});
