/**
 * Two pinned worker threads that start together, for the drivers in JavaScript: the producer has the first CPU, the
 * consumer the second. The main thread only waits.
 */
import { type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { pinThread } from "../../src/pin-thread.ts";

/** What a thread found out in one run. */
export interface Outcome {
  /** From the common start to the last item; the consumer's counts. */
  readonly seconds: number;
  readonly samples?: Float64Array;
}

export type Role = "producer" | "consumer";

interface Start<T> {
  readonly role: Role;
  /** Two words: how many arrived, how many runs have begun. */
  readonly line: Int32Array;
  readonly shared: T;
  readonly port: MessagePort | undefined;
  readonly pinned: boolean;
}

/** How a pair is set up. */
export interface PairOptions {
  /** Given away, one to each; a worker finds its own in `workerData.port`. */
  readonly ports?: readonly [MessagePort, MessagePort];
  /** Each on a CPU of its own; default true. */
  readonly pinned?: boolean;
}

/** A pair of workers that run `file` and serve with `serveRuns`. */
export class TwoThreads<T> implements AsyncDisposable {
  readonly #workers: readonly [Worker, Worker];

  /** `shared` goes to both. */
  constructor(file: URL, shared: T, { ports, pinned = true }: PairOptions = {}) {
    const line = new Int32Array(new SharedArrayBuffer(8));
    const start = (role: Role, port: MessagePort | undefined) =>
      new Worker(file, {
        workerData: { role, line, shared, port, pinned } satisfies Start<T>,
        transferList: port === undefined ? [] : [port],
      });
    this.#workers = [start("producer", ports?.[0]), start("consumer", ports?.[1])];
  }

  /** One run of both; [producer's outcome, consumer's]. Rejects when a thread throws. */
  run(count: number): Promise<[Outcome, Outcome]> {
    const [producer, consumer] = this.#workers.map(
      (worker) =>
        new Promise<Outcome>((resolve, reject) => {
          worker.once("message", (outcome: Outcome) => {
            worker.off("error", reject);
            resolve(outcome);
          });
          worker.once("error", reject);
          worker.postMessage(count);
        }),
    ) as [Promise<Outcome>, Promise<Outcome>];
    return Promise.all([producer, consumer]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** In a worker: pins the thread and answers each count with what `job` returns. `startTogether` belongs before the work. */
export function serveRuns<T>(
  job: (role: Role, shared: T) => (count: number, startTogether: () => void) => Outcome | Promise<Outcome>,
): void {
  const { role, line, shared, pinned } = workerData as Start<T>;
  if (pinned) pinThread(role === "producer" ? 0 : 1);
  const run = job(role, shared);
  const startTogether = () => {
    const begun = Atomics.load(line, 1);
    if (Atomics.add(line, 0, 1) === 1) {
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
