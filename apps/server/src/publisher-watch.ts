/**
 * Threads of the embedding program that publish: they may end at any moment, also in the middle of a claim, and everything
 * behind that claim would wait for ever. Workers of the server's own thread are watched from the moment they are made; of
 * others the program says when they have ended.
 */
import type { Worker } from "node:worker_threads";
import { LANE_NAMES } from "@esc/events";
import type { PublisherPlaces } from "@esc/ingest";

export interface PublisherWatchOptions {
  readonly places: PublisherPlaces;
  /** Closes the claims of a thread that has ended; resolves to the rings that had one. */
  readonly reclaim: (endedThreadId: number) => Promise<string[]>;
  readonly onReclaimed: (threadId: number) => void;
  readonly onFailure: (threadId: number, error: Error) => void;
}

export class PublisherWatch implements Disposable {
  readonly #options: PublisherWatchOptions;
  readonly #onWorker = (worker: Worker): void => {
    const { threadId } = worker;
    worker.once("exit", () => void this.ended(threadId));
  };

  constructor(options: PublisherWatchOptions) {
    this.#options = options;
    process.on("worker", this.#onWorker);
  }

  /** Clears up behind a thread that has ended, if it had a publisher. */
  async ended(threadId: number): Promise<void> {
    const { places, reclaim, onReclaimed, onFailure } = this.#options;
    if (!places.holds(threadId)) return;
    try {
      const closed = await reclaim(threadId);
      places.giveUp(
        threadId,
        LANE_NAMES.filter((lane) => closed.includes(lane)),
      );
      onReclaimed(threadId);
    } catch (error) {
      onFailure(threadId, error as Error);
    }
  }

  [Symbol.dispose](): void {
    process.off("worker", this.#onWorker);
  }
}
