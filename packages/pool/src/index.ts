export { BlockPool } from "./block-pool.ts";
export type { BlockPoolOptions } from "./pool-layout.ts";
export type { OutstandingBlock, PoolStats, PoolThread } from "./pool-stats.ts";
