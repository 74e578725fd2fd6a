import { expect, test } from "vitest";
import { SlaMonitor, type TopicSla } from "./sla-monitor.ts";

function rig(slaMs = 5) {
  const clock = { nowMs: 1_000, looks: 0 };
  const alerts: { breaches: number; worstMs: number; nowMs: number }[] = [];
  let breaches = 0;
  const monitor = new SlaMonitor({
    leastMs: () => slaMs,
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

test("a group whose first event is in time costs one look at the clock and is no breach", () => {
  const { monitor, clock } = rig();
  expect([monitor.inTime(995), monitor.watching]).toEqual([true, false]);
  expect(clock.looks).toBe(1);
});

test("exactly the SLA is no breach, more is", () => {
  const { monitor, topic, breaches } = rig(5);
  monitor.handled(topic, 995);
  expect(breaches()).toBe(0);
  monitor.handled(topic, 994);
  expect(breaches()).toBe(1);
});

test("a group that may be late is judged one by one, by one look, each by its own topic", () => {
  const { monitor, topic, clock, breaches } = rig(5);
  const patient: TopicSla = { ...topic, slaMs: 50 };
  expect(monitor.inTime(980)).toBe(false);
  monitor.judged(patient, 980);
  monitor.judged(topic, 990);
  monitor.judged(topic, 998);
  expect([breaches(), clock.looks]).toEqual([1, 1]);
});

test("after that each event is looked at by itself, until 64 were in time", () => {
  const { monitor } = rig();
  monitor.inTime(0);
  for (let n = 0; n < 63; n++) monitor.inTime(999);
  expect(monitor.watching).toBe(true);
  monitor.inTime(999);
  expect(monitor.watching).toBe(false);
});

test("breaches are alerted once a second and topic, with their number and the worst since", () => {
  const { monitor, topic, clock, alerts } = rig();
  for (const took of [10, 30, 20]) monitor.handled(topic, clock.nowMs - took);
  expect(alerts).toEqual([{ breaches: 1, worstMs: 10, nowMs: 1_000 }]);
  clock.nowMs = 2_000;
  monitor.handled(topic, clock.nowMs - 7);
  expect(alerts.at(-1)).toEqual({ breaches: 3, worstMs: 30, nowMs: 2_000 });
});
