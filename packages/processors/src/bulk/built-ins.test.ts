import { LANE_NAMES, matchTopic } from "@esc/events";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type BuiltInDefinition, type BuiltInResult, defineBuiltIn, defineHandler, FIELD_TYPES } from "../index.ts";
import { LaneRig, type RigOptions } from "../lane/lane-rig.fixture.ts";

async function rig(options: RigOptions): Promise<LaneRig> {
  return await new LaneRig(options).start();
}

const field = fc.record({
  offset: fc.integer({ min: 0, max: 12 }),
  type: fc.constantFrom(...FIELD_TYPES),
  endian: fc.constantFrom("little" as const, "big" as const),
});
const common = {
  topics: fc.constantFrom("a", "a.*", ">", "b.>"),
  sample: fc.constantFrom(1, 1, 2, 3, 10),
};
const bounds = fc.uniqueArray(fc.integer({ min: -300, max: 70_000 }), { minLength: 1, maxLength: 32 });
const definition: fc.Arbitrary<Omit<BuiltInDefinition, "name">> = fc.oneof(
  fc.record({ ...common, kind: fc.constant("count" as const) }),
  fc.record({ ...common, kind: fc.constant("sum" as const), field }),
  fc.record({ ...common, kind: fc.constant("histogram" as const), field, bounds }).map((one) => ({
    ...one,
    bounds: [...one.bounds].sort((a, b) => a - b),
  })),
  fc.record({ ...common, kind: fc.constant("threshold" as const), field, above: fc.integer({ min: -9, max: 900 }) }),
);
const event = fc.record({
  topic: fc.constantFrom("a", "a.x", "b.c.d", `a.${"long".repeat(20)}`),
  payload: fc.uint8Array({ maxLength: 24 }),
});

/** What a built-in should come to, worked out event by event from the definition alone. */
function model(
  definition: BuiltInDefinition,
  events: readonly { topic: string; payload: Uint8Array }[],
): BuiltInResult {
  const { name, kind, topics, sample = 1, field: at, bounds: les = [], above = 0 } = definition;
  const matched = events.filter(({ topic }) => matchTopic(topics as string, topic));
  const sampled = matched.filter((_, n) => n % sample === 0);
  const values: number[] = [];
  let [tooShort, notFinite] = [0, 0];
  for (const { payload } of sampled) {
    if (at === undefined) continue;
    const { offset, type, endian } = at;
    const data = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const little = endian !== "big";
    const read = {
      ...{ u8: () => data.getUint8(offset), i8: () => data.getInt8(offset) },
      ...{ u16: () => data.getUint16(offset, little), i16: () => data.getInt16(offset, little) },
      ...{ u32: () => data.getUint32(offset, little), i32: () => data.getInt32(offset, little) },
      u64: () => Number(data.getBigUint64(offset, little)),
      i64: () => Number(data.getBigInt64(offset, little)),
      ...{ f32: () => data.getFloat32(offset, little), f64: () => data.getFloat64(offset, little) },
    };
    if (offset + Number(type.slice(1)) / 8 > payload.length) tooShort++;
    else if (Number.isFinite(read[type]())) values.push(read[type]());
    else notFinite++;
  }
  const bucket = (le: number | undefined, index: number) =>
    values.filter((v) => (le === undefined || v <= le) && (index === 0 || v > (les[index - 1] as number))).length;
  return {
    ...{ name, kind, matched: matched.length, tooShort, notFinite },
    counted: kind === "count" ? sampled.length : values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    min: [...values].sort((a, b) => a - b)[0],
    max: [...values].sort((a, b) => b - a)[0],
    over: kind === "threshold" ? values.filter((value) => value > above).length : 0,
    buckets: kind === "histogram" ? [...les, undefined].map((le, index) => ({ le, count: bucket(le, index) })) : [],
  };
}

test.each(LANE_NAMES)(
  "%s: built-ins come to what a plain model comes to, for any definitions and events",
  async (lane) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(definition, { minLength: 1, maxLength: 32 }),
        fc.array(fc.array(event, { minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 4 }),
        async (definitions, rounds) => {
          const builtIns = definitions.map((one, n) => defineBuiltIn({ ...one, name: `n${n}` }));
          await using rigged = await rig({ lane, handlers: builtIns });
          let sent = 0;
          for (const round of rounds) {
            rigged.putTombstone();
            rigged.send(...round);
            sent += round.length;
            await rigged.until(() => rigged.state.next === rigged.ring.publishedSequence);
          }
          expect(rigged.builtIns()).toEqual(builtIns.map((builtIn) => model(builtIn, rounds.flat())));
          expect(rigged.counter("processed")).toBe(sent);
        },
      ),
      { numRuns: 15 },
    );
  },
);

const u32 = (value: number) => Uint8Array.of(value, value >> 8, value >> 16, value >> 24);

test("a threshold's first alert comes at once, the next tells of all since, when its time has come", async () => {
  const builtIn = defineBuiltIn({
    ...{ name: "hot", topics: "t", kind: "threshold", above: 10, level: "CRITICAL", everyMs: 1_000 },
    field: { offset: 0, type: "u32" },
  });
  await using lane = await rig({ handlers: builtIn });
  lane.send(...[5, 11].map((value) => ({ payload: u32(value) })));
  await lane.until(() => lane.alerts.length === 1);
  lane.send(...[20, 30, 12, 10].map((value) => ({ payload: u32(value) })));
  await lane.until(() => lane.ended === 6);
  await lane.rest();
  expect(lane.alerts).toEqual(["CRITICAL hot: 1 values over 10, the greatest 11 (event 2)"]);
  lane.clockMs += 1_000;
  lane.wake();
  await lane.until(() => lane.alerts.length === 2);
  expect(lane.alerts[1]).toBe("CRITICAL hot: 3 values over 10, the greatest 30 (event 4)");
  expect(lane.builtIns()[0]).toMatchObject({ over: 4, counted: 6 });
});

test("a payload that ends within the field is counted as too short, whatever lies behind the record", async () => {
  const builtIn = defineBuiltIn({ name: "s", topics: ">", kind: "sum", field: { offset: 2, type: "u32" } });
  await using lane = await rig({ handlers: builtIn });
  lane.send({ payload: Uint8Array.of(0, 0, 1, 1, 1) }, { payload: "behind it" });
  await lane.until(() => lane.ended === 2);
  expect(lane.builtIns()[0]).toMatchObject({ matched: 2, counted: 1, tooShort: 1 });
});

test("what handlers do with an event, and the death of their thread, change no count", async () => {
  let hang = true;
  let hanging = false;
  const handlers = [
    defineBuiltIn({ name: "all", topics: ">", kind: "count" }),
    defineHandler({
      topics: ">",
      handle(event) {
        if (event.text() === "bad") throw new Error("bad");
        if (event.text() !== "hang" || !hang) return;
        hanging = true;
        return new Promise<void>(() => undefined);
      },
    }),
  ];
  await using lane = await rig({ handlers, retry: { attempts: 2, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 } });
  lane.send({ payload: "bad" }, { payload: "id", id: 1 }, { payload: "id", id: 1 }, { payload: "hang" }, {});
  await lane.until(() => hanging);
  await lane.die();
  hang = false;
  await lane.start("died");
  await lane.until(() => lane.ended === 5);
  expect(lane.builtIns()[0]).toMatchObject({ matched: 5, counted: 5 });
});

test.each([
  [{ kind: "sums" }, /`kind` must be one of count, sum, histogram, threshold/],
  [{ kind: "sum" }, /`field` must be a field, as/],
  [{ kind: "count", field: { offset: 0, type: "u8" } }, /`field` must be nothing/],
  [{ kind: "sum", field: { offset: -1, type: "u8" } }, /`field.offset` must be a whole number/],
  [{ kind: "sum", field: { offset: 0, type: "u128" } }, /`field.type` must be one of u8, i8/],
  [{ kind: "histogram", field: { offset: 0, type: "u8" }, bounds: [2, 1] }, /`bounds` must be 1 to 32 ascending/],
  [{ kind: "threshold", field: { offset: 0, type: "u8" } }, /`above` must be a number/],
  [{ kind: "count", every: 1 }, /there is no `every` of a built-in/],
  [{ kind: "count", sample: 0 }, /`sample` must be a whole number/],
])("a definition that can't be is refused where it is written: %o", (definition, message) => {
  const whole = { name: "n", topics: ">", ...definition } as unknown as BuiltInDefinition;
  expect(() => defineBuiltIn(whole)).toThrow(message);
});
