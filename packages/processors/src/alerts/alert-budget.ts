/**
 * How many alerts a lane may raise: a bucket that fills by the second. A handler that alerts on every event of a flood
 * would otherwise fill the memory of whoever has to read them.
 */
export interface AlertBudgetOptions {
  /** Alerts at once. */
  readonly burst: number;
  /** Alerts a second in the long run. */
  readonly perSecond: number;
}

export class AlertBudget {
  readonly #options: AlertBudgetOptions;
  #left: number;
  #at: number;

  /** @param nowMs milliseconds from any start, never going back; as in {@link take}. */
  constructor(options: AlertBudgetOptions, nowMs: number) {
    this.#options = options;
    this.#left = options.burst;
    this.#at = nowMs;
  }

  /** Takes one; false when there is none left now. */
  take(nowMs: number): boolean {
    const { burst, perSecond } = this.#options;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#at) / 1_000) * perSecond);
    this.#at = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
