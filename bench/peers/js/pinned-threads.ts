/**
 * Pinned worker threads that start together, for the drivers in JavaScript: the producer has the first CPU, the consumer
 * the second, a second producer the third or, where there is none, the first. The main thread only waits.
 */
import { type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { pinThread } from "../../src/pin-thread.ts";

/** What a thread found out in one run. */
export interface Outcome {
  /** From the common start to the last item; the consumer's counts. */
  readonly seconds: number;
  readonly samples?: Float64Array;
}

/** In the order of their CPUs. */
const ROLES = ["producer", "consumer", "second producer"] as const;
export type Role = (typeof ROLES)[number];

interface Start<T> {
  readonly role: Role;
  /** How many start together. */
  readonly threads: number;
  /** Two words: how many arrived, how many runs have begun. */
  readonly line: Int32Array;
  readonly shared: T;
  readonly port: MessagePort | undefined;
  readonly pinned: boolean;
}

/** How they are set up. */
export interface ThreadsOptions {
  /** 2, a producer and a consumer, unless given; 3: a second producer. */
  readonly threads?: 2 | 3;
  /** Given away, one to each; a worker finds its own in `workerData.port`. */
  readonly ports?: readonly [MessagePort, MessagePort];
  /** Each on a CPU of its own; default true. */
  readonly pinned?: boolean;
}

/** Workers that run `file` and serve with `serveRuns`. */
export class PinnedThreads<T> implements AsyncDisposable {
  readonly #workers: readonly Worker[];

  /** `shared` goes to all. */
  constructor(file: URL, shared: T, { threads = 2, ports, pinned = true }: ThreadsOptions = {}) {
    const line = new Int32Array(new SharedArrayBuffer(8));
    this.#workers = ROLES.slice(0, threads).map((role, i) => {
      const port = ports?.[i];
      return new Worker(file, {
        workerData: { role, threads, line, shared, port, pinned } satisfies Start<T>,
        transferList: port === undefined ? [] : [port],
      });
    });
  }

  /** One run of all; [producer's outcome, consumer's]. Rejects when a thread throws. */
  async run(count: number): Promise<readonly [Outcome, Outcome]> {
    const outcomes = this.#workers.map(
      (worker) =>
        new Promise<Outcome>((resolve, reject) => {
          worker.once("message", (outcome: Outcome) => {
            worker.off("error", reject);
            resolve(outcome);
          });
          worker.once("error", reject);
          worker.postMessage(count);
        }),
    );
    const [producer, consumer] = await Promise.all(outcomes);
    if (producer === undefined || consumer === undefined) throw new Error("a pair has two sides");
    return [producer, consumer];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** In a worker: pins the thread and answers each count with what `job` returns. `startTogether` belongs before the work. */
export function serveRuns<T>(
  job: (role: Role, shared: T) => (count: number, startTogether: () => void) => Outcome | Promise<Outcome>,
): void {
  const { role, threads, line, shared, pinned } = workerData as Start<T>;
  if (pinned) pinThread(ROLES.indexOf(role));
  const run = job(role, shared);
  const startTogether = () => {
    const begun = Atomics.load(line, 1);
    if (Atomics.add(line, 0, 1) === threads - 1) {
      Atomics.store(line, 0, 0);
      Atomics.add(line, 1, 1);
    }
    for (let rounds = 0; Atomics.load(line, 1) === begun; ) rounds = idle(rounds);
  };
  parentPort?.on("message", async (count: number) => parentPort?.postMessage(await run(count, startTogether)));
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** How a thread waits: spins, and gives its CPU away after a thousand rounds. Returns the new number of rounds. */
export function idle(rounds: number): number {
  if (rounds < 1_000) {
    Atomics.pause();
    return rounds + 1;
  }
  Atomics.wait(never, 0, 0, 0.001);
  return 0;
}
