/** Explores every interleaving of a compiled kernel's atomic steps; README.md says how to write a model. */
import { compile } from "./compile.mjs";
import { Machine } from "./machine.mjs";
import { search } from "./search.mjs";
import { ExplorationError } from "./timeline.mjs";

export { ExplorationError };

/** States that are searched breadth first, to find a shorter way to what the depth-first search has found. */
const SHORTEST_STATES = 50_000;

/** @type {typeof import("./index.d.mts").explore} */
export async function explore(options) {
  const machine = new Machine(await compile(options.model, options.plant), options);
  for (;;) {
    const result = attempt(machine, options);
    if (result) return result;
    machine.shareConflicts();
  }
}

function attempt(machine, options) {
  try {
    return search(machine, options);
  } catch (error) {
    if (error instanceof ExplorationError && error.timeline.length > 0) search(machine, options, SHORTEST_STATES);
    throw error;
  }
}
