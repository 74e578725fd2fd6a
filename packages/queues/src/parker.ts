/**
 * A parker: the place where one thread sleeps until another has work for it.
 *
 * The sleeper announces itself, looks for work once more, and only then sleeps; a waker makes its work visible and then
 * looks for a sleeper. So no wake-up is lost, and waking costs no system call while nobody sleeps
 * (`assembly/parker.ts` is the waker that kernels use).
 */
import type { Arena } from "@esc/arena";

const AWAKE = 0;
const PARKED = 1;

export class Parker {
  readonly #word: Int32Array;
  readonly #shared: boolean;
  /** Address of the word in the arena: for kernels only. */
  readonly address: number;

  private constructor(arena: Arena, address: number, shared: boolean) {
    this.#word = new Int32Array(arena.memory.buffer, address, 1);
    this.#shared = shared;
    this.address = address;
  }

  /** Makes a parker under a name of its own. */
  static create(arena: Arena, name: string): Parker {
    return new Parker(arena, arena.allocate(name, 4).address, false);
  }

  /** The parker of that name, in any thread. */
  static attach(arena: Arena, name: string): Parker {
    return new Parker(arena, arena.region(name).address, false);
  }

  /**
   * A parker that lies in a structure of its own. For owners of memory only.
   * @param shared several threads sleep at it: each wake-up wakes all of them, and only wakers say "awake".
   */
  static at(arena: Arena, address: number, shared = false): Parker {
    return new Parker(arena, address, shared);
  }

  /** Announces the sleep. Look for work after it; then {@link park}, {@link parkAsync} or {@link cancel}. Owner only. */
  prepare(): void {
    Atomics.store(this.#word, 0, PARKED);
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

  /** Wakes the owner if it sleeps or is about to; where several share the parker, all of them. Any thread. */
  unpark(): void {
    if (Atomics.compareExchange(this.#word, 0, PARKED, AWAKE) === PARKED) Atomics.notify(this.#word, 0);
  }
}
