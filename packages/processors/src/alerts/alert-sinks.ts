/** Sinks for alerts: the log, a function, a webhook. */
import type { HandlerLogger } from "../handler.ts";
import type { Alert } from "./alert.ts";
import type { AlertSink } from "./alert-dispatcher.ts";

/** Writes alerts as lines of the log: INFO as info, WARNING as warn, the others as error. */
export function logSink(logger: HandlerLogger): AlertSink {
  const levels = { INFO: "info", WARNING: "warn", CRITICAL: "error", EMERGENCY: "error" } as const;
  return {
    name: "log",
    deliver: ({ level, source, topic, text }) =>
      logger[levels[level]](`${level} ${source}${topic === undefined ? "" : ` ${topic}`}: ${text}`),
  };
}

/** Calls a function, and waits for its promise. */
export function callbackSink(callback: (alert: Alert) => void | Promise<void>): AlertSink {
  return { name: "callback", deliver: (alert) => callback(alert) };
}

/** Posts an alert as JSON. A status other than 2xx is a failed attempt; redirects are not followed. */
export function webhookSink(url: string, post: typeof fetch = fetch): AlertSink {
  return {
    name: "webhook",
    async deliver(alert, signal) {
      const response = await post(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(alert),
        redirect: "manual",
        signal,
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    },
  };
}
