/** How far a log is durable, and waiting for it to become so further: what a follower of a live log goes by. */
import type { Parker, RecordRing } from "@esc/queues";

export interface DurableEnd {
  /** Everything before this sequence is in the file and durable. */
  sequence(): number;
  /** Resolves once {@link sequence} is beyond one, or a second has passed, or the signal says stop. */
  wait(beyond: number, signal?: AbortSignal): Promise<void>;
}

const IDLE_MS = 1_000;

/**
 * The durable end of a lane that the log's thread publishes in the lane's ring. It only looks: it takes no consumer's
 * slot, so whoever follows by it never holds the ring back. One for each ring and thread; any number of followers share it.
 */
export class RingDurableEnd implements DurableEnd {
  readonly #ring: RecordRing;
  readonly #parker: Parker;
  #sleep: Promise<void> | undefined;

  /** @param parker of this alone, made by `Parker.create`. @throws EscError `ESC_RING_PARKERS` when all places are taken. */
  constructor(ring: RecordRing, parker: Parker) {
    this.#ring = ring;
    this.#parker = parker;
    ring.wakeOnDurable(parker);
  }

  sequence(): number {
    return this.#ring.durableSequence;
  }

  async wait(beyond: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted || this.sequence() > beyond) return;
    if (this.#sleep === undefined) {
      this.#parker.prepare();
      if (this.sequence() > beyond) {
        this.#parker.cancel();
        return;
      }
      this.#sleep = this.#parker.parkAsync(IDLE_MS).finally(() => {
        this.#sleep = undefined;
      });
    }
    await untilAborted(this.#sleep, signal);
  }
}

async function untilAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await work;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
