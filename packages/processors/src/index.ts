export { DeadLetterKey } from "@esc/storage";
export { type DeadLetterReason, DeadLetters } from "./dead-letters.ts";
export {
  defineHandler,
  type EventView,
  type Handler,
  type HandlerContext,
  type HandlerDefinition,
  type HandlerLogger,
  toHandlers,
} from "./handler.ts";
export { HandlerTable, type TopicHandlers } from "./handler-table.ts";
export {
  type Backlog,
  LaneProcessor,
  type LaneProcessorOptions,
  PROCESSOR_COUNTERS,
  type ProcessorCounter,
  type ProcessorMode,
} from "./lane-processor.ts";
