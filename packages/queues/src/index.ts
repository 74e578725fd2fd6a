export { Deduplicator, type DeduplicatorParticipant } from "./deduplicator.ts";
export type { DeduplicatorOptions } from "./deduplicator-options.ts";
export type { DeduplicatorGeneration, DeduplicatorStatistics } from "./deduplicator-statistics.ts";
export { Parker } from "./parker.ts";
export { RecordAppender, type RecordInput } from "./record-appender.ts";
export { RecordRing, type RecordRingOptions } from "./record-ring.ts";
export { RingConsumer } from "./ring-consumer.ts";
