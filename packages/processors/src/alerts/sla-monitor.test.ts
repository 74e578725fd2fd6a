import fc from "fast-check";
import { expect, test } from "vitest";
import { SlaMonitor, type TopicSla } from "./sla-monitor.ts";

function rig(slaMs = 5) {
  const clock = { nowMs: 1_000, looks: 0 };
  const alerts: { breaches: number; worstMs: number; nowMs: number }[] = [];
  let breaches = 0;
  const monitor = new SlaMonitor({
    clock: () => {
      clock.looks++;
      return clock.nowMs;
    },
    onBreach: () => breaches++,
    onAlert: ({ breaches: count, worstMs }, nowMs) => alerts.push({ breaches: count, worstMs, nowMs }),
  });
  const topic: TopicSla = { topic: "t", slaMs, breaches: 0, worstMs: 0, alertedMs: Number.NEGATIVE_INFINITY };
  return { monitor, topic, clock, alerts, breaches: () => breaches };
}

test("while all is well the clock is looked at every 16th event, and at a flush", () => {
  const { monitor, topic, clock, breaches } = rig();
  for (let n = 0; n < 160; n++) monitor.handled(topic, 998);
  expect(clock.looks).toBe(10);
  monitor.handled(topic, 998);
  monitor.flush();
  monitor.flush();
  expect(clock.looks).toBe(11);
  expect(breaches()).toBe(0);
});

test("exactly the SLA is no breach, more is", () => {
  const { monitor, topic, breaches } = rig(5);
  monitor.handled(topic, 995);
  monitor.flush();
  expect(breaches()).toBe(0);
  monitor.handled(topic, 994);
  monitor.flush();
  expect(breaches()).toBe(1);
});

test("after a breach each event is judged by a look of its own", () => {
  const { monitor, topic, clock, breaches } = rig();
  monitor.handled(topic, 0);
  monitor.flush();
  const looks = clock.looks;
  for (let n = 0; n < 10; n++) monitor.handled(topic, 999);
  expect(clock.looks).toBe(looks + 10);
  expect(breaches()).toBe(1);
});

test("breaches are alerted once a second and topic, with their number and the worst since", () => {
  const { monitor, topic, clock, alerts } = rig();
  for (const took of [10, 30, 20]) {
    monitor.handled(topic, clock.nowMs - took);
    monitor.flush();
  }
  expect(alerts).toEqual([{ breaches: 1, worstMs: 10, nowMs: 1_000 }]);
  clock.nowMs = 2_000;
  monitor.handled(topic, clock.nowMs - 7);
  monitor.flush();
  expect(alerts.at(-1)).toEqual({ breaches: 3, worstMs: 30, nowMs: 2_000 });
});

test("for any times: no event that was in time at its look counts, every other does", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ took: fc.nat(12), step: fc.nat(2) }), { maxLength: 200 }), (events) => {
      const { monitor, topic, clock, breaches } = rig();
      let late = 0;
      let surely = 0;
      for (const { took, step } of events) {
        clock.nowMs += step;
        if (took > 5) late++;
        // A group is 16 events of at most 2 ms each: no look is later than that.
        if (took + 32 > 5) surely++;
        monitor.handled(topic, clock.nowMs - took);
      }
      monitor.flush();
      expect(breaches()).toBeGreaterThanOrEqual(late);
      expect(breaches()).toBeLessThanOrEqual(surely);
    }),
  );
});
