/** Into how many shards each lane is divided, and what they are called. */
import type { LaneName } from "@esc/events";
import type { Sharding } from "@esc/processors";
import type { Config } from "./config/schema.ts";

/** Cores up to which `auto` is one shard; and cores that are kept for the threads of sockets and log. */
const SMALL = 4;
const KEPT = 2;
const LANES = 3;
const MOST = 64;

/** Shards of each lane: `router.shards`; `auto` is 1 up to 4 cores, else a third of the cores but two, up to 64. */
export function shardCount(config: Config, cores: number): number {
  const { shards } = config.router;
  if (shards !== "auto") return shards;
  return cores <= SMALL ? 1 : Math.min(MOST, Math.max(1, Math.floor((cores - KEPT) / LANES)));
}

/** How a lane is divided. The transactional one keeps the order of a topic, so it always goes by the topic. */
export function sharding(config: Config, lane: LaneName, shards: number): Sharding {
  const round = config.router.strategy === "round_robin" && lane !== "transactional";
  return { shards, by: round ? "sequence" : "hash" };
}

/** What a lane's shards are called: like the lane where there is one only. */
export function shardNames(lane: LaneName, shards: number): string[] {
  return shards === 1 ? [lane] : Array.from({ length: shards }, (_, shard) => `${lane}.${shard}`);
}
