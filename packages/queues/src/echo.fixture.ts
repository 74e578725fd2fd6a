/** The other thread of the wait strategies' test: gives every number back. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import {
  BackoffWaitStrategy,
  BlockingWaitStrategy,
  BusySpinWaitStrategy,
  SpscSlots,
  type WaitStrategy,
} from "./index.ts";

const { handle, strategy, rounds } = workerData as { handle: ArenaHandle; strategy: string; rounds: number };
const arena = Arena.attach(handle);
const from = SpscSlots.attach(arena, "there").consumer();
const to = SpscSlots.attach(arena, "back").producer();
const waits: Record<string, WaitStrategy> = {
  "busy spin": new BusySpinWaitStrategy(),
  backoff: new BackoffWaitStrategy({ spins: 10, yields: 1 }),
  blocking: new BlockingWaitStrategy(),
};
const wait = waits[strategy] as WaitStrategy;
for (let n = 0; n < rounds; n++) {
  if (!wait.wait(from, 20_000)) throw new Error(`number ${n} never came`);
  if (!to.push(from.pop())) throw new Error("no space");
}
parentPort?.postMessage("done");
