import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FrameSpec, PrebuiltFrames } from "../send/frame-batches.ts";
import type { Sender } from "../send/sender.ts";
import { Flood, type LoadPlan, Schedule } from "./load-plan.ts";
import { sendByPlan } from "./send-by-plan.ts";

const SPEC: FrameSpec = { topic: "a", priority: "mix", sizeBytes: 0, ack: false, crc: false, id: false };
const FRAME_BYTES = 8;
const START_MS = 1_000;

/** A clock that stands still but for what is waited for, and a sender that takes as long as it is told to. */
class Stage {
  nowMs = START_MS;
  /** When each batch was begun, and how many events it had. */
  readonly batches: { readonly atMs: number; readonly events: number }[] = [];
  readonly latenciesMs: number[] = [];
  readonly #writeMs: (batch: number) => number;

  constructor(writeMs: (batch: number) => number = () => 0) {
    this.#writeMs = writeMs;
  }

  async run(plan: LoadPlan, mostFrames: number, signal = new AbortController().signal): Promise<number> {
    const write = async (bytes: Uint8Array, events: number) => {
      expect(bytes).toHaveLength(events * FRAME_BYTES);
      this.batches.push({ atMs: this.nowMs, events });
      this.nowMs += this.#writeMs(this.batches.length - 1);
    };
    return await sendByPlan({
      plan,
      frames: new PrebuiltFrames(SPEC, mostFrames),
      sender: { write } as Partial<Sender> as Sender,
      clock: {
        nowMs: () => this.nowMs,
        until: async (ms) => {
          this.nowMs = Math.max(this.nowMs, ms);
        },
      },
      recordSent: (ns, count) => {
        for (let i = 0; i < count; i++) this.latenciesMs.push(ns / 1e6);
      },
      onSent: () => undefined,
      signal,
    });
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

describe("at a rate", () => {
  const schedule = fc.record({
    rate: fc.integer({ min: 1, max: 5_000 }),
    durationSeconds: fc.constantFrom(0.1, 0.25, 0.333, 0.5, 1),
    connections: fc.integer({ min: 1, max: 5 }),
    leastFrames: fc.integer({ min: 1, max: 4 }),
    mostFrames: fc.integer({ min: 4, max: 100 }),
  });

  test("exactly rate × duration events are sent, none before it is due, however long writes take", async () => {
    await fc.assert(
      fc.asyncProperty(schedule, fc.array(fc.integer({ min: 0, max: 50 })), async (options, stalls) => {
        let events = 0;
        for (let connection = 0; connection < options.connections; connection++) {
          const plan = new Schedule({ ...options, startMs: START_MS, connection });
          const stage = new Stage((batch) => stalls[batch] ?? 0);
          const sent = await stage.run(plan, options.mostFrames);
          expect(sent).toBe(plan.events);
          expect(stage.latenciesMs).toHaveLength(sent);
          let first = 0;
          for (const { atMs, events: many } of stage.batches) {
            expect(many).toBeLessThanOrEqual(options.mostFrames);
            expect(atMs).toBeGreaterThanOrEqual(plan.dueMs(first + many - 1));
            first += many;
            if (first < sent) expect(many).toBeGreaterThanOrEqual(options.leastFrames);
          }
          events += sent;
        }
        expect(events).toBe(Math.round(options.rate * options.durationSeconds));
      }),
      { numRuns: 60 },
    );
  });

  test("what a stall held up is sent at once, and its latency counts from when it was due", async () => {
    const options = { rate: 1_000, durationSeconds: 1, startMs: START_MS, connections: 1, connection: 0 };
    const plan = new Schedule({ ...options, leastFrames: 1, mostFrames: 1_000 });
    // The write of event 100 takes 400 ms; all others none.
    const stage = new Stage((batch) => (batch === 100 ? 400 : 0));

    await stage.run(plan, 1_000);

    expect(stage.batches[101]?.events).toBe(400);
    // Event 100 took 400 ms; 101 was due 399 ms ago, …, 500 just now.
    const late = stage.latenciesMs.filter((ms) => ms > 0.5).map(Math.round);
    expect(late).toEqual(Array.from({ length: 400 }, (_, i) => 400 - i));
    expect(sum(stage.latenciesMs)).toBeCloseTo((400 * 401) / 2, 3);
  });

  test("connections have the events in turn: together they are as regular as one", () => {
    const options = {
      rate: 100,
      durationSeconds: 1,
      startMs: START_MS,
      leastFrames: 1,
      mostFrames: 10,
      connections: 3,
    };
    const plans = [0, 1, 2].map((connection) => new Schedule({ ...options, connection }));
    expect(plans.map(({ events }) => events)).toEqual([34, 33, 33]);
    const due = plans.flatMap((plan) => Array.from({ length: plan.events }, (_, event) => plan.dueMs(event)));
    for (const [k, ms] of due.toSorted((a, b) => a - b).entries()) expect(ms).toBeCloseTo(START_MS + k * 10, 6);
  });

  test("a datagram waits until its last event is due", async () => {
    const options = { rate: 100, durationSeconds: 0.25, startMs: START_MS, connections: 1, connection: 0 };
    const stage = new Stage();

    await stage.run(new Schedule({ ...options, leastFrames: 10, mostFrames: 10 }), 10);

    expect(stage.batches.map(({ events }) => events)).toEqual([10, 10, 5]);
    expect(stage.batches.map(({ atMs }) => atMs - START_MS)).toEqual([90, 190, 240]);
  });

  test("an ended run stops between two batches", async () => {
    const options = { rate: 10, durationSeconds: 100, startMs: START_MS, connections: 1, connection: 0 };
    const interruption = new AbortController();
    const stage = new Stage((batch) => {
      if (batch === 2) interruption.abort();
      return 0;
    });

    expect(await stage.run(new Schedule({ ...options, leastFrames: 1, mostFrames: 1 }), 1, interruption.signal)).toBe(
      3,
    );
  });
});

describe("at full speed", () => {
  test("whole batches go out until the time is over, each measured from its turn", async () => {
    const stage = new Stage(() => 3);
    const plan = new Flood({ startMs: START_MS, durationSeconds: 0.03, mostFrames: 5, window: 20 });

    expect(await stage.run(plan, 5)).toBe(50);

    expect(stage.latenciesMs).toEqual(Array.from({ length: 50 }, () => 3));
  });

  test("an acknowledgement's latency counts from its batch's turn, as long as that may be unanswered", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }),
        (mostFrames, window, answers) => {
          const plan = new Flood({
            startMs: 0,
            durationSeconds: 1_000,
            mostFrames,
            window: Math.max(window, mostFrames),
          });
          const turnMs: number[] = [];
          let sent = 0;
          let answered = 0;
          let now = 0;
          const send = () => {
            plan.take(now, sent);
            for (let i = 0; i < mostFrames; i++) turnMs.push(now);
            sent += mostFrames;
            now++;
          };
          for (const count of answers) {
            // As the sender: a batch has its turn first, then waits until the window has room for it.
            while (sent - answered <= Math.max(window, mostFrames)) send();
            const end = Math.min(sent, answered + count);
            const latencies: number[] = [];
            plan.latencies(now, answered, end, (ns, many) => {
              for (let i = 0; i < many; i++) latencies.push(ns / 1e6);
            });
            expect(latencies).toEqual(turnMs.slice(answered, end).map((ms) => now - ms));
            answered = end;
          }
        },
      ),
    );
  });
});
