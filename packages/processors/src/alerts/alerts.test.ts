import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { NO_RETRY, type RetryPolicy } from "../retry/retry-policy.ts";
import type { Alert } from "./alert.ts";
import { AlertBudget } from "./alert-budget.ts";
import { AlertDispatcher, type AlertSink } from "./alert-dispatcher.ts";
import { callbackSink, logSink, webhookSink } from "./alert-sinks.ts";

const alert = (text: string, level: Alert["level"] = "WARNING"): Alert => ({
  level,
  text,
  source: "realtime",
  atMs: 1,
});
const RETRY: RetryPolicy = { attempts: 3, delayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0 };

/** A clock that stands still until it is moved. */
function stillClock() {
  const sleepers: { ms: number; wake: () => void }[] = [];
  const slept: number[] = [];
  return {
    slept,
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        slept.push(ms);
        if (signal.aborted) return resolve();
        sleepers.push({ ms, wake: resolve });
        signal.addEventListener("abort", () => resolve());
      }),
    /** Wakes those that sleep for so long. */
    async pass(ms: number) {
      for (const each of sleepers.splice(0)) if (each.ms <= ms) each.wake();
      await settled();
    },
  };
}

/** Lets promises that can go on go on. */
async function settled() {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function dispatcher(sinks: readonly AlertSink[], clock = stillClock(), retry = RETRY) {
  const alerts = new AlertDispatcher({
    ...{ sinks, level: "INFO", queueLength: 3, timeoutMs: 50, retry, random: () => 0, sleep: clock.sleep },
  });
  return { alerts, clock };
}

test("an alert goes to every sink, in the order they were raised", async () => {
  const seen: string[] = [];
  const sink = (name: string): AlertSink => ({ name, deliver: ({ text }) => void seen.push(`${name} ${text}`) });
  const { alerts } = dispatcher([sink("a"), sink("b")]);
  alerts.raise(alert("1"));
  alerts.raise(alert("2"));
  await settled();
  expect(seen.filter((line) => line.startsWith("a"))).toEqual(["a 1", "a 2"]);
  expect(seen.filter((line) => line.startsWith("b"))).toEqual(["b 1", "b 2"]);
  expect(alerts.counts()).toEqual({
    a: { delivered: 2, failed: 0, dropped: 0, waiting: 0 },
    b: { delivered: 2, failed: 0, dropped: 0, waiting: 0 },
  });
});

test("less urgent ones than configured go nowhere", async () => {
  const deliver = vi.fn();
  const alerts = new AlertDispatcher({
    ...{ sinks: [{ name: "a", deliver }], level: "CRITICAL", queueLength: 9, timeoutMs: 9, retry: NO_RETRY },
    ...{ random: Math.random, sleep: stillClock().sleep },
  });
  for (const level of ["INFO", "WARNING", "CRITICAL", "EMERGENCY"] as const) alerts.raise(alert(level, level));
  await settled();
  expect(deliver.mock.calls.map(([{ text }]) => text)).toEqual(["CRITICAL", "EMERGENCY"]);
});

test("a sink that hangs holds up no other; its queue is bounded, and what doesn't fit is counted", async () => {
  const seen: string[] = [];
  const hanging: AlertSink = { name: "hanging", deliver: () => new Promise(() => undefined) };
  const { alerts } = dispatcher([hanging, callbackSink(({ text }) => void seen.push(text))]);
  for (const text of ["1", "2", "3", "4", "5"]) {
    alerts.raise(alert(text));
    await settled();
  }
  expect(seen).toEqual(["1", "2", "3", "4", "5"]);
  expect(alerts.counts().hanging).toEqual({ delivered: 0, failed: 0, dropped: 2, waiting: 3 });
});

test("an attempt that takes too long is aborted and tried again after a wait, up to the last attempt", async () => {
  const signals: AbortSignal[] = [];
  const sink: AlertSink = {
    name: "slow",
    deliver: (_, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
  };
  const { alerts, clock } = dispatcher([sink]);
  alerts.raise(alert("1"));
  for (const ms of [50, 100, 50, 200, 50]) {
    await settled();
    expect(clock.slept.at(-1)).toBe(ms);
    await clock.pass(ms);
  }
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  expect(alerts.counts().slow).toEqual({ delivered: 0, failed: 1, dropped: 0, waiting: 0 });
});

test("a sink that throws or rejects is tried again, and the next alert waits for it", async () => {
  const seen: string[] = [];
  let calls = 0;
  const sink: AlertSink = {
    name: "flaky",
    deliver: ({ text }) => {
      calls++;
      if (calls === 1) throw new Error("thrown");
      if (calls === 2) return Promise.reject(new Error("rejected"));
      seen.push(text);
      return undefined;
    },
  };
  const { alerts, clock } = dispatcher([sink]);
  alerts.raise(alert("1"));
  alerts.raise(alert("2"));
  await settled();
  await clock.pass(100);
  await clock.pass(200);
  expect(seen).toEqual(["1", "2"]);
  expect(alerts.counts().flaky).toMatchObject({ delivered: 2, failed: 0 });
});

test("closing waits for what is under way, and counts what the time is too short for", async () => {
  const { alerts, clock } = dispatcher([{ name: "hanging", deliver: () => new Promise(() => undefined) }]);
  alerts.raise(alert("1"));
  alerts.raise(alert("2"));
  const closed = alerts.close(20);
  await clock.pass(20);
  await closed;
  alerts.raise(alert("3"));
  await settled();
  expect(alerts.counts().hanging).toEqual({ delivered: 0, failed: 0, dropped: 3, waiting: 0 });
});

test("the log's sink writes a line by level", async () => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const sink = logSink(logger);
  for (const level of ["INFO", "WARNING", "CRITICAL", "EMERGENCY"] as const) {
    await sink.deliver({ ...alert("text", level), topic: "a.b" }, new AbortController().signal);
  }
  expect(logger.info).toHaveBeenCalledWith("INFO realtime a.b: text");
  expect(logger.warn).toHaveBeenCalledTimes(1);
  expect(logger.error).toHaveBeenCalledTimes(2);
});

test("a webhook gets the alert as JSON; a status that isn't 2xx is a failure", async () => {
  const bodies: unknown[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push([request.method, request.headers["content-type"], JSON.parse(body)]);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sink = webhookSink(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
  const { signal } = new AbortController();
  await sink.deliver(alert("x"), signal);
  expect(bodies).toEqual([["POST", "application/json", alert("x")]]);
  for (status of [302, 500]) await expect(sink.deliver(alert("x"), signal)).rejects.toThrow(`answered ${status}`);
  await expect(sink.deliver(alert("x"), AbortSignal.abort())).rejects.toThrow();
  server.closeAllConnections();
  server.close();
});

test("a lane's budget allows a burst, and fills by the second up to it", () => {
  const budget = new AlertBudget({ burst: 3, perSecond: 2 }, 0);
  const takes = (nowMs: number) => [1, 2, 3, 4].filter(() => budget.take(nowMs)).length;
  expect(takes(0)).toBe(3);
  expect(takes(0)).toBe(0);
  expect(takes(500)).toBe(1);
  expect(takes(1_500)).toBe(2);
  expect(takes(1_000_000)).toBe(3);
});
