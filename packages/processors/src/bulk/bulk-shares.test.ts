import type { ShareBy } from "@esc/queues";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchError, defineBatchHandler, defineBuiltIn, defineHandler, type EventBatch } from "../index.ts";
import { LaneRig } from "../lane/lane-rig.fixture.ts";

const RETRY = { attempts: 2, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 };
const never = () => new Promise<void>(() => undefined);
const texts = (batch: EventBatch) => Array.from({ length: batch.size }, (_, i) => batch.view(i).text());

const put = fc.record({
  topic: fc.oneof(
    fc.constantFrom("single", "nobody.cares", `long.${"x".repeat(60)}`),
    fc.integer({ min: 0, max: 30 }).map((n) => `topic.${n}`),
  ),
  payload: fc.oneof(
    { weight: 20, arbitrary: fc.string({ maxLength: 60 }) },
    { weight: 1, arbitrary: fc.constant("bad") },
  ),
  metadata: fc.option(fc.constant({ key: "value" }), { nil: undefined, freq: 9 }),
  tombstone: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

test.each<ShareBy>(["hash", "sequence"])(
  "shares by %s: over all of them each event is in one batch, looked at once by built-ins and counted once; a topic's are in order",
  async (by) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(put, { minLength: 1, maxLength: 300 }), { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 64 }),
        async (rounds, shares, maxEvents) => {
          const handled: string[] = [];
          let [processed, deadLettered, looked, firsts] = [0, 0, 0, 0];
          for (let share = 0; share < shares; share++) {
            const last = new Map<string, number>();
            const take = (sequence: number, topic: string, text: string) => {
              handled.push(`${sequence} ${topic} ${text}`);
              expect(sequence).toBeGreaterThan(last.get(topic) ?? 0);
              last.set(topic, sequence);
            };
            const handlers = [
              defineBatchHandler({
                topics: ["topic.*", "long.*"],
                maxEvents,
                handle(batch) {
                  for (let i = 0; i < batch.size; i++) {
                    const view = batch.view(i);
                    if (view.text() === "bad") throw new BatchError(i, "bad");
                    take(view.sequence, batch.topic(batch.topics[i] as number), view.text());
                  }
                },
              }),
              defineHandler({ topics: "single", handle: (event) => take(event.sequence, event.topic, event.text()) }),
              defineBuiltIn({ name: "all", topics: ">", kind: "sum", field: { offset: 0, type: "u8" } }),
            ];
            const options = { lane: "batch", handlers, retry: RETRY, share: { by, shares, share } } as const;
            await using lane = await new LaneRig(options).start();
            for (const round of rounds) {
              for (const { tombstone, metadata, ...event } of round) {
                if (tombstone) lane.putTombstone();
                lane.put({ ...event, ...(metadata && { metadata }) });
              }
              lane.store();
              await lane.until(() => lane.state.next === lane.ring.publishedSequence);
            }
            await lane.end("drain");
            expect(lane.state.next).toBe(lane.ring.publishedSequence);
            processed += lane.counter("processed");
            deadLettered += lane.counter("deadLettered");
            const [all] = lane.builtIns();
            looked += all?.matched ?? 0;
            firsts += all?.sum ?? 0;
          }
          let sequence = 0;
          const expected: string[] = [];
          const events = rounds.flat();
          let bad = 0;
          for (const { tombstone, topic, payload } of events) {
            sequence += tombstone ? 2 : 1;
            if (topic === "nobody.cares") continue;
            if (payload === "bad" && topic !== "single") bad++;
            else expected.push(`${sequence} ${topic} ${payload}`);
          }
          expect(handled.sort()).toEqual(expected.sort());
          expect([processed, deadLettered, looked]).toEqual([events.length - bad, bad, events.length]);
          expect(firsts).toBe(events.reduce((sum, { payload }) => sum + (Buffer.from(payload)[0] ?? 0), 0));
        },
      ),
      { numRuns: 8 },
    );
  },
);

test("a batch of a share that kills its thread: its own events go alone from then on, others' are passed over, and none is done twice", async () => {
  const batches: string[][] = [];
  const handlers = defineBatchHandler({
    topics: ">",
    handle(batch) {
      batches.push(texts(batch));
      return texts(batch).includes("bad") ? never() : undefined;
    },
  });
  const share = { by: "sequence", shares: 2, share: 0 } as const;
  await using lane = await new LaneRig({ handlers, retry: RETRY, share }).start();
  const payloads = ["1", "2", "3", "bad", "5", "6", "7", "8", "9"];
  lane.send(...payloads.map((payload) => ({ payload })));
  for (let deaths = 1; deaths <= 3; deaths++) {
    await lane.until(() => batches.filter((batch) => batch.includes("bad")).length === deaths);
    await lane.die();
    await lane.start(`death ${deaths}`);
  }
  await lane.until(() => lane.ended === 4);
  lane.send(...["10", "11", "12"].map((payload) => ({ payload })));
  await lane.until(() => lane.ended === 6);
  expect(batches).toEqual([["2", "bad", "6", "8"], ["2"], ["bad"], ["bad"], ["6"], ["8"], ["10", "12"]]);
  expect(lane.deadLetters()).toEqual([expect.objectContaining({ payload: "bad", reason: "worker_died", sequence: 4 })]);
  expect([lane.counter("processed"), lane.state.next]).toEqual([5, 13]);
});

test("built-ins of a share look at its own events alone, also where no handler is, and again not after its thread's death", async () => {
  const handlers = [defineBuiltIn({ name: "n", topics: ">", kind: "count" })];
  const share = { by: "sequence", shares: 3, share: 1 } as const;
  await using lane = await new LaneRig({ lane: "batch", handlers, share }).start();
  lane.send(...Array.from({ length: 10 }, () => ({})));
  await lane.until(() => lane.ended === 4);
  await lane.die();
  await lane.start("died");
  lane.send(...Array.from({ length: 5 }, () => ({})));
  await lane.until(() => lane.ended === 5);
  expect(lane.builtIns()[0]).toMatchObject({ matched: 5, counted: 5 });
  expect(lane.state.next).toBe(16);
});
