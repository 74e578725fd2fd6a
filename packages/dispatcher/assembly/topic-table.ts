// The topic table: what is known of each topic seen, so that an event costs one probe and not a walk over patterns.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | slots - 1 (slots are a power of two, twice the topics it may hold) |
// | 4 | u32 | topics it may hold |
// | 8 | i32 | topics it holds |
// | 12 | u32 | address of the overrides |
// | 128 + 64·s | i32 | slot s: 0 empty, 1 being written, 2 ready |
// | … + 4 | u32 | hash |
// | … + 8 | u16 | topic length, 1 to 48 |
// | … + 10 | u8 | priority that overrides the frame's, or 255 |
// | … + 16 | 48 B | topic |
//
// Overrides, in the order in which they win: u32 count, then each u32 length, u32 priority, the pattern's bytes, padded
// to a multiple of 4.
//
// Any thread may insert: it takes an empty slot by compare-and-swap, writes it and makes it ready. Two threads that meet
// the same new topic at once may both insert it; both entries say the same. Nothing is ever removed. A topic that is
// longer than 48 bytes, or one too many, is worked out anew each time: slower, never wrong, and bounded.

import { hashTopic, matchesPattern, sameBytes, validUtf8 } from "@esc/events/assembly/topic";

const MASK: usize = 0;
const LIMIT: usize = 4;
const HELD: usize = 8;
const OVERRIDES: usize = 12;
const SLOTS: usize = 128;
const SLOT_SHIFT: usize = 6;
const HASH: usize = 4;
const LENGTH: usize = 8;
const PRIORITY: usize = 10;
const TOPIC: usize = 16;
const MAX_CACHED: u32 = 48;
/** With at most half of the slots taken, a run of taken slots this long is as good as never met. */
const MAX_PROBES: u32 = 64;

const EMPTY: i32 = 0;
const WRITING: i32 = 1;
const READY: i32 = 2;

/** The frame's own priority stands. */
export const NO_OVERRIDE: u32 = 255;
/** The topic is not well-formed UTF-8. */
export const NOT_UTF8: u32 = 254;

/** What overrides the priority of the topic: 0 to 4, `NO_OVERRIDE`, or `NOT_UTF8`. Any thread. */
// @ts-ignore: decorator
@inline
export function resolveTopic(table: usize, topic: usize, length: u32, hash: u32): u32 {
  const slot = table + SLOTS + (<usize>(hash & load<u32>(table + MASK)) << SLOT_SHIFT);
  if (load<u32>(slot + HASH) == hash && atomic.load<i32>(slot) == READY && <u32>load<u16>(slot + LENGTH) == length) {
    if (sameBytes(slot + TOPIC, topic, length)) return load<u8>(slot + PRIORITY);
  }
  return probeTopic(table, topic, length, hash);
}

function probeTopic(table: usize, topic: usize, length: u32, hash: u32): u32 {
  if (length > MAX_CACHED) return workOut(table, topic, length);
  const mask = load<u32>(table + MASK);
  for (let probe: u32 = 0; probe < MAX_PROBES; probe++) {
    const slot = table + SLOTS + (<usize>((hash + probe) & mask) << SLOT_SHIFT);
    const state = atomic.load<i32>(slot);
    if (state == READY) {
      if (load<u32>(slot + HASH) == hash && <u32>load<u16>(slot + LENGTH) == length && sameBytes(slot + TOPIC, topic, length)) {
        return load<u8>(slot + PRIORITY);
      }
    } else if (state == EMPTY) {
      const priority = workOut(table, topic, length);
      if (priority != NOT_UTF8) insert(table, slot, topic, length, hash, priority);
      return priority;
    }
  }
  return workOut(table, topic, length);
}

function insert(table: usize, slot: usize, topic: usize, length: u32, hash: u32, priority: u32): void {
  if (atomic.add<i32>(table + HELD, 1) >= load<i32>(table + LIMIT)) {
    atomic.sub<i32>(table + HELD, 1);
    return;
  }
  if (atomic.cmpxchg<i32>(slot, EMPTY, WRITING) != EMPTY) {
    atomic.sub<i32>(table + HELD, 1);
    return;
  }
  store<u16>(slot + LENGTH, <u16>length);
  store<u8>(slot + PRIORITY, <u8>priority);
  memory.copy(slot + TOPIC, topic, length);
  store<u32>(slot + HASH, hash);
  atomic.store<i32>(slot, READY);
}

function workOut(table: usize, topic: usize, length: u32): u32 {
  if (!validUtf8(topic, length)) return NOT_UTF8;
  let at = <usize>load<u32>(table + OVERRIDES);
  const count = load<u32>(at);
  at += 4;
  for (let i: u32 = 0; i < count; i++) {
    const patternLength = load<u32>(at);
    if (matchesPattern(at + 8, patternLength, topic, length)) return load<u32>(at + 4);
    at += 8 + ((patternLength + 3) & ~3);
  }
  return NO_OVERRIDE;
}

/** As `resolveTopic`, for callers without the hash. */
export function resolve(table: usize, topic: usize, length: u32): u32 {
  return resolveTopic(table, topic, length, hashTopic(topic, length));
}
