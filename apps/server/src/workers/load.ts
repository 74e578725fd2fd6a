/** The load thread of `esc bench`: not a part of the server. */
import { parentPort, workerData } from "node:worker_threads";
import type { ArenaHandle } from "@esc/arena";
import type { BenchOptions } from "../load/bench-options.ts";
import { attachLoadArea } from "../load/load-area.ts";
import { type LoadTarget, runLoad } from "../load/load-run.ts";

/** What the thread starts with; any message to it ends the run in order, its one message is the summary. */
export interface LoadStart {
  readonly handle: ArenaHandle;
  readonly options: BenchOptions;
  readonly target: LoadTarget;
}

if (parentPort === null) throw new Error("This is a worker's entry; run `esc bench`.");
const port = parentPort;
const { handle, options, target } = workerData as LoadStart;
const interruption = new AbortController();
port.on("message", () => interruption.abort());
const summary = await runLoad(options, target, attachLoadArea(handle), interruption.signal);
port.postMessage(summary);
port.close();
