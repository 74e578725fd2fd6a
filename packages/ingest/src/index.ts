export { AnswerLoop, type AnswerLoopOptions } from "./answer-loop.ts";
export { Connection, type ConnectionOptions, type ConnectionSocket } from "./connection.ts";
export { DescriptorRoom } from "./descriptor-room.ts";
export { type DurableTicket, MAX_PENDING_TICKETS } from "./durable-tickets.ts";
export {
  FrameScanner,
  type FrameScannerOptions,
  InputArea,
  type InputAreaOptions,
  READ_BYTES,
  ScanStatus,
} from "./frame-scanner.ts";
export { acceptedCounter, droppedCounter, INGEST_COUNTERS, refusedCounter } from "./ingest-counters.ts";
export { LaneGate } from "./lane-gate.ts";
export { type PartialFrame, PartialFrames } from "./partial-frames.ts";
export { PendingAcks } from "./pending-acks.ts";
export type { PreparedTopic } from "./prepared-topic.ts";
export { type LaneCounts, PublishBatch } from "./publish-batch.ts";
export { type PublishedEvent, Publisher, type PublisherHandle, type PublishResult } from "./publisher.ts";
export { endedCounter, PublisherPlaces, type PublisherPlacesOptions } from "./publisher-places.ts";
export type { ScannerLanes, ScannerLatency, ScanSettings } from "./scan-context.ts";
export { SharedConnections } from "./shared-connections.ts";
export { type ConnectionCount, TcpSource, type TcpSourceOptions, type TcpSourceParts } from "./tcp-source.ts";
export { UdpSource, type UdpSourceOptions, type UdpSourceParts } from "./udp-source.ts";
