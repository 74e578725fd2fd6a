/** A thread that ends in the middle of a call: right after the ledger's entry was changed, before the magazine is. */
import { workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { BlockPool } from "./index.ts";

const { handle, during } = workerData as { handle: ArenaHandle; during: "acquire" | "release" };
const pool = BlockPool.attach(Arena.attach(handle), "p");
const block = pool.acquire();
// The ledger enters an acquisition by a store and a release by a compare-and-swap.
const step = during === "acquire" ? "store" : "compareExchange";
const original = Atomics[step] as (...args: unknown[]) => unknown;
Object.defineProperty(Atomics, step, {
  value: (...args: unknown[]) => {
    original(...args);
    process.exit();
  },
});
if (during === "acquire") pool.acquire();
else pool.release(block);
