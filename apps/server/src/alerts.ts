/** Where the server's alerts go: its log, a function of whoever embeds it, a webhook. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Alert, AlertDispatcher, type AlertSink, callbackSink, logSink, webhookSink } from "@esc/processors";
import type { Logger } from "pino";
import type { Config } from "./config/schema.ts";

const RETRY = { delayMs: 500, factor: 4, maxDelayMs: 30_000, jitter: 0.5 };

export function createAlerts(
  { level, queue_length: queueLength, webhook, timeout_ms: timeoutMs, attempts }: Config["alerts"],
  logger: Logger,
  onAlert: ((alert: Alert) => void | Promise<void>) | undefined,
): AlertDispatcher {
  const log = logSink({
    info: (line) => logger.info(`alert: ${line}`),
    warn: (line) => logger.warn(`alert: ${line}`),
    error: (line) => logger.error(`alert: ${line}`),
  });
  const sinks: AlertSink[] = [log];
  if (onAlert !== undefined) sinks.push(callbackSink(onAlert));
  if (webhook !== undefined) sinks.push(webhookSink(webhook));
  return new AlertDispatcher({
    ...{ sinks, level, queueLength, timeoutMs, random: Math.random },
    retry: { ...RETRY, attempts },
    // A sleep that is called off is over; it isn't a failure.
    sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined),
  });
}
