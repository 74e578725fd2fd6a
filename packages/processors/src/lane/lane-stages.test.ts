import { expect, test } from "vitest";
import { LaneRig } from "./lane-rig.fixture.ts";

const some = (count: number) => Array.from({ length: count }, (_, i) => ({ payload: String(i) }));

test("a lane without handlers tells where it has come to, once for a run", async () => {
  await using lane = await new LaneRig({ handlers: [] }).start();
  lane.send(...some(100));
  await lane.until(() => lane.ended === 100);
  expect(lane.told).toEqual([["counted", lane.ring.publishedPosition]]);
});

test("events are taken before their handlers are called, and handled once those have returned", async () => {
  let called = 0;
  const seen: (readonly [what: string, position: number, called: number])[] = [];
  await using lane = await new LaneRig({ handlers: { topics: ">", handle: () => void called++ } }).start();
  const push = lane.told.push.bind(lane.told);
  lane.told.push = (...all) => {
    for (const [what, position] of all) seen.push([what, position, called]);
    return push(...all);
  };
  lane.send(...some(100));
  await lane.until(() => called === 100 && seen.at(-1)?.[2] === 100);
  const end = lane.ring.publishedPosition;
  // Told whenever bytes are given back, after 64, and at the run's end.
  expect(seen).toEqual([
    ["taken", end, 0],
    ["handled", (end / 100) * 64, 64],
    ["handled", end, 100],
  ]);
});

test("a handler that must be waited for is not handled before", async () => {
  const gate = Promise.withResolvers<void>();
  // Not known to return a promise until it does: waited for in place.
  const handle = () => gate.promise;
  await using lane = await new LaneRig({ handlers: { topics: ">", handle } }).start();
  lane.send(...some(1));
  await lane.until(() => lane.told.length > 0);
  await lane.rest();
  const end = lane.ring.publishedPosition;
  expect(lane.told).toEqual([["taken", end]]);
  gate.resolve();
  await lane.until(() => lane.told.length > 1);
  expect(lane.told).toEqual([
    ["taken", end],
    ["handled", end],
  ]);
});

test("what a realtime lane gives up is skipped, not handled", async () => {
  await using lane = await new LaneRig({
    lane: "realtime",
    handlers: { topics: ">", handle: () => undefined },
  }).start();
  const high = some(10).map((put) => ({ ...put, priority: "HIGH" as const }));
  lane.put(...high);
  const given = lane.ring.publishedPosition;
  lane.put(...high);
  lane.ring.askToSkip(given);
  await lane.until(() => lane.ended === 20);
  const end = lane.ring.publishedPosition;
  expect(lane.told).toEqual([
    ["skipped", given],
    ["taken", end],
    ["handled", end],
  ]);
  expect([lane.counter("deadLettered"), lane.counter("processed")]).toEqual([10, 10]);
});
