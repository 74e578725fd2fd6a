export {
  type DurableTicket,
  type LaneCounts,
  type PreparedTopic,
  PublishBatch,
  type PublishedEvent,
  Publisher,
  type PublisherHandle,
  type PublishResult,
} from "@esc/ingest";
export { ConfigError, type ConfigProblem } from "./config/config-error.ts";
export { type LoadConfigOptions, type LoadedConfig, loadConfig } from "./config/load-config.ts";
export type { Config } from "./config/schema.ts";
export { parseTopics } from "./config/topics-file.ts";
export { ingestWorkers } from "./ingest-workers.ts";
export type { BenchReport } from "./load/bench-report.ts";
export { type Addresses, Server, type ServerOptions } from "./server.ts";
export type { IngestWorkerStats, LaneStats, Stats } from "./stats.ts";
