/**
 * The open connections of several ingest threads, in shared memory: one number that each adds to, so that a limit on it is
 * the server's and exact, however the system spreads connections over the threads.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import type { ConnectionCount } from "./tcp-source.ts";

export class SharedConnections implements ConnectionCount {
  readonly #open: Int32Array;

  private constructor(arena: Arena, address: number) {
    this.#open = new Int32Array(arena.memory.buffer, address, 1);
  }

  /** Makes a count of 0 under a name of its own. */
  static create(arena: Arena, name: string): SharedConnections {
    return new SharedConnections(arena, regionAddress(arena.allocate(name, 4)));
  }

  /** The count of that name, in any thread. */
  static attach(arena: Arena, name: string): SharedConnections {
    return new SharedConnections(arena, regionAddress(arena.region(name)));
  }

  /** Connections open now, of all threads. */
  get open(): number {
    return Atomics.load(this.#open, 0);
  }

  /** Any thread. Never counts beyond `most`, not for a moment: two that come for the last place don't refuse each other. */
  take(most: number): boolean {
    for (let open = this.open; open < most; ) {
      const before = Atomics.compareExchange(this.#open, 0, open, open + 1);
      if (before === open) return true;
      open = before;
    }
    return false;
  }

  /** Any thread, once for each {@link take} that was granted. */
  give(): void {
    Atomics.sub(this.#open, 0, 1);
  }
}
