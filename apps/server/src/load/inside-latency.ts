/** What the server says of its own stages after a run: where between the socket and the disk the time went. */
import { setTimeout as sleep } from "node:timers/promises";
import { LANE_NAMES, type LaneName } from "@esc/events";
import type { Latency } from "../latency-figures.ts";
import { type Counts, readCounts } from "./referee.ts";

/** By stage (`queued`, `handled`, `durable`) and lane, from when the event was received; lanes without any are left out. */
export interface InsideLatency {
  /** What the figures are of: this run, or everything since the server's start. */
  readonly since: "run" | "start";
  readonly stages: Readonly<Record<string, Readonly<Partial<Record<LaneName, Latency>>>>>;
  /** Events that are in none of them. */
  readonly unmeasured: number;
}

const POLL_MS = 20;
/** Longer than the interval at which logs are synced, unless configured otherwise. */
const PATIENCE_MS = 1_000;

/**
 * The server's stages once everything is durable, or a second later. Undefined when it doesn't tell them.
 * @param before its counts before the run: figures of percentiles can't be subtracted.
 * @throws EscError `ESC_BENCH_STATS`.
 */
export async function insideLatency(http: string, before: Counts, after: Counts): Promise<InsideLatency | undefined> {
  const until = performance.now() + PATIENCE_MS;
  let counts = after;
  if (counts.latency === undefined) return undefined;
  while (!isDurable(counts) && performance.now() < until) {
    await sleep(POLL_MS);
    counts = await readCounts(http);
  }
  if (counts.latency === undefined) return undefined;
  const { unit: _, unmeasured, ...stages } = counts.latency;
  return {
    since: before.accepted === 0 ? "run" : "start",
    stages: Object.fromEntries(
      Object.entries(stages).map(([stage, lanes]) => [
        stage,
        Object.fromEntries(LANE_NAMES.filter((lane) => lanes[lane].count > 0).map((lane) => [lane, lanes[lane]])),
      ]),
    ),
    unmeasured,
  };
}

function isDurable({ lanes }: Counts): boolean {
  return LANE_NAMES.every((lane) => lanes[lane].cursors.durable >= lanes[lane].cursors.published);
}
