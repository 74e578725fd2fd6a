/** What threads are to do, as one shared word that they look at between two events. */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import type { ProcessorMode } from "@esc/processors";

const MODES: readonly ProcessorMode[] = ["run", "drain", "stop"];

export class ThreadMode {
  readonly #word: Int32Array;

  private constructor(arena: Arena, name: string) {
    this.#word = new Int32Array(arena.memory.buffer, regionAddress(arena.region(name)), 1);
  }

  static create(arena: Arena, name: string): ThreadMode {
    arena.allocate(name, 4);
    return new ThreadMode(arena, name);
  }

  static attach(arena: Arena, name: string): ThreadMode {
    return new ThreadMode(arena, name);
  }

  get value(): ProcessorMode {
    return MODES[Atomics.load(this.#word, 0)] as ProcessorMode;
  }

  set value(mode: ProcessorMode) {
    Atomics.store(this.#word, 0, MODES.indexOf(mode));
  }
}
