/**
 * Brings alerts to sinks. Each sink has a bounded queue of its own, so that one that is slow or away holds up neither the
 * others nor whoever alerts; what finds its queue full is dropped and counted. Time comes in as functions.
 */
import { type RetryPolicy, retryDelayMs } from "../retry/retry-policy.ts";
import { type Alert, type AlertLevel, isAtLeast } from "./alert.ts";

/** Where alerts go. */
export interface AlertSink {
  readonly name: string;
  /** Delivers one. A throw or a rejection is a failed attempt. @param signal aborted when the time is over. */
  deliver(alert: Alert, signal: AbortSignal): void | Promise<void>;
}

/** What became of one sink's alerts. */
export interface SinkCounts {
  readonly delivered: number;
  /** Of those given up after the last attempt, and of those that found the queue full. */
  readonly failed: number;
  readonly dropped: number;
  readonly waiting: number;
}

export interface AlertDispatcherOptions {
  readonly sinks: readonly AlertSink[];
  /** Less urgent ones go nowhere. */
  readonly level: AlertLevel;
  /** Alerts that wait for one sink at most. */
  readonly queueLength: number;
  /** An attempt that takes longer has failed, ms. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly random: () => number;
  /** Resolves after a time, or at once when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class AlertDispatcher {
  readonly #options: AlertDispatcherOptions;
  readonly #queues: readonly SinkQueue[];

  constructor(options: AlertDispatcherOptions) {
    this.#options = options;
    this.#queues = options.sinks.map((sink) => new SinkQueue(sink, options));
  }

  /** Takes an alert; never waits, never throws. */
  raise(alert: Alert): void {
    if (!isAtLeast(alert.level, this.#options.level)) return;
    for (const queue of this.#queues) queue.push(alert);
  }

  /** By sink. */
  counts(): Readonly<Record<string, SinkCounts>> {
    return Object.fromEntries(this.#queues.map((queue) => [queue.name, queue.counts()]));
  }

  /** Waits until all queues are empty, or the time is over; what is left then is counted as dropped. */
  async close(graceMs: number): Promise<void> {
    const over = new AbortController();
    const late = this.#options.sleep(graceMs, over.signal);
    await Promise.race([Promise.all(this.#queues.map((queue) => queue.idle)), late]);
    over.abort();
    for (const queue of this.#queues) queue.stop();
  }
}

class SinkQueue {
  readonly #sink: AlertSink;
  readonly #options: AlertDispatcherOptions;
  readonly #waiting: Alert[] = [];
  readonly #stopped = new AbortController();
  #pump: Promise<void> | undefined;
  #delivered = 0;
  #failed = 0;
  #dropped = 0;

  constructor(sink: AlertSink, options: AlertDispatcherOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get name(): string {
    return this.#sink.name;
  }

  /** Resolves once nothing waits. */
  get idle(): Promise<void> {
    return this.#pump ?? Promise.resolve();
  }

  counts(): SinkCounts {
    return { delivered: this.#delivered, failed: this.#failed, dropped: this.#dropped, waiting: this.#waiting.length };
  }

  push(alert: Alert): void {
    if (this.#stopped.signal.aborted || this.#waiting.length >= this.#options.queueLength) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(alert);
    this.#pump ??= this.#run();
  }

  stop(): void {
    this.#stopped.abort();
    this.#dropped += this.#waiting.length;
    this.#waiting.length = 0;
  }

  async #run(): Promise<void> {
    for (let alert = this.#waiting[0]; alert !== undefined; alert = this.#waiting[0]) {
      const delivered = await this.#deliver(alert);
      // Stopped meanwhile: it was counted with those that waited.
      if (this.#waiting[0] !== alert) break;
      this.#waiting.shift();
      if (delivered) this.#delivered++;
      else this.#failed++;
    }
    this.#pump = undefined;
  }

  async #deliver(alert: Alert): Promise<boolean> {
    const { retry, random, sleep } = this.#options;
    for (let attempt = 1; ; attempt++) {
      if (await this.#attempt(alert)) return true;
      if (attempt >= retry.attempts || this.#stopped.signal.aborted) return false;
      await sleep(retryDelayMs(retry, attempt, random), this.#stopped.signal);
    }
  }

  async #attempt(alert: Alert): Promise<boolean> {
    const over = new AbortController();
    const settled = new AbortController();
    // Asynchronous from the first step: a sink that throws at once is no different from one that rejects.
    const delivery = (async () => {
      await this.#sink.deliver(alert, AbortSignal.any([over.signal, this.#stopped.signal]));
      return true;
    })();
    delivery.catch(() => undefined);
    const late = this.#options
      .sleep(this.#options.timeoutMs, AbortSignal.any([settled.signal, this.#stopped.signal]))
      .then(() => false);
    try {
      return await Promise.race([delivery, late]);
    } catch {
      return false;
    } finally {
      over.abort();
      settled.abort();
    }
  }
}
