/**
 * The clock that paces the load. Node's timers come in steps of a millisecond, which would be most of a fast server's
 * latency; so short waits are a nap of a tenth of that, and a turn of the event loop so that answers are read.
 */
import type { LoadClock } from "./send-by-plan.ts";

/** Waits longer than this begin with a timer. */
const TIMER_MS = 3;
const NAP_MS = 0.1;
/** A sender that is never held back lets the sockets have their turn this often. */
const TURN_MS = 1;

export class Pacer implements LoadClock {
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #turn: Promise<void> | undefined;
  #lastTurnMs = 0;

  nowMs(): number {
    return performance.now();
  }

  async until(ms: number): Promise<void> {
    for (;;) {
      const now = performance.now();
      if (now >= ms && now - this.#lastTurnMs < TURN_MS) return;
      if (ms - now > TIMER_MS) await new Promise((resolve) => setTimeout(resolve, ms - now - TIMER_MS + 1));
      else await this.#nextTurn(ms - now);
      if (performance.now() >= ms) return;
    }
  }

  /** One nap and one turn for all connections that wait. */
  #nextTurn(waitMs: number): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        this.#lastTurnMs = performance.now();
        resolve();
      });
      if (waitMs > 0) Atomics.wait(this.#never, 0, 0, Math.min(NAP_MS, waitMs));
    });
    return this.#turn;
  }
}
