/** How many ingest threads a server has, and what of its limits each of them gets. */
import type { Config } from "./config/schema.ts";

/** Cores for each ingest thread: one reads, the others run its lanes, the log and the handlers. */
const CORES_PER_WORKER = 4;
/** Beyond, the log's one thread and the lanes bind before the sockets do: docs/scaling.md. */
const MOST_BY_CORES = 8;

/**
 * The number of ingest threads: as configured, or by the cores: 1 for up to 7, then one for every 4, at most 8.
 * @param cores `os.availableParallelism()`.
 */
export function ingestWorkers(workers: Config["ingestion"]["workers"], cores: number): number {
  if (workers !== "auto") return workers;
  return Math.max(1, Math.min(MOST_BY_CORES, Math.floor(cores / CORES_PER_WORKER)));
}

/**
 * Bytes of unfinished frames that each thread's connections may hold: an equal part, so that a client that fills one
 * thread's part takes nothing of the others'. At least the longest frame, for a single one to have room.
 */
export function partialFrameShare({ ingestion }: Config, workers: number): number {
  const { partialFrameBytes } = ingestion.tcp;
  return workers === 1
    ? partialFrameBytes
    : Math.max(Math.floor(partialFrameBytes / workers), ingestion.max_frame_bytes + 4);
}
