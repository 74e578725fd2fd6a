/** Our own side of the queue, pool and deduplicator benches: `ours/ours.ts`, run as the peers are. */
import { fileURLToPath } from "node:url";
import { checkOptions, type Result, type RunOptions, runDriver } from "./driver-run.ts";

const DRIVER = fileURLToPath(new URL("../ours/ours.ts", import.meta.url));

/** Cases as `bench/README.md` tells them, "case/variant" where there is more than one way. A case's plain way is first. */
export const OUR_CASES = [
  "spsc-8B-per-item",
  "spsc-8B-per-item/releaseEvery",
  "spsc-8B-per-item/popMany",
  "spsc-8B-batch-64",
  "spsc-8B-batch-256",
  "spsc-64B-batch-64",
  "spsc-one-thread-pairs",
  "spsc-one-thread-pairs/releaseEvery",
  "mpsc-2p-8B-per-item",
  "mpsc-2p-8B-per-item/mpmc",
  "mpsc-2p-8B-batch-64",
  "mpsc-2p-8B-batch-256",
  "mpsc-2p-64B-batch-64",
  "roundtrip",
  "roundtrip/strategy",
  "pool-acquire-release",
  "pool-pairs",
  "pool-64-held",
  "dedup-fill-1M",
  "dedup-insert-1M",
  "dedup-insert-1M/one",
  "dedup-hit-1M",
  "dedup-hit-1M/hasMany",
] as const;

export type OurCase = (typeof OUR_CASES)[number];

/** One of our cases, in a process of its own; as `runPeer` otherwise. */
export async function runOurs(key: OurCase, options: RunOptions = {}): Promise<Result[]> {
  checkOptions(options);
  return await runDriver("ours", [process.execPath, DRIVER], key, options);
}
