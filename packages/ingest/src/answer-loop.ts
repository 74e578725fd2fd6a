/**
 * When an ingest thread looks whether answers are due: whenever it is woken, and, for a little while after a client asked
 * for an acknowledgement, at each turn of its event loop. A wake-up across threads takes tens of microseconds, which is much
 * beside a fast disk's sync; while the loop turns, the log's thread finds the parker awake and wakes nobody.
 */
import type { Parker } from "@esc/queues";

export interface AnswerLoopOptions {
  readonly parker: Parker;
  /** Serves what waits for lanes or durability. @returns whether answers are owed still. */
  readonly serve: () => boolean;
  /** How long the event loop turns for answers that are owed, ms; 0, for not at all. */
  readonly spinMs: number;
  /** Milliseconds from any start, never going back. */
  readonly now: () => number;
}

const SLEEP_MS = 1_000;
/** Times in a row that turning was in vain before it is left, but for every so many-th time: the disk is slower than that. */
const VAIN = 8;
const TRY_AGAIN = 64;

export class AnswerLoop {
  readonly #options: AnswerLoopOptions;
  #turning = false;
  #until = 0;
  #inVain = 0;
  #skipped = 0;
  #resume: (() => void) | undefined;
  #closed = false;

  constructor(options: AnswerLoopOptions) {
    this.#options = options;
  }

  /** Serves until {@link close}. */
  async run(): Promise<void> {
    const { parker, serve } = this.#options;
    while (!this.#closed) {
      if (this.#turning) {
        // A sleep's time was over while the loop turns: what there is to serve is served there.
        await new Promise<void>((resolve) => {
          this.#resume = resolve;
        });
        continue;
      }
      parker.prepare();
      serve();
      await parker.parkAsync(SLEEP_MS);
    }
  }

  /** An answer is owed since just now. */
  owed(): void {
    const { now, parker, spinMs } = this.#options;
    if (spinMs === 0 || this.#closed) return;
    if (this.#inVain >= VAIN && ++this.#skipped % TRY_AGAIN !== 0) return;
    this.#until = now() + spinMs;
    if (this.#turning) return;
    this.#turning = true;
    parker.cancel();
    setImmediate(this.#turn);
  }

  close(): void {
    this.#closed = true;
    this.#resume?.();
    // Asleep also where the parker says awake, for the loop's turning.
    this.#options.parker.prepare();
    this.#options.parker.unpark();
  }

  readonly #turn = (): void => {
    const { now, parker, serve } = this.#options;
    const owes = serve();
    if (owes && now() < this.#until && !this.#closed) {
      setImmediate(this.#turn);
      return;
    }
    this.#inVain = owes ? this.#inVain + 1 : 0;
    this.#turning = false;
    this.#resume?.();
    this.#resume = undefined;
    // Announced first, then looked once more: what becomes durable in between wakes the sleep that goes on meanwhile.
    parker.prepare();
    serve();
  };
}
