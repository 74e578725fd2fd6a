/** Questions to the lanes' threads, and their answers. */
import type { WorkerThread } from "./worker-thread.ts";
import type { LaneOrder, WorkerMessage } from "./workers/messages.ts";

export type LaneAnswer = Extract<WorkerMessage, { type: "answer" }>;
export type LaneQuestion = LaneOrder extends infer Order
  ? Order extends LaneOrder
    ? Omit<Order, "id">
    : never
  : never;

/** A thread that is busy with a handler answers when that is done; one that died never does. */
const TIMEOUT_MS = 5_000;

export class LaneOrders {
  readonly #waiting = new Map<number, (answer: LaneAnswer | undefined) => void>();
  #next = 1;

  /** Resolves with the thread's answer; undefined when there was none in time. */
  ask(thread: WorkerThread, question: LaneQuestion): Promise<LaneAnswer | undefined> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, undefined), TIMEOUT_MS);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      thread.order({ ...question, id });
    });
  }

  answered(answer: LaneAnswer): void {
    this.#settle(answer.id, answer);
  }

  #settle(id: number, answer: LaneAnswer | undefined): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(answer);
  }
}
