import { Arena } from "@esc/arena";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram, StageRecorder, StampRing } from "./index.ts";

interface StageOptions {
  readonly writers?: number;
  readonly stages?: number;
  readonly capacity?: number;
}

/** Some writers' stamps and some stages that follow them, with a clock that the test holds. */
function pipeline({ writers = 1, stages = 1, capacity = 8 }: StageOptions = {}) {
  const arena = Arena.create({ bytes: 1 << 20 });
  const clock = { ns: 0 };
  const rings = Array.from({ length: writers }, (_, i) =>
    StampRing.create(arena, `stamps.${i}`, { capacity, readers: stages }),
  );
  const made = Array.from({ length: stages }, (_, reader) => {
    const histogram = Histogram.create(arena, `stage.${reader}`, { significantDigits: 2, maxThreads: 1 });
    const options = { stamps: rings, reader, histogram: histogram.recorder(), now: () => clock.ns };
    return { histogram, recorder: new StageRecorder(arena, options), options };
  });
  const [ring, other] = rings as [StampRing, StampRing];
  const [stage, second] = made as [(typeof made)[number], (typeof made)[number]];
  return { arena, clock, rings, ring, other, stages: made, stage, second };
}

test("a stage that has come to a position records the age of every group up to there, as often as it has events", () => {
  const { clock, ring, stage, second } = pipeline({ stages: 2 });
  ring.stamp(100, 10, 3);
  ring.stamp(200, 20, 5);
  ring.stamp(300, 30, 7);

  clock.ns = 50;
  stage.recorder.reach(200);
  clock.ns = 90;
  stage.recorder.reach(300);
  second.recorder.reach(300);

  const { count, sumNs, minNs, maxNs } = stage.histogram.snapshot();
  expect({ count, sumNs, minNs, maxNs }).toEqual({ count: 15, sumNs: 3 * 40 + 5 * 30 + 7 * 60, minNs: 30, maxNs: 60 });
  expect(second.histogram.snapshot().sumNs).toBe(3 * 80 + 5 * 70 + 7 * 60);
});

test("a group counts when all of it is done, and once only, however often its stage comes by", () => {
  const { ring, stage } = pipeline();
  ring.stamp(100, 0, 4);
  stage.recorder.reach(99);
  expect(stage.histogram.snapshot().count).toBe(0);
  for (const position of [100, 100, 150, 100]) stage.recorder.reach(position);
  expect(stage.histogram.snapshot().count).toBe(4);
});

test("a stamp that finds no room is counted with its events, and room is there once the slowest stage has passed", () => {
  const { ring, stage, second } = pipeline({ stages: 2, capacity: 4 });
  for (let i = 1; i <= 4; i++) ring.stamp(i, 0, 10);
  stage.recorder.reach(4);
  ring.stamp(5, 0, 100);
  ring.stamp(6, 0, 1_000);
  expect([ring.droppedStamps, ring.droppedEvents]).toEqual([2, 1_100]);

  second.recorder.reach(1);
  ring.stamp(7, 0, 5);
  stage.recorder.reach(7);
  second.recorder.reach(7);
  expect([ring.droppedStamps, ring.droppedEvents]).toEqual([2, 1_100]);
  expect([stage.histogram.snapshot().count, second.histogram.snapshot().count]).toEqual([45, 45]);
});

test("what was given up is passed without a record; a group that ends behind it counts whole", () => {
  const { clock, ring, stage } = pipeline();
  ring.stamp(100, 0, 1);
  ring.stamp(200, 0, 2);
  ring.stamp(300, 0, 4);
  clock.ns = 5;
  stage.recorder.skip(250);
  stage.recorder.reach(300);
  expect(stage.histogram.snapshot().count).toBe(4);
});

test("counting stamps modulo 2^32 goes on across its end, and so do positions beyond it", () => {
  const { arena, clock, ring, stage } = pipeline({ capacity: 4 });
  // As after 2^32 - 2 stamps, all of them passed: tail, what the writer saw, the one cursor.
  const words = new Uint32Array(arena.memory.buffer, ring.address, 80);
  for (const word of [128 / 4, 132 / 4, 256 / 4]) words[word] = 2 ** 32 - 2;
  const start = 2 ** 40;
  clock.ns = 1;
  for (let i = 1; i <= 4; i++) ring.stamp(start + i, 0, 1);
  ring.stamp(start + 5, 0, 1);
  expect(ring.droppedStamps).toBe(1);
  stage.recorder.reach(start + 3);
  expect(stage.histogram.snapshot().count).toBe(3);
  ring.stamp(start + 6, 0, 1);
  stage.recorder.reach(start + 6);
  expect(stage.histogram.snapshot().count).toBe(5);
});

test("a stage follows every writer, each at its own pace", () => {
  const { clock, ring, other, stage } = pipeline({ writers: 2 });
  ring.stamp(100, 1, 1);
  other.stamp(200, 2, 10);
  ring.stamp(300, 3, 100);
  clock.ns = 1_000;
  stage.recorder.reach(200);
  expect(stage.histogram.snapshot().count).toBe(11);
  stage.recorder.reach(300);
  expect(stage.histogram.snapshot().count).toBe(111);
});

test("a recorder that takes another's place goes on where that one was", () => {
  const { arena, ring, stage } = pipeline();
  ring.stamp(1, 0, 1);
  ring.stamp(2, 0, 1);
  stage.recorder.reach(1);
  new StageRecorder(arena, stage.options).reach(2);
  expect(stage.histogram.snapshot().count).toBe(2);
});

test("a reading of the clock that was taken before is taken for now; a clock a little behind gives an age of 0", () => {
  const { ring, stage } = pipeline();
  ring.stamp(1, 100, 1);
  ring.stamp(2, 500, 1);
  stage.recorder.reach(2, 350);
  const { minNs, maxNs } = stage.histogram.snapshot();
  expect([minNs, maxNs]).toEqual([0, 250]);
});

test("in any interleaving of stamps and looks every event is counted once, is still to come, or is a counted drop", () => {
  const WRITERS = 2;
  const STAGES = 3;
  const act = fc.oneof(
    fc.record({
      writer: fc.nat(WRITERS - 1),
      bytes: fc.integer({ min: 1, max: 9 }),
      events: fc.integer({ min: 1, max: 9 }),
    }),
    fc.record({ stage: fc.nat(STAGES - 1), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), fc.constantFrom(2, 4, 16), (acts, capacity) => {
      const { rings, stages } = pipeline({ writers: WRITERS, stages: STAGES, capacity });
      let published = 0;
      let stamped = 0;
      const dropped = () => rings.reduce((sum, ring) => sum + ring.droppedEvents, 0);
      // What a list of all groups would say, and how far each stage has come.
      const groups: { readonly end: number; readonly events: number }[] = [];
      const reached = stages.map(() => 0);
      for (const one of acts) {
        if ("writer" in one) {
          published += one.bytes;
          stamped += one.events;
          const before = dropped();
          rings[one.writer]?.stamp(published, 0, one.events);
          if (dropped() === before) groups.push({ end: published, events: one.events });
          else expect(dropped()).toBe(before + one.events);
        } else {
          const position = Math.floor(published * one.share);
          reached[one.stage] = Math.max(reached[one.stage] as number, position);
          stages[one.stage]?.recorder.reach(position);
        }
        for (const [i, { histogram }] of stages.entries()) {
          const due = groups.filter(({ end }) => end <= (reached[i] as number));
          expect(histogram.snapshot().count).toBe(due.reduce((sum, { events }) => sum + events, 0));
        }
      }
      for (const { recorder, histogram } of stages) {
        recorder.reach(published);
        expect(histogram.snapshot().count).toBe(stamped - dropped());
      }
    }),
    { numRuns: 150 },
  );
});

test("options out of range, a region that holds something else, a reader that isn't there: told by code", () => {
  const { arena, ring, stage } = pipeline();
  const code = (what: () => unknown) => {
    try {
      what();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "";
  };
  for (const capacity of [0, 1, 3, 2 ** 21, Number.NaN]) {
    expect(code(() => StampRing.create(arena, "x", { capacity, readers: 1 }))).toBe("ESC_STAMPS_OPTIONS");
  }
  for (const readers of [0, 17, 1.5]) {
    expect(code(() => StampRing.create(arena, "x", { capacity: 4, readers }))).toBe("ESC_STAMPS_OPTIONS");
  }
  expect(code(() => StampRing.attach(arena, "stage.0"))).toBe("ESC_STAMPS_NOT_READY");
  expect(code(() => StampRing.attach(arena, "nothing"))).toBe("ESC_ARENA_REGION_UNKNOWN");
  expect(code(() => new StageRecorder(arena, { ...stage.options, reader: 1 }))).toBe("ESC_STAMPS_OPTIONS");
  expect(StampRing.attach(arena, "stamps.0").address).toBe(ring.address);
});
