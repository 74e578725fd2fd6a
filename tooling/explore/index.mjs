/** Explores every interleaving of a compiled kernel's atomic steps; README.md says how to write a model. */
import { compile } from "./compile.mjs";
import { Machine } from "./machine.mjs";
import { search } from "./search.mjs";

export { ExplorationError } from "./timeline.mjs";

/** @type {typeof import("./index.d.mts").explore} */
export async function explore(options) {
  const machine = new Machine(await compile(options.model, options.plant), options);
  for (;;) {
    const result = search(machine, options);
    if (result) return result;
    machine.shareConflicts();
  }
}
