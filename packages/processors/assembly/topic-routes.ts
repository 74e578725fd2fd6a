// What a lane does with the events of a topic, for kernels: looked up by the hash in the record, sure by the topic's bytes.
// TypeScript works a topic out once and puts it in; one thread, and nothing is removed before everything is.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | slots - 1 (slots are a power of two, twice the topics it may hold) |
// | 4 | u32 | topics it holds |
// | 64 + 64·s | u32 | slot s: hash |
// | … + 4 | u16 | topic length, 1 to 44; 0: the slot is free |
// | … + 6 | u8 | route |
// | … + 7 | u8 | batch handler, where the route is one |
// | … + 8 | u32 | the topic's number with that handler |
// | … + 12 | u32 | built-ins that look at it, a bit each |
// | … + 16 | 44 B | topic |

import { RECORD_HASH, RECORD_TOPIC_LENGTH } from "@esc/events/assembly/record";
import { sameBytes } from "@esc/events/assembly/topic";
import { topicOf } from "./record-parts";

const SLOT_MASK: usize = 0;
const HELD: usize = 4;
const SLOTS: usize = 64;
const SLOT_SHIFT: usize = 6;
const HASH: usize = 0;
const LENGTH: usize = 4;
const ROUTE: usize = 6;
const HANDLER: usize = 7;
const NUMBER: usize = 8;
const BUILT_INS: usize = 12;
const TOPIC: usize = 16;
const MAX_TOPIC: u32 = 44;

/** Nothing is to be done with its events. */
export const PASS: u32 = 0;
/** They go to one batch handler. */
export const BATCH: u32 = 1;
/** They go one by one. */
export const EACH: u32 = 2;

/** Makes the table empty. @param slots a power of two. */
export function clearRoutes(table: usize, slots: u32): void {
  store<u32>(table + SLOT_MASK, slots - 1);
  store<u32>(table + HELD, 0);
  memory.fill(table + SLOTS, 0, <usize>slots << SLOT_SHIFT);
}

/** The slot of a record's topic; 0 when the table doesn't have it. */
// @ts-ignore: decorator
@inline
export function routeOf(table: usize, record: usize, topic: usize): usize {
  const hash = load<u32>(record + RECORD_HASH);
  const length = <u32>load<u16>(record + RECORD_TOPIC_LENGTH);
  const slot = slotAt(table, hash);
  if (load<u32>(slot + HASH) == hash && <u32>load<u16>(slot + LENGTH) == length && length > 0) {
    if (sameBytes(slot + TOPIC, topic, length)) return slot;
  }
  return probe(table, topic, length, hash);
}

// @ts-ignore: decorator
@inline
function slotAt(table: usize, index: u32): usize {
  return table + SLOTS + (<usize>(index & load<u32>(table + SLOT_MASK)) << SLOT_SHIFT);
}

function probe(table: usize, topic: usize, length: u32, hash: u32): usize {
  if (length == 0 || length > MAX_TOPIC) return 0;
  // At most half of the slots are taken, so this ends.
  let slot = slotAt(table, hash);
  for (let index = hash; load<u16>(slot + LENGTH) != 0; slot = slotAt(table, ++index)) {
    if (load<u32>(slot + HASH) != hash || <u32>load<u16>(slot + LENGTH) != length) continue;
    if (sameBytes(slot + TOPIC, topic, length)) return slot;
  }
  return 0;
}

/** Puts in the topic of a record, which isn't there. False when there is no room for it, or it is too long. */
export function insertRoute(table: usize, record: usize, route: u32, handler: u32, number: u32, builtIns: u32): bool {
  const topic = topicOf(record);
  const length = <u32>load<u16>(record + RECORD_TOPIC_LENGTH);
  const held = load<u32>(table + HELD);
  if (length == 0 || length > MAX_TOPIC || held * 2 > load<u32>(table + SLOT_MASK)) return false;
  const hash = load<u32>(record + RECORD_HASH);
  let index = hash;
  while (load<u16>(slotAt(table, index) + LENGTH) != 0) index++;
  const slot = slotAt(table, index);
  store<u32>(slot + HASH, hash);
  store<u8>(slot + ROUTE, <u8>route);
  store<u8>(slot + HANDLER, <u8>handler);
  store<u32>(slot + NUMBER, number);
  store<u32>(slot + BUILT_INS, builtIns);
  memory.copy(slot + TOPIC, topic, length);
  store<u16>(slot + LENGTH, <u16>length);
  store<u32>(table + HELD, held + 1);
  return true;
}

// @ts-ignore: decorator
@inline
export function routeKind(slot: usize): u32 {
  return <u32>load<u8>(slot + ROUTE);
}

// @ts-ignore: decorator
@inline
export function routeHandler(slot: usize): u32 {
  return <u32>load<u8>(slot + HANDLER);
}

// @ts-ignore: decorator
@inline
export function routeNumber(slot: usize): u32 {
  return load<u32>(slot + NUMBER);
}

// @ts-ignore: decorator
@inline
export function routeBuiltIns(slot: usize): u32 {
  return load<u32>(slot + BUILT_INS);
}
