/** Waiting until what was published is durable: tickets, and promises of them, a bounded number. */
import { EscError, LANE_NAMES, type LaneName } from "@esc/events";
import type { Parker, RecordRing } from "@esc/queues";

/** A place in each lane, behind what was published when the ticket was taken. */
export interface DurableTicket {
  /** Position behind the last record, -1 where there is none. */
  readonly realtime: number;
  readonly transactional: number;
  readonly batch: number;
}

/** Promises of one publisher at the same time. */
export const MAX_PENDING_TICKETS = 1_024;
const LOOK_MS = 1_000;

interface Pending {
  readonly ticket: DurableTicket;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class DurableTickets {
  readonly #rings: Readonly<Record<LaneName, RecordRing>>;
  readonly #parker: Parker;
  readonly #ended: () => boolean;
  #pending: Pending[] = [];
  #running = false;
  #closed = false;

  /**
   * @param parker shared, woken when a lane's durable position moves.
   * @param ended whether nothing becomes durable any more.
   */
  constructor(rings: Readonly<Record<LaneName, RecordRing>>, parker: Parker, ended: () => boolean) {
    this.#rings = rings;
    this.#parker = parker;
    this.#ended = ended;
  }

  isDurable(ticket: DurableTicket): boolean {
    return LANE_NAMES.every((lane) => this.#rings[lane].durablePosition >= ticket[lane]);
  }

  /** @throws EscError `ESC_PUBLISH_PENDING`. */
  until(ticket: DurableTicket): Promise<void> {
    if (this.isDurable(ticket)) return Promise.resolve();
    if (this.#pending.length >= MAX_PENDING_TICKETS) {
      throw new EscError(
        "ESC_PUBLISH_PENDING",
        `${MAX_PENDING_TICKETS} promises wait already: await some of them, or take one ticket for several events.`,
      );
    }
    for (const lane of LANE_NAMES) if (ticket[lane] >= 0) this.#rings[lane].askToSync(ticket[lane]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ ticket, resolve, reject });
    if (!this.#running) void this.#run();
    return promise;
  }

  /** Rejects what waits. */
  close(): void {
    this.#closed = true;
    this.#parker.unpark();
    this.#rejectAll("The publisher was closed before its events were durable; they are in their lanes.");
  }

  async #run(): Promise<void> {
    this.#running = true;
    // A sleep in Atomics.waitAsync alone doesn't keep a thread alive.
    const alive = setInterval(() => undefined, 2 ** 30);
    while (this.#pending.length > 0) {
      this.#parker.prepare();
      if (!this.#settle()) await this.#parker.parkAsync(LOOK_MS);
      if (!this.#closed && this.#ended()) {
        this.#settle();
        this.#rejectAll("The server has stopped; its error lines say which events could not be made durable.");
      }
    }
    clearInterval(alive);
    this.#running = false;
  }

  /** Resolves what is durable; whether that was anything. */
  #settle(): boolean {
    const before = this.#pending.length;
    this.#pending = this.#pending.filter(({ ticket, resolve }) => {
      const durable = this.isDurable(ticket);
      if (durable) resolve();
      return !durable;
    });
    return this.#pending.length < before;
  }

  #rejectAll(message: string): void {
    for (const { reject } of this.#pending.splice(0)) reject(new EscError("ESC_NOT_DURABLE", message));
  }
}
