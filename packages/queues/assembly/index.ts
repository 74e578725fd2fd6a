// The kernel behind the rings, the slots and `Parker`. Positions and sequences cross to JavaScript as f64: exact up to
// 2^53, which is 9 petabytes or 9 quadrillion records.
import { append, voidRecords as voidEventRecords } from "./append";
import * as ring from "./ring";

export { claimCells, pushCell, voidCells } from "./cells";
export { abortClaim, claimMixed, claimRecords, commitClaim, writeHeaderAt } from "./frames";
export {
  MPMC_CELL_BYTES, MPMC_SLOTS_BYTES, mpmcDepth, mpmcInit, mpmcParker, mpmcPop, mpmcPush, mpmcReady,
} from "./mpmc-slots";
export { unpark } from "./parker";
export {
  ORPHAN_NONE, ORPHAN_OPEN, ORPHAN_UNKNOWN, addConsumer, addProducer, addTap, adoptConsumer,
  blockedBy, consumerOf, consumerParker, consumerPlaces, consumerRun, consumerState, consumerThread, freeProducer, kind, orphan, poll, pollTap,
  producerOf, producerParker, producerPlaces, ready, removeConsumer, removeProducer, setCopy, setPlaces, take, takeTap, wakeOnDurable, wakeOnPublish,
  wakeOnSpace, wantSpace,
} from "./ring";
export { ownRecords } from "./share";
export {
  SPSC_SLOTS_BYTES, slotsAvailable, slotsDepth, slotsFree, slotsInit, slotsLeave, slotsParker, slotsPop, slotsPublish,
  slotsPush, slotsRelease, slotsReleaseEvery, slotsTake,
} from "./spsc-slots";
export * from "./dedup-face";

export function ringInit(address: usize, kind: u32, capacity: u32, data: usize, sequence: f64): void {
  ring.ringInit(address, kind, capacity, data, <u64>sequence);
}

export function appendRecord(
  address: usize, producer: u32, crcTable: usize, timeMs: f64, timeNs: f64, priority: u32, source: u32, id: usize,
  topic: usize, topicLength: u32, metadata: usize, metadataLength: u32, payload: usize, payloadLength: u32,
): i32 {
  const time = <u64>timeMs * 1_000_000 + <u64>timeNs;
  return append(address, producer, crcTable, time, priority, source, id, topic, topicLength, metadata, metadataLength, payload, payloadLength);
}

export function voidRecords(address: usize, producer: u32, crcTable: usize, timeMs: f64): void {
  voidEventRecords(address, producer, crcTable, <u64>timeMs * 1_000_000);
}

/** Whether `bytes` could be claimed now. */
export function hasSpace(address: usize, producer: u32, bytes: u32): bool {
  return ring.mayClaim(address, producer) && ring.freeBytes(address, producer, ring.claimed(address), bytes) >= <u64>bytes;
}

export function claimStart(address: usize, producer: u32): f64 {
  return <f64>ring.claimStart(address, producer);
}

export function claimBytes(address: usize, producer: u32): f64 {
  return <f64>(ring.claimEnd(address, producer) - ring.claimStart(address, producer));
}

export function claimedPosition(address: usize): f64 {
  return <f64>ring.claimed(address);
}

export function publishedPosition(address: usize): f64 {
  return <f64>ring.published(address);
}

export function publishedSequence(address: usize): f64 {
  return <f64>ring.publishedSequence(address);
}

export function durablePosition(address: usize): f64 {
  return <f64>ring.durable(address);
}

export function durableSequence(address: usize): f64 {
  return <f64>ring.durableSequence(address);
}

export function publishDurable(address: usize, position: f64, nextSequence: f64): void {
  ring.publishDurable(address, <u64>position, <u64>nextSequence);
}

export function consumerPosition(address: usize, consumer: u32): f64 {
  return <f64>ring.consumerPosition(address, consumer);
}

export function consumerCount(address: usize, consumer: u32): f64 {
  return <f64>ring.consumerCount(address, consumer);
}

export function consumerHighWater(address: usize, consumer: u32): f64 {
  return <f64>ring.consumerHighWater(address, consumer);
}

export function overrunBytes(address: usize, consumer: u32): f64 {
  return <f64>ring.overrunBytes(address, consumer);
}

export function overrunRecords(address: usize, consumer: u32): f64 {
  return <f64>ring.overrunRecords(address, consumer);
}

export function advance(address: usize, consumer: u32, position: f64, records: u32): void {
  ring.advance(address, consumer, <u64>position, records);
}

/** The next run up to what is published, or up to what is durable. */
export function nextRun(address: usize, consumer: u32, from: f64, onlyDurable: bool, maxBytes: u32): u32 {
  return ring.nextRun(address, consumer, <u64>from, onlyDurable ? ring.durable(address) : ring.published(address), maxBytes);
}

export function askToSkip(address: usize, position: f64): void {
  ring.askToSkip(address, <u64>position);
}

export function skipTarget(address: usize): f64 {
  return <f64>ring.skipTarget(address);
}

export function askToSync(address: usize, position: f64): void {
  ring.askToSync(address, <u64>position);
}

export function syncTarget(address: usize): f64 {
  return <f64>ring.syncTarget(address);
}
