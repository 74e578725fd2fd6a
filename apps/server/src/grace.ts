/**
 * A time that several steps share one after the other: what one doesn't use, the next ones have. So the steps together
 * never take longer than the whole, however each of them goes.
 */
export class Grace {
  readonly #now: () => number;
  readonly #wholeMs: number;
  readonly #endMs: number;

  /**
   * Begins now.
   * @param wholeMs for all steps together.
   * @param now milliseconds from any start, never going back.
   */
  constructor(wholeMs: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#wholeMs = wholeMs;
    this.#endMs = now() + wholeMs;
  }

  /** Milliseconds that are left when `keepShare` of the whole (0 to 1) is kept for later steps; 0 when none are. */
  leftMs(keepShare: number): number {
    return Math.max(0, this.#endMs - this.#wholeMs * keepShare - this.#now());
  }

  /** Whether the promise is done while that is left. It goes on where it isn't. */
  async within(promise: Promise<unknown>, keepShare: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.leftMs(keepShare), false);
    });
    const inTime = await Promise.race([promise.then(() => true), late]);
    clearTimeout(timer);
    return inTime;
  }
}
