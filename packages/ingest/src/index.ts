export { AnswerLoop, type AnswerLoopOptions } from "./answer-loop.ts";
export { Connection, type ConnectionOptions, type ConnectionSocket } from "./connection.ts";
export { DescriptorRoom } from "./descriptor-room.ts";
export {
  FrameScanner,
  type FrameScannerOptions,
  InputArea,
  type InputAreaOptions,
  READ_BYTES,
  type ScannerLanes,
  type ScannerLatency,
  ScanStatus,
} from "./frame-scanner.ts";
export { acceptedCounter, droppedCounter, INGEST_COUNTERS, refusedCounter } from "./ingest-counters.ts";
export { LaneGate } from "./lane-gate.ts";
export { type PartialFrame, PartialFrames } from "./partial-frames.ts";
export { PendingAcks } from "./pending-acks.ts";
export { SharedConnections } from "./shared-connections.ts";
export { type ConnectionCount, TcpSource, type TcpSourceOptions, type TcpSourceParts } from "./tcp-source.ts";
export { UdpSource, type UdpSourceOptions, type UdpSourceParts } from "./udp-source.ts";
