/** A thread that takes and gives places of a count of 2; says the most that it saw taken. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { SharedConnections } from "./index.ts";

const count = SharedConnections.attach(Arena.attach(workerData as ArenaHandle), "count");
let most = 0;
for (let round = 0; round < 100_000; round++) {
  if (!count.take(2)) continue;
  most = Math.max(most, count.open);
  count.give();
}
parentPort?.postMessage(most);
