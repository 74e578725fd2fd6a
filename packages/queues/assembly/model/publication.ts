// Producers of one ring, for the explorer. Records of 40 bytes; the payload tells who wrote it.
//
// | offset | what |
// |---|---|
// | 0 | the ring's control block |
// | 5888 | its data, 256 bytes: room for six records |
// | 6144 + 8·i | payload of producer i |
// | 8192 | CRC-32 tables |

import { initCrcTable } from "@esc/events/assembly/crc32";
import { append, sealRecord } from "../append";
import {
  KIND_EVENTS, RING_CONTROL_BYTES, addProducer, addressOf, publish, ringInit,
} from "../ring";

const DATA: usize = RING_CONTROL_BYTES;
const CAPACITY: u32 = 256;
const PAYLOADS: usize = 6144;
const CRC: usize = 8192;
const PRODUCERS: u32 = 3;
const PAYLOAD_BYTES: u32 = 8;
const RECORD_BYTES: u32 = 40;

export function setup(base: usize): void {
  initCrcTable(base + CRC);
  ringInit(base, KIND_EVENTS, CAPACITY, base + DATA, 1);
  for (let i: u32 = 0; i < PRODUCERS; i++) {
    addProducer(base, 0, 16);
    store<u64>(base + PAYLOADS + (i << 3), 0xa0 + i);
  }
}

/** Appends `count` records. */
export function producer(base: usize, index: u32, count: u32): void {
  const payload = base + PAYLOADS + (index << 3);
  for (let i: u32 = 0; i < count; i++) {
    while (append(base, index, base + CRC, 7, 2, 0, 0, 0, 0, 0, 0, payload, PAYLOAD_BYTES) == 0) {}
  }
}

/** Takes a place that nobody has had yet, and appends one record. */
export function joiner(base: usize): void {
  const producer = addProducer(base, 0, 16);
  const payload = base + PAYLOADS + (<usize>producer << 3);
  store<u64>(payload, 0xa0 + producer);
  while (append(base, producer, base + CRC, 7, 2, 0, 0, 0, 0, 0, 0, payload, PAYLOAD_BYTES) == 0) {}
}

/** Fills and publishes the claim of a record that nobody contends for: the `index`-th. */
export function publisher(base: usize, index: u32): void {
  const start = <u64>index * RECORD_BYTES;
  const record = addressOf(base, start);
  store<u64>(record + 32, 0xa0 + index);
  sealRecord(record, RECORD_BYTES, index + 1, 7, 0, 0, 2, 0, base + CRC);
  publish(base, index, start, start + RECORD_BYTES, index + 2);
}
