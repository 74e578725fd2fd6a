/**
 * Keeps a lane alive: watches its thread's heartbeat, ends a thread that makes no progress, starts another one for one
 * that died, with growing waits. What the dead one had in hand is blamed in shared memory, so that an event which kills
 * its thread again and again ends as a dead letter.
 */
import { EscError } from "@esc/events";
import { type LaneState, type RetryPolicy, retryDelayMs } from "@esc/processors";
import type { WorkerThread } from "./worker-thread.ts";
import type { BuiltInShape } from "./workers/messages.ts";

export interface LaneSupervisorOptions {
  /** The lane, or its shard. */
  readonly lane: string;
  readonly state: LaneState;
  /** Starts a thread. @param deathOf what the one before died of; undefined for the first. */
  readonly start: (
    deathOf: string | undefined,
    onCrash: (error: Error) => void,
  ) => Promise<WorkerThread> | WorkerThread;
  /** Waits before a new thread is started. */
  readonly restart: RetryPolicy;
  /** A thread whose event loop doesn't turn for so long is ended, ms. */
  readonly stallMs: number;
  /** Clears up behind a thread that has ended. */
  readonly reclaim: (endedThreadId: number) => Promise<unknown>;
  /** The thread died; another one follows. */
  readonly onDeath: (error: Error, restarts: number) => void;
  readonly onRecovered: () => void;
}

const WATCH_MS = 250;
/** A thread that has only begun may take longer: it loads the handlers' modules. */
const START_MS = 10_000;
/** A thread that lived for so long begins to wait from the first delay again. */
const CALM_MS = 60_000;

export class LaneSupervisor {
  readonly lane: string;
  readonly #options: LaneSupervisorOptions;
  readonly #done = Promise.withResolvers<void>();
  #thread: WorkerThread | undefined;
  #watch: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #beats = -1;
  #beatAt = 0;
  #lookedAt = 0;
  /** Whether the present thread has got through its start. */
  #beating = false;
  #startedAt = 0;
  /** Deaths in a row. */
  #deaths = 0;
  #restarts = 0;
  #trouble = "";
  #stopping = false;

  constructor(options: LaneSupervisorOptions) {
    this.lane = options.lane;
    this.#options = options;
  }

  /** Starts the first thread; resolves once it takes events. @throws what its start fails with. */
  async start(): Promise<{ readonly slot: number; readonly builtIns: readonly BuiltInShape[] }> {
    const thread = await this.#run(undefined);
    this.#lookedAt = performance.now();
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
    const { slots, builtIns = [] } = await thread.ready;
    return { slot: slots?.[0] as number, builtIns };
  }

  /** Threads started for ones that died. */
  get restarts(): number {
    return this.#restarts;
  }

  /** What is the matter; "" when nothing is. */
  get trouble(): string {
    return this.#trouble;
  }

  /** The thread that runs now; undefined between two. */
  get thread(): WorkerThread | undefined {
    return this.#trouble === "" ? this.#thread : undefined;
  }

  /** Resolves once the lane's thread has finished, or no further one will be started. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** From now on a thread that dies is not followed by another one. */
  stopping(): void {
    this.#stopping = true;
    if (this.#trouble === "") return;
    clearTimeout(this.#pause);
    this.#finish();
  }

  /** Ends the thread wherever it is. */
  async terminate(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#pause);
    await this.#thread?.terminate();
    this.#finish();
  }

  async #run(deathOf: string | undefined): Promise<WorkerThread> {
    this.#beating = false;
    this.#beats = this.#options.state.beats;
    this.#beatAt = performance.now();
    this.#startedAt = this.#beatAt;
    const thread = await this.#options.start(deathOf, (error) => void this.#died(error));
    this.#thread = thread;
    void thread.ready.then(
      () => {
        this.#beating = true;
      },
      () => undefined,
    );
    void thread.done.then(() => {
      // Done by its own, and not by its death: that one is followed by another.
      if (this.#trouble === "" && thread === this.#thread) this.#finish();
    });
    return thread;
  }

  #finish(): void {
    clearInterval(this.#watch);
    this.#done.resolve();
  }

  /** Looks whether the thread's event loop turns. */
  #look(): void {
    const { state } = this.#options;
    const stallMs = this.#beating ? this.#options.stallMs : Math.max(START_MS, this.#options.stallMs);
    const now = performance.now();
    // A look that is late itself, as after the process or its machine was suspended: the thread had that time no more than this one.
    this.#beatAt += Math.max(0, now - this.#lookedAt - WATCH_MS);
    this.#lookedAt = now;
    if (state.beats !== this.#beats) {
      this.#beats = state.beats;
      this.#beatAt = now;
    } else if (now - this.#beatAt > stallMs && this.#thread !== undefined) {
      this.#beatAt = now;
      this.#thread.kill(
        new EscError(
          "ESC_HANDLER_STALLED",
          `a handler kept the thread busy for more than ${stallMs} ms without a pause`,
        ),
      );
    }
  }

  async #died(error: Error): Promise<void> {
    const { onDeath, restart, state } = this.#options;
    this.#trouble = error.message;
    const thread = this.#thread as WorkerThread;
    await thread.exited;
    if (this.#stopping) return this.#finish();
    try {
      await this.#options.reclaim(thread.threadId);
    } catch (reclaimError) {
      // Whatever it left is in the way of others: told, and tried again behind the next one.
      this.#trouble = `${error.message}; and ${(reclaimError as Error).message}`;
    }
    state.blame();
    if (performance.now() - this.#startedAt > CALM_MS) this.#deaths = 0;
    this.#deaths++;
    this.#restarts++;
    onDeath(error, this.#restarts);
    const delayMs = retryDelayMs(restart, this.#deaths, () => 0);
    this.#pause = setTimeout(() => void this.#startAgain(error.message), delayMs);
  }

  async #startAgain(deathOf: string): Promise<void> {
    try {
      const thread = await this.#run(deathOf);
      await thread.ready;
      if (this.#stopping) return;
      this.#trouble = "";
      this.#options.onRecovered();
      // It may have finished before the trouble was over.
      void thread.done.then(() => {
        if (this.#trouble === "" && thread === this.#thread) this.#finish();
      });
    } catch (error) {
      // It died before it was ready, as of a handler's module that can't be loaded any more.
      await this.#died(error as Error);
    }
  }
}
