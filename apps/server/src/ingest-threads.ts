/**
 * The ingest threads as the main thread sees them: one, or several that share their ports. Started together, told to stop
 * together; a step is done when each has done it.
 */
import { EscError } from "@esc/events";
import type { Config } from "./config/schema.ts";
import { hostPort } from "./host-port.ts";
import { PortReservation, type Transport } from "./port-reservation.ts";
import type { WorkerThread } from "./worker-thread.ts";
import type { IngestOrder, IngestStart, WorkerStart } from "./workers/messages.ts";

export interface Ports {
  readonly tcp?: number;
  readonly udp?: number;
}

/** Names of the threads: a single one needs no number. */
export function ingestNames(workers: number): string[] {
  return workers === 1 ? ["ingest"] : Array.from({ length: workers }, (_, worker) => `ingest.${worker}`);
}

export interface IngestThreadsOptions {
  readonly config: Config;
  readonly workers: number;
  readonly start: WorkerStart;
  /** Starts a thread of that name. */
  readonly thread: (name: string, start: IngestStart) => WorkerThread;
}

export class IngestThreads {
  readonly #options: IngestThreadsOptions;
  readonly #reservations: PortReservation[] = [];
  #threads: readonly WorkerThread[] = [];

  constructor(options: IngestThreadsOptions) {
    this.#options = options;
  }

  /** Starts all; resolves with the ports once each listens. @throws EscError `ESC_BIND_FAILED`. */
  async start(): Promise<Ports> {
    const { config, workers, start, thread } = this.#options;
    const { tcp, udp } = config.ingestion;
    try {
      const shared = workers > 1 && {
        tcp: tcp.enable ? await this.#reserve("tcp", tcp) : 0,
        udp: udp.enable ? await this.#reserve("udp", udp) : 0,
      };
      this.#threads = Array.from({ length: workers }, (_, worker) =>
        thread(ingestNames(workers)[worker] as string, { ...start, worker, workers, ...(shared && { shared }) }),
      );
      const [first] = await Promise.all(this.#threads.map(({ ready }) => ready));
      return first?.ports ?? {};
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  async #reserve(transport: Transport, at: { host: string; port: number }): Promise<number> {
    try {
      const reservation = await PortReservation.take(transport, at);
      this.#reservations.push(reservation);
      return reservation.port;
    } catch (error) {
      throw bindFailed(`ingestion.${transport}.port`, at, error);
    }
  }

  order(order: IngestOrder): void {
    for (const thread of this.#threads) thread.order(order);
  }

  /** Resolves once none owes anybody anything. */
  get quiet(): Promise<unknown> {
    return Promise.all(this.#threads.map(({ quiet }) => quiet));
  }

  /** Resolves once all have finished, or are gone. */
  get done(): Promise<unknown> {
    return Promise.all(this.#threads.map(({ done }) => done));
  }

  /** Ends all wherever they are. */
  async terminate(): Promise<void> {
    // Some may reject once more on their way out: their first failure is being reported already.
    for (const { ready } of this.#threads) ready.catch(() => undefined);
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
    await this.release();
  }

  /** Lets others have the ports. */
  async release(): Promise<void> {
    for (const reservation of this.#reservations.splice(0)) await reservation[Symbol.asyncDispose]();
  }
}

/** A port that can't be had: names the key to change. */
export function bindFailed(key: string, at: { host: string; port: number }, error: unknown): EscError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === "EADDRINUSE" ? "is in use by another process" : `can't be bound (${message})`;
  return new EscError(
    "ESC_BIND_FAILED",
    `${hostPort(at.host, at.port)} ${why}. Set ${key} to another port, or to 0 for any.`,
    { cause: error },
  );
}
