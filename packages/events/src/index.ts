export { EscError } from "./esc-error.ts";
export { crcTable, createCrcTable, EventKernel } from "./event-kernel.ts";
export { type EventExtras, EventKey, eventMetadata } from "./event-metadata.ts";
export {
  AckDecoder,
  type Answer,
  AnswerKind,
  Control,
  DEFAULT_MAX_FRAME_BYTES,
  encodeAnswer,
  encodeFrame,
  type FrameInput,
  RefusalCode,
  type RefusalName,
  refusalName,
  refusalText,
} from "./frame.ts";
export {
  LANE_NAMES,
  Lane,
  type LaneName,
  laneOf,
  PRIORITY_NAMES,
  Priority,
  type PriorityName,
  SOURCE_NAMES,
  Source,
  type SourceName,
} from "./priority.ts";
export { decodeMetadata, EVENT_ID_BYTES, encodeMetadata, paddedLength, RecordFlag, RecordOffset } from "./record.ts";
export { MAX_TOPIC_BYTES, matchTopic, patternProblem, TopicPattern } from "./topic-pattern.ts";
