// Stamps: for each group of events that a thread publishes, where it ends, when it was received, how many they are. One
// thread writes, some readers follow, each with a cursor of its own; a stamp's place is free when the slowest has passed.
// So what an event's way costs is known per group, and costs nothing per event.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | magic, stored last |
// | 4 | u32 ×2 | stamps that fit (a power of two), readers |
// | 12 | u32 | offset of the stamps |
// | 128 | u32 | tail: stamps written, modulo 2^32 |
// | 132 | u32 | writer's own: the slowest cursor as it last saw it |
// | 136 | f64 ×2 | stamps that found no room, and their events |
// | 256 + 128·r | u32 | cursor of reader r: stamps passed, modulo 2^32 |
// | stamps + 24·i | f64 ×3 | position behind the group; when it was received, ns; events |
//
// Order: a stamp is written before its group is published. Who has seen a position published sees every stamp up to there,
// so a reader is never early, and none of its stamps waits for a later look. The tail is stored atomically after the stamp,
// a cursor after its stamps were read: neither side sees the other half done.
//
// Differences of tail and cursors are taken modulo 2^32, which is far more than stamps fit.

import { recordTimes, wholeValue } from "./histogram";

const CAPACITY: usize = 4;
const READERS: usize = 8;
const STAMPS: usize = 12;
const TAIL: usize = 128;
const SEEN: usize = 132;
const DROPPED_STAMPS: usize = 136;
const DROPPED_EVENTS: usize = 144;
const CURSORS: usize = 256;
const CURSOR_BYTES: usize = 128;
const STAMP_BYTES: usize = 24;

/** Address of a stamp by its number. */
// @ts-ignore: decorator
@inline
function stampAt(ring: usize, number: u32): usize {
  const index = number & (load<u32>(ring + CAPACITY) - 1);
  return ring + <usize>load<u32>(ring + STAMPS) + <usize>index * STAMP_BYTES;
}

/** The cursor of the reader that has the most before it. */
function slowest(ring: usize, tail: u32): u32 {
  const readers = load<u32>(ring + READERS);
  let most: u32 = 0;
  for (let i: u32 = 0; i < readers; i++) {
    const behind = tail - atomic.load<u32>(ring + CURSORS + <usize>i * CURSOR_BYTES);
    if (behind > most) most = behind;
  }
  return tail - most;
}

/** Stamps a group that is about to be published; without room it is counted instead. The writing thread only. */
export function stampGroup(ring: usize, end: f64, receivedNs: f64, events: f64): void {
  const tail = load<u32>(ring + TAIL);
  const capacity = load<u32>(ring + CAPACITY);
  if (tail - load<u32>(ring + SEEN) >= capacity) {
    const seen = slowest(ring, tail);
    store<u32>(ring + SEEN, seen);
    if (tail - seen >= capacity) {
      store<f64>(ring + DROPPED_STAMPS, load<f64>(ring + DROPPED_STAMPS) + 1);
      store<f64>(ring + DROPPED_EVENTS, load<f64>(ring + DROPPED_EVENTS) + events);
      return;
    }
  }
  const at = stampAt(ring, tail);
  store<f64>(at, end);
  store<f64>(at, receivedNs, 8);
  store<f64>(at, events, 16);
  atomic.store<u32>(ring + TAIL, tail + 1);
}

/** Whether a reader has a stamp up to a position before it. That reader's thread only. */
export function stampDue(ring: usize, reader: u32, position: f64): bool {
  const cursor = load<u32>(ring + CURSORS + <usize>reader * CURSOR_BYTES);
  return cursor != atomic.load<u32>(ring + TAIL) && load<f64>(stampAt(ring, cursor)) <= position;
}

/**
 * Passes a reader's stamps up to a position, and records how old each group is now in a histogram's shard, as often as it
 * has events; with 0 for the shard they are passed only. Returns the events passed. That reader's thread only.
 */
export function passStamps(ring: usize, reader: u32, position: f64, nowNs: f64, shard: usize): f64 {
  const own = ring + CURSORS + <usize>reader * CURSOR_BYTES;
  const tail = atomic.load<u32>(ring + TAIL);
  const first = load<u32>(own);
  let cursor = first;
  let passed: f64 = 0;
  while (cursor != tail) {
    const at = stampAt(ring, cursor);
    if (load<f64>(at) > position) break;
    const events = load<f64>(at, 16);
    if (shard != 0) recordTimes(shard, wholeValue(nowNs - load<f64>(at, 8)), events);
    passed += events;
    cursor++;
  }
  if (cursor != first) atomic.store<u32>(own, cursor);
  return passed;
}
