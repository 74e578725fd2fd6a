export { ALERT_LEVELS, type Alert, type AlertLevel, isAtLeast } from "./alerts/alert.ts";
export { AlertBudget } from "./alerts/alert-budget.ts";
export {
  AlertDispatcher,
  type AlertDispatcherOptions,
  type AlertSink,
  type SinkCounts,
} from "./alerts/alert-dispatcher.ts";
export { callbackSink, logSink, webhookSink } from "./alerts/alert-sinks.ts";
export { BatchError } from "./bulk/batch-error.ts";
export {
  type BatchContext,
  type BatchHandlerDefinition,
  defineBatchHandler,
  MAX_BATCH_EVENTS,
} from "./bulk/batch-handler.ts";
export {
  BUILT_IN_KINDS,
  type BuiltIn,
  type BuiltInDefinition,
  type BuiltInKind,
  builtInProblems,
  defineBuiltIn,
  FIELD_TYPES,
  type FieldType,
  type NumericField,
  toBuiltIn,
} from "./bulk/built-in.ts";
export { type BuiltInResult, BuiltInState } from "./bulk/built-in-state.ts";
export { bulkBytes } from "./bulk/bulk-bytes.ts";
export type { EventBatch } from "./bulk/event-batch.ts";
export {
  DeadLetterBook,
  type Letter,
  type LetterPage,
  type LetterQuery,
  type LetterSummary,
  MOST_LETTERS,
  type Reentry,
  type RetryResult,
} from "./dead-letters/dead-letter-book.ts";
export type { LetterState } from "./dead-letters/dead-letter-marks.ts";
export { DeadLetters, type Failure, WINDOW_TOPIC } from "./dead-letters/dead-letters.ts";
export { OfflineReentry, type OfflineReentryOptions } from "./dead-letters/offline-reentry.ts";
export { type Delayed, DelaySchedule, type Pending } from "./delay/delay-schedule.ts";
export {
  defineHandler,
  type Emission,
  type EventView,
  type Handler,
  type HandlerContext,
  type HandlerDefinition,
  type HandlerLogger,
  type Topics,
  toHandlers,
} from "./handler.ts";
export { type Definitions, toDefinitions } from "./handler-module.ts";
export { HandlerTable, type HandlerTableOptions, type TopicPlan } from "./handler-table.ts";
export type { LaneContext } from "./lane/call-context.ts";
export {
  type Checkpoint,
  CheckpointFile,
  type CheckpointState,
  isPlain,
  neededFrom,
  resumeFrom,
} from "./lane/checkpoint-file.ts";
export { PROCESSOR_COUNTERS, type ProcessorCounter } from "./lane/counters.ts";
export { createIdWindow, type IdWindow } from "./lane/duplicates.ts";
export { Emitter, type EmitterOptions } from "./lane/emitter.ts";
export { EventKey } from "./lane/handled-event.ts";
export type { DeadLetterReason } from "./lane/held-work.ts";
export type { LaneProcessorOptions, LaneStartPoint } from "./lane/lane-options.ts";
export type { LaneStages } from "./lane/lane-stages.ts";
export { LaneState, type LaneStateOptions } from "./lane/lane-state.ts";
export { Outlet } from "./lane/outlet.ts";
export { LaneProcessor, type ProcessorMode } from "./lane-processor.ts";
export { CompletionTracker } from "./retry/completion-tracker.ts";
export { type Held, KeyedScheduler, type KeyedSchedulerOptions } from "./retry/keyed-scheduler.ts";
export { NO_RETRY, type RetryPolicy, retryDelayMs, retryPolicy } from "./retry/retry-policy.ts";
export { isToTake, PastLayouts, type PastShard, type Sharding } from "./shards/past-layouts.ts";
export {
  type LaneShards,
  type LeftWindows,
  openShards,
  readShards,
  type ShardFilesOptions,
  type ShardResume,
} from "./shards/shard-layout.ts";
export { policyOf, type TopicPolicy, type TopicRule } from "./topic-policy.ts";
export { Aggregate } from "./windows/aggregate.ts";
export {
  defineWindow,
  type Window,
  type WindowClosing,
  type WindowDefinition,
  type WindowResult,
  type WindowShape,
} from "./windows/window-definition.ts";
export { type Added, WindowSet, type WindowSetState } from "./windows/window-set.ts";
