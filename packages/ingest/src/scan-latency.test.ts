import { encodeFrame, LANE_NAMES, type Priority } from "@esc/events";
import { Histogram, StageRecorder } from "@esc/metrics";
import { expect, test } from "vitest";
import { ScanStatus } from "./index.ts";
import { IngestRig, type RigOptions } from "./ingest-rig.fixture.ts";

const ROOM = { capacity: 4, readers: 1 };
const STAMPS = { realtime: ROOM, transactional: ROOM, batch: ROOM };

/** A rig whose scans stamp, and for each lane what a stage that has come to a position has recorded. */
function stamping(options: RigOptions = {}) {
  const rig = new IngestRig({ stamps: STAMPS, ...options });
  const lanes = LANE_NAMES.map((lane, index) => {
    const histogram = Histogram.create(rig.arena, `latency.${lane}`, { significantDigits: 2, maxThreads: 1 });
    const stamps = rig.stamps === undefined ? [] : [rig.stamps[lane]];
    const now = () => rig.clock.ms * 1e6;
    const recorder = new StageRecorder(rig.arena, { stamps, reader: 0, histogram: histogram.recorder(), now });
    return { histogram, reach: () => recorder.reach(rig.rings[LANE_NAMES[index] ?? lane].publishedPosition) };
  });
  const scan = (priorities: readonly Priority[], payloadBytes = 8) => {
    const frame = (priority: Priority) => encodeFrame({ topic: "a", payload: Buffer.alloc(payloadBytes), priority });
    const bytes = Buffer.concat(priorities.map(frame));
    rig.input.readView.set(bytes);
    return rig.tcp.scan(rig.input.readStart, rig.input.readStart + bytes.length, false);
  };
  const recorded = () => {
    for (const { reach } of lanes) reach();
    return lanes.map(({ histogram }) => histogram.snapshot().count);
  };
  return { rig, scan, recorded, lanes };
}

test("a scan stamps each lane that it put something into, with how many events and when it began", () => {
  const { rig, scan, recorded, lanes } = stamping();
  rig.clock.ms = 1_000;
  scan([2, 4, 2, 2]);
  rig.clock.ms = 1_003;
  scan([0, 2]);
  rig.clock.ms = 1_005;
  expect(recorded()).toEqual([1, 4, 1]);
  const transactional = lanes[1]?.histogram.snapshot();
  expect([transactional?.minNs, transactional?.maxNs, transactional?.sumNs]).toEqual([2e6, 5e6, 3 * 5e6 + 2e6]);
});

test("refused frames and events that a full lane drops are not stamped", () => {
  const { rig, scan, recorded } = stamping({ capacityBytes: 32_768 });
  expect(
    scan(
      Array.from({ length: 40 }, () => 0),
      1_000,
    ),
  ).toBe(ScanStatus.done);
  const taken = rig.take("batch").length;
  expect(taken).toBeLessThan(40);
  expect(recorded()).toEqual([0, 0, taken]);
});

test("a stamp that finds no room doesn't hold up the scan: its events come, and are counted as unmeasured", () => {
  const { rig, scan, recorded } = stamping();
  for (let i = 0; i < 6; i++) scan([2, 2, 2]);
  expect(rig.take("transactional")).toHaveLength(18);
  expect(recorded()).toEqual([0, 12, 0]);
  expect([rig.stamps?.transactional.droppedStamps, rig.stamps?.transactional.droppedEvents]).toEqual([2, 6]);
});
