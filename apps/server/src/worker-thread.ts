/** A worker as the main thread sees it: started, told to stop, watched. */
import { Worker } from "node:worker_threads";
import { EscError } from "@esc/events";
import type { IngestOrder, WorkerMessage, WorkerStart } from "./workers/messages.ts";

type Ready = Extract<WorkerMessage, { type: "ready" }>;

export interface WorkerThreadOptions {
  /** Entry beside the bundle: `ingest`, `log` or `lane`. */
  readonly entry: string;
  /** For people and for the thread's name. */
  readonly name: string;
  readonly start: WorkerStart;
  /** Every message but "ready" and "failed". */
  readonly onMessage: (message: WorkerMessage) => void;
  /** The worker ended although nobody asked it to. */
  readonly onCrash: (name: string, error: Error) => void;
}

export class WorkerThread {
  readonly name: string;
  readonly #worker: Worker;
  readonly #ready: Promise<Ready>;
  readonly #done = Promise.withResolvers<void>();
  readonly #quiet = Promise.withResolvers<void>();
  #ended = false;

  constructor(options: WorkerThreadOptions) {
    this.name = options.name;
    const { promise, resolve, reject } = Promise.withResolvers<Ready>();
    this.#ready = promise;
    this.#worker = new Worker(new URL(`./workers/${options.entry}.js`, import.meta.url), {
      workerData: options.start,
      name: options.name,
    });
    let ready = false;
    const crashed = (error: Error) => {
      if (this.#ended) return;
      this.#ended = true;
      reject(error);
      this.#done.resolve();
      this.#quiet.resolve();
      if (ready) options.onCrash(options.name, error);
    };
    this.#worker.on("message", (message: WorkerMessage) => {
      if (message.type === "ready") {
        ready = true;
        resolve(message);
      } else if (message.type === "failed") {
        crashed(new EscError(message.code, message.message));
      } else if (message.type === "quiet") {
        this.#quiet.resolve();
      } else if (message.type === "done") {
        this.#ended = true;
        this.#done.resolve();
      } else {
        options.onMessage(message);
      }
    });
    // What is thrown may be anything, as by `throw undefined`.
    this.#worker.on("error", (error: unknown) => crashed(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on("exit", (code) => crashed(new Error(`the thread ended with code ${code}`)));
  }

  /** Resolves once the worker does its work; rejects with why it can't. */
  get ready(): Promise<Ready> {
    return this.#ready;
  }

  /** Resolves once the worker owes nobody anything (ingest). */
  get quiet(): Promise<void> {
    return this.#quiet.promise;
  }

  /** Resolves once the worker has finished, or is gone. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  order(order: IngestOrder): void {
    this.#worker.postMessage(order);
  }

  /** Ends the thread wherever it is. */
  async terminate(): Promise<void> {
    this.#ended = true;
    await this.#worker.terminate();
  }
}
