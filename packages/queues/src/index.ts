export { Parker } from "./parker.ts";
export { RecordAppender, type RecordInput } from "./record-appender.ts";
export { RecordRing, type RecordRingOptions } from "./record-ring.ts";
export { RingConsumer } from "./ring-consumer.ts";
