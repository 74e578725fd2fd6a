/**
 * A parker: the place where one thread sleeps until another has work for it.
 *
 * The sleeper announces itself, looks for work once more, and only then sleeps; a waker makes its work visible and then
 * looks for a sleeper. So no wake-up is lost, and waking costs no system call while nobody sleeps
 * (`assembly/parker.ts` is the waker that kernels use).
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";

const AWAKE = 0;
const PARKED = 1;
const NAPPING = 2;

/** Where a parker's word lies: for the faces of kernels (`@esc/queues/kernel`). */
export let parkerAddress: (parker: Parker) => number;
/**
 * A parker that lies in a structure of its own.
 * @param shared several threads sleep at it: each wake-up wakes all of them, and only wakers say "awake".
 */
export let parkerAt: (arena: Arena, address: number, shared?: boolean) => Parker;

export class Parker {
  readonly #word: Int32Array;
  readonly #shared: boolean;
  readonly #address: number;

  static {
    parkerAddress = (parker) => parker.#address;
    parkerAt = (arena, address, shared = false) => new Parker(arena, address, shared);
  }

  private constructor(arena: Arena, address: number, shared: boolean) {
    this.#word = new Int32Array(arena.memory.buffer, address, 1);
    this.#shared = shared;
    this.#address = address;
  }

  /** Makes a parker under a name of its own. */
  static create(arena: Arena, name: string): Parker {
    return new Parker(arena, regionAddress(arena.allocate(name, 4)), false);
  }

  /** The parker of that name, in any thread. */
  static attach(arena: Arena, name: string): Parker {
    return new Parker(arena, regionAddress(arena.region(name)), false);
  }

  /** Announces the sleep. Look for work after it; then {@link park}, {@link parkAsync} or {@link cancel}. Owner only. */
  prepare(): void {
    Atomics.store(this.#word, 0, PARKED);
  }

  /**
   * Announces a sleep of a while, through publications of rings that let the owner nap ({@link Ring.wakeOnPublish}). Look for
   * what is urgent after it; then {@link nap} or {@link cancel}. Owner only.
   */
  prepareNap(): void {
    Atomics.store(this.#word, 0, NAPPING);
  }

  /** Sleeps, blocking the thread, for `timeoutMs` or until something urgent wakes it. Owner only; not on the main thread. */
  nap(timeoutMs: number): void {
    Atomics.wait(this.#word, 0, NAPPING, timeoutMs);
    this.cancel();
  }

  /** Takes the announcement back: there was work. Owner only. */
  cancel(): void {
    if (!this.#shared) Atomics.store(this.#word, 0, AWAKE);
  }

  /** Sleeps, blocking the thread, until woken or for `timeoutMs`. Owner only; not on the main thread. */
  park(timeoutMs: number): void {
    Atomics.wait(this.#word, 0, PARKED, timeoutMs);
    this.cancel();
  }

  /** Sleeps while the thread's event loop goes on, until woken or for `timeoutMs`. Owner only. */
  async parkAsync(timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#word, 0, PARKED, timeoutMs);
    if (wait.async) await wait.value;
    this.cancel();
  }

  /** Wakes the owner if it sleeps, naps or is about to; where several share the parker, all of them. Any thread. */
  unpark(): void {
    // Looked at first: who is awake has its line to itself.
    if (Atomics.load(this.#word, 0) === AWAKE) return;
    if (Atomics.exchange(this.#word, 0, AWAKE) !== AWAKE) Atomics.notify(this.#word, 0);
  }
}
