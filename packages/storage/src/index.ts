export { ConsumerGroups, type ConsumerGroupsOptions, earliest, type GroupState, lagOf } from "./consumer-groups.ts";
export { CursorFile, type CursorState } from "./cursor-file.ts";
export {
  checkLog,
  cursorFile,
  DEAD_LETTERS,
  findLogs,
  groupsDirectory,
  type LaneLog,
  type LogCheck,
  type LogStat,
  logDirectory,
  statLog,
} from "./data-directory.ts";
export { type DeadLetter, DeadLetterKey, decodeDeadLetter, encodeDeadLetter } from "./dead-letter.ts";
export { DirectoryLock } from "./directory-lock.ts";
export { type DurableEnd, RingDurableEnd } from "./durable-end.ts";
export { LogFollower, type LogFollowerOptions } from "./log-follower.ts";
export { type LogFs, makeDirectory, nodeFs } from "./log-fs.ts";
export { type LogGap, LogReader, type LogReaderOptions } from "./log-reader.ts";
export type { LogStore, ReadFrom } from "./log-store.ts";
export { type LogLane, type LogState, LogWriter, type LogWriterOptions, type SyncPolicy } from "./log-writer.ts";
export { MemoryLog } from "./memory-log.ts";
export { RecordReader } from "./record-reader.ts";
export { MAX_RECORD_BYTES } from "./record-scanner.ts";
export { RecordView, type StoredEvent } from "./record-view.ts";
export { type Recovery, recoverLog } from "./recovery.ts";
export {
  applyRetention,
  type RetentionOptions,
  type RetentionPolicy,
  type RetentionReason,
  type RetentionResult,
} from "./retention.ts";
export { checkSegment, type Damage, type SegmentCheck } from "./segment-check.ts";
export { listSegments, type SegmentFile, segmentName } from "./segment-files.ts";
export { SegmentedLog, type SegmentedLogOptions } from "./segmented-log.ts";
