/**
 * Explores every interleaving of a few threads at the level of single atomic steps (depth first over the states, each
 * visited once). A model under it is a plain object; a thread is a program counter in it and a function that takes one
 * step. Memory is sequentially consistent, as WebAssembly's atomics are.
 */

/** One atomic step of a thread; "end" when it has finished, "wait" when it can't go on as things are. */
export type Step<State> = (state: State, thread: number) => "end" | "wait" | undefined;

export interface Model<State> {
  readonly initial: State;
  readonly threads: number;
  readonly step: Step<State>;
  /** Throws when the state can't be. */
  readonly check: (state: State) => void;
  /** Throws when a state in which no thread can go on is not a good end. */
  readonly checkEnd: (state: State) => void;
}

/** Explores all; returns how many states there were. @throws what a check throws. */
export function explore<State>({ initial, threads, step, check, checkEnd }: Model<State>, limit = 2_000_000): number {
  const seen = new Set<string>();
  const stack: State[] = [initial];
  while (stack.length > 0) {
    const state = stack.pop() as State;
    const key = JSON.stringify(state);
    if (seen.has(key)) continue;
    seen.add(key);
    if (seen.size > limit) throw new Error(`more than ${limit} states: make the model smaller`);
    let moved = false;
    for (let thread = 0; thread < threads; thread++) {
      // Models are plain data, and parsing is several times faster than structuredClone.
      const next = JSON.parse(key) as State;
      if (step(next, thread) !== undefined) continue;
      moved = true;
      check(next);
      stack.push(next);
    }
    if (!moved) checkEnd(state);
  }
  return seen.size;
}
