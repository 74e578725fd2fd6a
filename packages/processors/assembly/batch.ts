// Columns over many records: what a batch handler reads instead of a view per event. One call walks the records of a run
// and writes a row for each event of one handler; events that no handler is for are passed over on the way, and so is what
// another shard's is.
//
// Context:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | address of the topic routes |
// | 4 | u32 | rows that the columns have room for, a multiple of 8 |
// | 8 | u32 | flags of records that go one by one: those with metadata; those with an id where the lane takes an id once |
// | 16 | u32 | rows written |
// | 20 | u32 | records walked, tombstones and other shards' included |
// | 24 | u32 | own events walked |
// | 28 | u32 | address behind the last record walked |
// | 32 | u32 | the batch handler; NOBODY before its first event |
// | 36, 40, 44 | u32 | of a shard: by what records are told, shards, shard; 0 shards: all records are the lane's own |
// | 64 … 319 | 64 u32 | rows of one batch at most, by handler |
// | 320 … | | columns, one behind the other, as long as there is room |
//
// Columns: f64 sequence, f64 time in ms, u32 ns on top of it, u32 payload's address, u32 payload's length, u32 topic's
// number, u32 record's address, u8 priority, u8 whether it has an id.

import {
  FLAG_ID, FLAG_TOMBSTONE, RECORD_FLAGS, RECORD_LENGTH, RECORD_PRIORITY, RECORD_SEQUENCE, RECORD_TIME, padded,
} from "@esc/events/assembly/record";
import { isOwn } from "@esc/queues/assembly/share";
import { payloadOf, topicOf } from "./record-parts";
import { BATCH, EACH, PASS, routeHandler, routeKind, routeNumber, routeOf } from "./topic-routes";

const ROUTES: usize = 0;
const CAPACITY: usize = 4;
const EACH_FLAGS: usize = 8;
const ROWS: usize = 16;
const RECORDS: usize = 20;
const EVENTS: usize = 24;
const NEXT: usize = 28;
const HANDLER: usize = 32;
const SHARE_BY: usize = 36;
const SHARES: usize = 40;
const SHARE: usize = 44;
const LIMITS: usize = 64;
const COLUMNS: usize = 320;
const NOBODY: u32 = 0xffffffff;

/** All records were walked. */
const END: u32 = 0;
/** As many as may be taken together. */
const FULL: u32 = 1;
/** The next record goes one by one. */
const ONE_BY_ONE: u32 = 2;
/** The next record's topic isn't in the table. */
const UNKNOWN: u32 = 3;
/** The next record is another batch handler's. */
const OTHER: u32 = 4;

/**
 * Walks the records in [from, end) as long as they can be taken together. @param resume go on with what was walked before.
 * @returns why it stopped.
 */
export function fillBatch(context: usize, from: usize, end: usize, maxRecords: u32, resume: bool): u32 {
  const table = <usize>load<u32>(context + ROUTES);
  const capacity = <usize>load<u32>(context + CAPACITY);
  const eachFlags = load<u32>(context + EACH_FLAGS);
  const by = load<u32>(context + SHARE_BY);
  const shares = load<u32>(context + SHARES);
  const share = load<u32>(context + SHARE);
  const sequences = context + COLUMNS;
  const timesMs = sequences + 8 * capacity;
  const timesNs = timesMs + 8 * capacity;
  const offsets = timesNs + 4 * capacity;
  const lengths = offsets + 4 * capacity;
  const topics = lengths + 4 * capacity;
  const places = topics + 4 * capacity;
  const priorities = places + 4 * capacity;
  const ids = priorities + capacity;
  let rows: u32 = 0;
  let records: u32 = 0;
  let events: u32 = 0;
  let handler = NOBODY;
  let maxRows: u32 = 0;
  if (resume) {
    rows = load<u32>(context + ROWS);
    records = load<u32>(context + RECORDS);
    events = load<u32>(context + EVENTS);
    handler = load<u32>(context + HANDLER);
    if (handler != NOBODY) maxRows = load<u32>(context + LIMITS + 4 * <usize>handler);
  }
  // Records of one scan have one time: it is divided once.
  let time: u64 = 0;
  let timeMs: f64 = 0;
  let timeNs: u32 = 0;
  let why = END;
  let at = from;
  while (at < end) {
    if (records == maxRecords) {
      why = FULL;
      break;
    }
    const length = load<u32>(at + RECORD_LENGTH);
    const flags = <u32>load<u8>(at + RECORD_FLAGS);
    if ((flags & FLAG_TOMBSTONE) != 0 || (shares != 0 && !isOwn(at, by, shares, share))) {
      records++;
      at += padded(length);
      continue;
    }
    if ((flags & eachFlags) != 0) {
      why = ONE_BY_ONE;
      break;
    }
    const topic = topicOf(at);
    const slot = routeOf(table, at, topic);
    if (slot == 0) {
      why = UNKNOWN;
      break;
    }
    const kind = routeKind(slot);
    if (kind == BATCH) {
      const wanted = routeHandler(slot);
      if (handler != wanted) {
        if (handler != NOBODY) {
          why = OTHER;
          break;
        }
        handler = wanted;
        maxRows = load<u32>(context + LIMITS + 4 * <usize>handler);
      }
      if (rows == maxRows) {
        why = FULL;
        break;
      }
      const received = load<u64>(at + RECORD_TIME);
      if (received != time) {
        time = received;
        const ms = received / 1_000_000;
        timeMs = <f64>ms;
        timeNs = <u32>(received - ms * 1_000_000);
      }
      const row = <usize>rows;
      const payload = payloadOf(at, topic);
      store<f64>(sequences + 8 * row, <f64>load<u64>(at + RECORD_SEQUENCE));
      store<f64>(timesMs + 8 * row, timeMs);
      store<u32>(timesNs + 4 * row, timeNs);
      store<u32>(offsets + 4 * row, <u32>payload);
      store<u32>(lengths + 4 * row, <u32>(at + length - payload));
      store<u32>(topics + 4 * row, routeNumber(slot));
      store<u32>(places + 4 * row, <u32>at);
      store<u8>(priorities + row, load<u8>(at + RECORD_PRIORITY));
      store<u8>(ids + row, (flags & FLAG_ID) != 0 ? 1 : 0);
      rows++;
    } else if (kind != PASS) {
      why = ONE_BY_ONE;
      break;
    }
    records++;
    events++;
    at += padded(length);
  }
  store<u32>(context + ROWS, rows);
  store<u32>(context + RECORDS, records);
  store<u32>(context + EVENTS, events);
  store<u32>(context + NEXT, <u32>at);
  store<u32>(context + HANDLER, handler);
  return why;
}

/** Bytes of the records in [from, end) up to the next one that can be taken together with others. */
export function eachBytes(context: usize, from: usize, end: usize): u32 {
  const table = <usize>load<u32>(context + ROUTES);
  const eachFlags = load<u32>(context + EACH_FLAGS);
  const by = load<u32>(context + SHARE_BY);
  const shares = load<u32>(context + SHARES);
  const share = load<u32>(context + SHARE);
  let at = from;
  while (at < end) {
    const flags = <u32>load<u8>(at + RECORD_FLAGS);
    const own = (flags & FLAG_TOMBSTONE) == 0 && (shares == 0 || isOwn(at, by, shares, share));
    if (own && (flags & eachFlags) == 0) {
      const slot = routeOf(table, at, topicOf(at));
      if (slot == 0 || routeKind(slot) != EACH) break;
    }
    at += padded(load<u32>(at + RECORD_LENGTH));
  }
  return <u32>(at - from);
}
