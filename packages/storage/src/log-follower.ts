/**
 * Following a live log by pull. A follower reads the lane's file, up to what the log's thread has published as durable,
 * and waits there. What it reads comes from one place only, so there is no seam between disk and ring at which an event
 * could be missed or seen twice; and since it holds nothing of the ring, a slow one holds nobody back: it gets what it
 * has missed from the file, as long as retention leaves it there, and is told of a gap where it doesn't.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DurableEnd } from "./durable-end.ts";
import { LogReader, type LogReaderOptions } from "./log-reader.ts";
import type { RecordView } from "./record-view.ts";

export interface LogFollowerOptions extends Omit<LogReaderOptions, "until"> {
  readonly end: DurableEnd;
  /** Ends the iteration, also while it waits. */
  readonly signal?: AbortSignal;
}

/** Runs after which other work of the thread has its turn. */
const RUNS_A_TURN = 4;

/**
 * Every durable event of a lane, those to come included. On one thread.
 *
 * @example
 * using follower = new LogFollower({ dir, end, fromEnd: true, topic: new TopicPattern("order.>"), signal });
 * for await (const event of follower) await send(event.copy());
 */
export class LogFollower implements AsyncIterable<RecordView>, Disposable {
  readonly #options: LogFollowerOptions;
  readonly #reader: LogReader;

  /** @throws EscError `ESC_READ_FROM` as {@link LogReader}. */
  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#reader = new LogReader({ ...options, until: () => options.end.sequence() });
  }

  /** Sequence of the next event that will be loaded, for a cursor; 0 before the first. */
  get nextSequence(): number {
    return this.#reader.nextSequence;
  }

  /** Event by event: a promise for each. Where that is too dear, take {@link runs}. The view is valid until the next one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RecordView> {
    const { signal } = this.#options;
    for await (const run of this.runs()) {
      for (const event of run) {
        if (signal?.aborted) return;
        yield event;
      }
    }
  }

  /** Run by run: a promise for each few MiB of events. A run is to be walked before the next is asked for. */
  async *runs(): AsyncGenerator<Iterable<RecordView>> {
    const { end, signal } = this.#options;
    for (let runs = 1; !signal?.aborted; runs++) {
      const before = end.sequence();
      const length = this.#reader.nextRun();
      if (length === 0) await end.wait(Math.max(before, this.#reader.nextSequence), signal);
      else yield this.#reader.run(length);
      if (runs % RUNS_A_TURN === 0) await nextTurn();
    }
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
