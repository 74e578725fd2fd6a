/**
 * Watches how long events take from their reception until their handlers are done.
 *
 * Looking at the clock costs as much as handling a small event. So while all is well it is looked at once for a group of
 * events, by {@link SlaMonitor.inTime} for the first of them: if that one is in time now, so were all of them when they
 * were done. Once one may not have been, they are judged one by one by the time of that look, and from then on each event
 * has a look of its own, until enough were in time again.
 *
 * Breaches are counted one by one, and alerted once a second and topic: with the number, and the worst.
 */

/** What a topic may take, and how it does. */
export interface TopicSla {
  readonly topic: string;
  /** Milliseconds from reception to the end of handling. */
  readonly slaMs: number;
  /** Since the last alert. */
  breaches: number;
  worstMs: number;
  /** The clock's time of the last alert. */
  alertedMs: number;
}

export interface SlaMonitorOptions {
  /** The shortest service level of all topics. */
  readonly leastMs: () => number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly onBreach: (topic: TopicSla) => void;
  /** Once a second and topic. */
  readonly onAlert: (topic: TopicSla, nowMs: number) => void;
}

/** Looks in time before events are judged by groups again. */
const CALM = 64;
const ALERT_MS = 1_000;

export class SlaMonitor {
  readonly #options: SlaMonitorOptions;
  #nowMs = 0;
  #watching = 0;

  constructor(options: SlaMonitorOptions) {
    this.#options = options;
  }

  /** Whether each event should be a group of its own. */
  get watching(): boolean {
    return this.#watching > 0;
  }

  /**
   * Whether events that were handled just now were in time, whatever their topics; else each is to be told by
   * {@link judged}. @param receivedMs of the first of them, since the epoch.
   */
  inTime(receivedMs: number): boolean {
    this.#nowMs = this.#options.clock();
    if (this.#nowMs - receivedMs <= this.#options.leastMs()) {
      if (this.#watching > 0) this.#watching--;
      return true;
    }
    this.#watching = CALM;
    return false;
  }

  /** One of the group of {@link inTime}, judged by the time of that look. */
  judged(topic: TopicSla, receivedMs: number): void {
    this.#judge(topic, receivedMs);
  }

  /** An event that was handled by itself. */
  handled(topic: TopicSla, receivedMs: number): void {
    this.#nowMs = this.#options.clock();
    this.#judge(topic, receivedMs);
  }

  #judge(topic: TopicSla, receivedMs: number): void {
    const tookMs = this.#nowMs - receivedMs;
    if (tookMs <= topic.slaMs) return;
    topic.breaches++;
    if (tookMs > topic.worstMs) topic.worstMs = tookMs;
    this.#options.onBreach(topic);
    if (this.#nowMs - topic.alertedMs < ALERT_MS) return;
    this.#options.onAlert(topic, this.#nowMs);
    topic.breaches = 0;
    topic.worstMs = 0;
    topic.alertedMs = this.#nowMs;
  }
}
