/**
 * Reads that wait for a quorum to say that this leader still leads. Each broadcast of heartbeats is a round with a number; who
 * answers round n also confirms every earlier one. So the rounds that a quorum confirms are found as commits are: it is the highest
 * number that a majority has acknowledged.
 */
import type { Message } from "../message.ts";
import type { Acked } from "../quorum/majority.ts";

export interface PendingRead {
  readonly request: Message;
  /** What was committed when it came: nothing later need be seen. */
  readonly index: number;
}

export class PendingReads implements Acked {
  /** In the order of their rounds, beginning with `#first`. */
  #reads: PendingRead[] = [];
  #first = 1;
  #acked = new Map<number, number>();
  /** Came before the leader had committed anything in its term, and so before it knew what is committed. */
  #postponed: Message[] = [];

  get count(): number {
    return this.#reads.length + this.#postponed.length;
  }

  /** The newest round that waits, or 0. Any heartbeat may as well ask for it. */
  get lastRound(): number {
    return this.#reads.length === 0 ? 0 : this.#first + this.#reads.length - 1;
  }

  add(request: Message, index: number): void {
    this.#reads.push({ request, index });
  }

  postpone(request: Message): void {
    this.#postponed.push(request);
  }

  takePostponed(): readonly Message[] {
    const taken = this.#postponed;
    if (taken.length > 0) this.#postponed = [];
    return taken;
  }

  acknowledge(id: number, round: number): void {
    this.#acked.set(id, Math.max(this.acked(id), round));
  }

  acked(id: number): number {
    return this.#acked.get(id) ?? 0;
  }

  /** Takes the reads of all rounds up to `round`. */
  confirm(round: number): readonly PendingRead[] {
    const count = Math.min(round - this.#first + 1, this.#reads.length);
    if (count <= 0) return [];
    this.#first += count;
    return this.#reads.splice(0, count);
  }

  /** A new term: rounds begin anew, and answers of the last term don't get here any more. */
  reset(): void {
    this.#reads = [];
    this.#first = 1;
    this.#acked.clear();
    this.#postponed = [];
  }
}
