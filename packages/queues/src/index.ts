export { Claim } from "./claim.ts";
export { Deduplicator, type DeduplicatorParticipant } from "./deduplicator.ts";
export type { DeduplicatorOptions } from "./deduplicator-options.ts";
export type { DeduplicatorGeneration, DeduplicatorStatistics } from "./deduplicator-statistics.ts";
export type { FramedRingOptions, ReaderOptions } from "./framed-ring.ts";
export { MpmcSlots } from "./mpmc-slots.ts";
export { MpscRing } from "./mpsc-ring.ts";
export { MpscSlots, MpscSlotsConsumer, MpscSlotsProducer } from "./mpsc-slots.ts";
export { Parker } from "./parker.ts";
export { RecordAppender, type RecordInput } from "./record-appender.ts";
export { RecordRing, type RecordRingOptions } from "./record-ring.ts";
export { type ShareBy, type ShareOptions, shareOf } from "./record-share.ts";
export { type ConsumerState, type Reclaimed, Ring, type RingPlaces } from "./ring.ts";
export { RingConsumer } from "./ring-consumer.ts";
export { RingProducer } from "./ring-producer.ts";
export { type Overrun, type RecordHandler, RingReader } from "./ring-reader.ts";
export { SpscRing } from "./spsc-ring.ts";
export { type SlotsOptions, SpscSlots, SpscSlotsConsumer, SpscSlotsProducer } from "./spsc-slots.ts";
export {
  type AsyncWaitOptions,
  AsyncWaitStrategy,
  type BackoffOptions,
  BackoffWaitStrategy,
  BlockingWaitStrategy,
  BusySpinWaitStrategy,
  type Waitable,
  type WaitStrategy,
} from "./wait-strategy.ts";
