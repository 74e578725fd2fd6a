// The kernel behind `RecordRing` and `Parker`. Positions and sequences cross to JavaScript as f64: exact up to 2^53, which
// is 9 petabytes or 9 quadrillion records.
import { append } from "./append";
import * as ring from "./ring";

export { addConsumer, addProducer, removeConsumer, wakeOnDurable, wakeOnPublish, wakeOnSpace, wantSpace } from "./ring";
export { unpark } from "./parker";
export * from "./dedup-face";

export function ringInit(address: usize, capacity: u32, data: usize, sequence: f64): void {
  ring.ringInit(address, capacity, data, <u64>sequence);
}

export function appendRecord(
  address: usize, producer: u32, crcTable: usize, timeMs: f64, timeNs: f64, priority: u32, source: u32, id: usize,
  topic: usize, topicLength: u32, metadata: usize, metadataLength: u32, payload: usize, payloadLength: u32,
): i32 {
  const time = <u64>timeMs * 1_000_000 + <u64>timeNs;
  return append(address, producer, crcTable, time, priority, source, id, topic, topicLength, metadata, metadataLength, payload, payloadLength);
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

export function advance(address: usize, consumer: u32, position: f64, records: u32): void {
  ring.advance(address, consumer, <u64>position, records);
}

/** The next run up to what is published, or up to what is durable. */
export function nextRun(address: usize, from: f64, onlyDurable: bool, maxBytes: u32, run: usize): u32 {
  const to = onlyDurable ? ring.durable(address) : ring.published(address);
  const records = ring.nextRun(address, <u64>from, to, maxBytes, run);
  // Numbers that JavaScript reads as f64, in place of the u64 that other kernels read.
  store<f64>(run + ring.RUN_NEXT, <f64>load<u64>(run + ring.RUN_NEXT));
  store<f64>(run + ring.RUN_SEQUENCE, <f64>load<u64>(run + ring.RUN_SEQUENCE));
  return records;
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
