/**
 * Signals that ask to stop, as one who presses Ctrl-C means them. One press comes twice or more: the terminal sends it to
 * every process of its group, and npm passes its own on. A second press comes when the answer to the first is read. So a
 * signal counts anew once the first was answered by a line, and a moment after: copies of one press are closer together
 * than that, presses are further apart.
 */

/** What passes between the copies of one press at most, and between two presses at least, ms. */
const COPIES_WITHIN_MS = 50;

export class StopSignals {
  readonly #now: () => number;
  #heard = false;
  #answeredAt: number | undefined;

  /** @param now milliseconds from any start, never going back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A signal came: the first one, one that is the same press as the first, or one that was sent to be heard again. */
  hear(): "first" | "copy" | "again" {
    if (!this.#heard) {
      this.#heard = true;
      return "first";
    }
    const copy = this.#answeredAt === undefined || this.#now() - this.#answeredAt < COPIES_WITHIN_MS;
    return copy ? "copy" : "again";
  }

  /** The first signal was answered: who sent it can know by now that it came. */
  answered(): void {
    this.#answeredAt ??= this.#now();
  }
}
