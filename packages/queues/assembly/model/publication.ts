// Producers of one ring, for the explorer: each appends records of 40 bytes whose payload tells who wrote it.
//
// | offset | what |
// |---|---|
// | 0 | the ring's control block |
// | 3840 | its data, 256 bytes |
// | 4096 | payloads of producers 0 … |
// | 8192 | CRC-32 tables |

import { initCrcTable } from "@esc/events/assembly/crc32";
import { append } from "../append";
import { RING_CONTROL_BYTES, addProducer, ringInit } from "../ring";

const DATA = RING_CONTROL_BYTES;
const CAPACITY: u32 = 256;
const PAYLOADS: usize = 4096;
const PAYLOAD_BYTES: u32 = 8;
const CRC: usize = 8192;
const PRODUCERS: usize = 3;

export function setup(base: usize): void {
  initCrcTable(base + CRC);
  ringInit(base, CAPACITY, base + DATA, 1);
  for (let i: usize = 0; i < PRODUCERS; i++) {
    addProducer(base);
    store<u64>(base + PAYLOADS + i * 8, 0xa0 + i);
  }
}

/** Appends `count` records. */
export function producer(base: usize, index: u32, count: u32): void {
  const payload = base + PAYLOADS + <usize>index * 8;
  for (let i: u32 = 0; i < count; i++) {
    while (append(base, index, base + CRC, 7, 2, 0, 0, 0, 0, 0, 0, payload, PAYLOAD_BYTES) == 0) {}
  }
}
