/**
 * Watches how long events take from their reception until their handlers are done.
 *
 * Looking at the clock costs as much as handling a small event. So while all is well it is looked at after every 16th
 * event only: if even the oldest of them is within its SLA then, so was each when it was done. Once one may not have been,
 * the clock is looked at after each event, until enough were in time again. The events that cause the change are judged
 * by the time of the look, up to 16 events late.
 *
 * Breaches are counted one by one, and alerted once a second and topic: with the number, and the worst.
 */

/** What a topic may take, and how it does. */
export interface TopicSla {
  readonly topic: string;
  /** Milliseconds from reception to the end of handling. */
  readonly slaMs: number;
  breaches: number;
  worstMs: number;
  /** The clock's time of the last alert. */
  alertedMs: number;
}

export interface SlaMonitorOptions {
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly onBreach: (topic: TopicSla) => void;
  /** Once a second and topic. The counts in it are since the last one. */
  readonly onAlert: (topic: TopicSla, nowMs: number) => void;
}

const GROUP = 16;
/** Looks in time before the clock is looked at less often again. */
const CALM = 64;
const ALERT_MS = 1_000;

export class SlaMonitor {
  readonly #options: SlaMonitorOptions;
  readonly #times = new Float64Array(GROUP);
  readonly #topics: TopicSla[] = [];
  #waiting = 0;
  #close = 0;

  constructor(options: SlaMonitorOptions) {
    this.#options = options;
  }

  /** An event was handled. @param receivedMs since the epoch. */
  handled(topic: TopicSla, receivedMs: number): void {
    this.#times[this.#waiting] = receivedMs;
    this.#topics[this.#waiting] = topic;
    if (++this.#waiting === GROUP || this.#close > 0) this.flush();
  }

  /** Judges what was handled since the last look at the clock: before a sleep, and at a run's end. */
  flush(): void {
    if (this.#waiting === 0) return;
    const nowMs = this.#options.clock();
    let late = false;
    for (let i = 0; i < this.#waiting; i++) {
      const topic = this.#topics[i] as TopicSla;
      if (this.#judge(topic, nowMs - (this.#times[i] as number), nowMs)) late = true;
    }
    this.#waiting = 0;
    if (late) this.#close = CALM;
    else if (this.#close > 0) this.#close--;
  }

  #judge(topic: TopicSla, tookMs: number, nowMs: number): boolean {
    if (tookMs <= topic.slaMs) return false;
    topic.breaches++;
    if (tookMs > topic.worstMs) topic.worstMs = tookMs;
    this.#options.onBreach(topic);
    if (nowMs - topic.alertedMs < ALERT_MS) return true;
    this.#options.onAlert(topic, nowMs);
    topic.breaches = 0;
    topic.worstMs = 0;
    topic.alertedMs = nowMs;
    return true;
  }
}
