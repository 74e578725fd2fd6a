// Producers and consumers around a ring of one or three records, for the explorer: whether a record is overwritten before every
// consumer has read it, and whether a producer that sleeps for space is woken.
//
// | offset | what |
// |---|---|
// | 0 | the ring's control block |
// | 5888 | its data: 64 bytes, one record of 40 bytes and padding, or 128 bytes, three and padding |
// | 6144 + 128·j | consumer j: u32 records read, u32 the first one that was damaged |
// | 6656 + 16·i | producer i: u64 payload, i32 parker |
// | 8192 | CRC-32 tables |

import { initCrcTable } from "@esc/events/assembly/crc32";
import { RECORD_HEADER, RECORD_LENGTH, RECORD_SEQUENCE } from "@esc/events/assembly/record";
import { append } from "../append";
import {
  KIND_EVENTS, RING_CONTROL_BYTES, RUN_ADDRESS, RUN_NEXT, RUN_RECORDS, addConsumer, addProducer, advance,
  consumerPosition, consumerRun, nextRun, published, ringInit, wakeOnSpace, wantSpace,
} from "../ring";

const DATA: usize = RING_CONTROL_BYTES;
const SEEN: usize = 6144;
const PRODUCERS: usize = 6656;
const PARKER: usize = 8;
const CRC: usize = 8192;
const PAYLOAD_BYTES: u32 = 8;
const RECORD_BYTES: u32 = 40;

export function setup(base: usize, capacity: u32, producers: u32, consumers: u32): void {
  initCrcTable(base + CRC);
  ringInit(base, KIND_EVENTS, capacity, base + DATA, 1);
  for (let i: u32 = 0; i < producers; i++) {
    addProducer(base, 0, 16);
    wakeOnSpace(base, base + PRODUCERS + (i << 4) + PARKER);
    store<u64>(base + PRODUCERS + (i << 4), 0xa0 + i);
  }
  for (let j: u32 = 0; j < consumers; j++) addConsumer(base, 0);
}

function tryAppend(base: usize, i: u32): bool {
  return append(base, i, base + CRC, 7, 2, 0, 0, 0, 0, 0, 0, base + PRODUCERS + (i << 4), PAYLOAD_BYTES) != 0;
}

/** Appends `count` records, trying again while the ring is full. */
export function producer(base: usize, i: u32, count: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    while (!tryAppend(base, i)) {}
  }
}

/** Appends `count` records, sleeping while the ring is full: what TypeScript does around `RecordAppender.append`. */
export function sleepingProducer(base: usize, i: u32, count: u32): void {
  const parker = base + PRODUCERS + (i << 4) + PARKER;
  for (let n: u32 = 0; n < count; n++) {
    while (!tryAppend(base, i)) {
      atomic.store<i32>(parker, 1); // prepare
      wantSpace(base);
      const appended = tryAppend(base, i); // the look after it
      if (!appended) atomic.wait<i32>(parker, 1, -1);
      atomic.store<i32>(parker, 0);
      if (appended) break;
    }
  }
}

/** Consumes `count` records in runs of up to `maxBytes`. */
export function consumer(base: usize, j: u32, count: u32, maxBytes: u32): void {
  const seen = base + SEEN + (j << 7);
  const run = consumerRun(base, j);
  let read: u32 = 0;
  while (read < count) {
    const records = nextRun(base, j, consumerPosition(base, j), published(base), maxBytes);
    if (records == 0) continue;
    const first = <usize>load<u32>(run + RUN_ADDRESS);
    for (let r: u32 = 0; r < records; r++) inspect(seen, first + r * RECORD_BYTES, ++read);
    advance(base, j, <u64>load<f64>(run + RUN_NEXT), load<u32>(run + RUN_RECORDS));
  }
  store<u32>(seen, read);
}

/** Notes the record if it isn't the `sequence`-th, whole. */
function inspect(seen: usize, record: usize, sequence: u32): void {
  if (
    load<u32>(record + RECORD_LENGTH) != RECORD_BYTES || load<u64>(record + RECORD_SEQUENCE) != sequence ||
    load<u64>(record + RECORD_HEADER) >>> 4 != 0xa
  ) {
    if (load<u32>(seen + 4) == 0) store<u32>(seen + 4, sequence);
  }
}
