// Checking records that were read from a log file.
//
// Result:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | why it stopped |
// | 4 | u32 | bytes of the good records, padding included |
// | 8 | u32 | records |
// | 12 | u32 | tombstones among them |
// | 16 | f64 | sequence of the first |
// | 24 | f64 | sequence of the last |
// | 32 | f64 | time of the first, ms since the epoch |
// | 40 | f64 | time of the last |
// | 48 | f64 | the latest time among them: a clock may have been set back |

import { crc32 } from "@esc/events/assembly/crc32";
import {
  EVENT_ID_BYTES, FLAG_ID, FLAG_METADATA, FLAG_TOMBSTONE, RECORD_CRC, RECORD_FLAGS, RECORD_HASH, RECORD_HEADER, RECORD_LENGTH,
  RECORD_PRIORITY, RECORD_SEQUENCE, RECORD_TIME, RECORD_TOPIC_LENGTH, padded,
} from "@esc/events/assembly/record";
import { hashTopic } from "@esc/events/assembly/topic";

const STATUS: usize = 0;
const BYTES: usize = 4;
const RECORDS: usize = 8;
const TOMBSTONES: usize = 12;
const FIRST_SEQUENCE: usize = 16;
const LAST_SEQUENCE: usize = 24;
const FIRST_TIME: usize = 32;
const LAST_TIME: usize = 40;
const MAX_TIME: usize = 48;

/** All bytes are good records. */
const END: u32 = 0;
/** The last record goes on behind `end`. */
const PARTIAL: u32 = 1;
/** The length can't be a record's. */
const BAD_LENGTH: u32 = 2;
const BAD_CRC: u32 = 3;
/** The record is whole and good, but not the one that comes next. */
const BAD_SEQUENCE: u32 = 4;

/** Why the record at `p` isn't good, or `END`. */
function checkRecord(p: usize, end: usize, maxLength: u32, crcTable: usize): u32 {
  if (end - p < <usize>RECORD_HEADER) {
    // What is there of a length must be possible, or the tail isn't a record that was cut off.
    return end - p >= 4 && !possible(load<u32>(p), maxLength) ? BAD_LENGTH : PARTIAL;
  }
  const length = load<u32>(p + RECORD_LENGTH);
  if (!possible(length, maxLength)) return BAD_LENGTH;
  if (<usize>padded(length) > end - p) return PARTIAL;
  if (crc32(crcTable, p + RECORD_SEQUENCE, length - <u32>RECORD_SEQUENCE) != load<u32>(p + RECORD_CRC)) return BAD_CRC;
  // The CRC is right, so these are as they were written; a record that doesn't hold together was never ours.
  const flags = <u32>load<u8>(p + RECORD_FLAGS);
  let body = RECORD_HEADER + <u32>load<u16>(p + RECORD_TOPIC_LENGTH) + (flags & FLAG_ID ? EVENT_ID_BYTES : 0);
  if (body > length) return BAD_LENGTH;
  if (flags & FLAG_METADATA) {
    if (body + 2 > length || body + 2 + <u32>load<u16>(p + <usize>body) > length) return BAD_LENGTH;
  }
  for (let i = length; i < padded(length); i++) if (load<u8>(p + <usize>i) != 0) return BAD_CRC;
  return END;
}

// @ts-ignore: decorator
@inline
function possible(length: u32, maxLength: u32): bool {
  return length >= RECORD_HEADER && length <= maxLength;
}

/**
 * Walks the records of [p, end) as long as they are good, come before `until` where that is not 0, and, where
 * `expected` is not 0, are in sequence from it on. Returns the status and writes the result.
 */
export function scanRecords(
  p: usize, end: usize, maxLength: u32, crcTable: usize, expected: f64, until: f64, result: usize,
): u32 {
  const start = p;
  let records: u32 = 0;
  let tombstones: u32 = 0;
  let status: u32 = END;
  let next = <u64>expected;
  let maxTime: f64 = 0;
  while (p < end) {
    // Before the check: what is at `until` and behind may only be being written.
    if (until != 0 && next != 0 && next >= <u64>until) break;
    status = checkRecord(p, end, maxLength, crcTable);
    if (status != END) break;
    const sequence = load<u64>(p + RECORD_SEQUENCE);
    if (next != 0 && sequence != next) {
      status = BAD_SEQUENCE;
      break;
    }
    next = sequence + 1;
    const timeMs = <f64>(load<u64>(p + RECORD_TIME) / 1_000_000);
    if (records == 0) {
      store<f64>(result + FIRST_SEQUENCE, <f64>sequence);
      store<f64>(result + FIRST_TIME, timeMs);
    }
    store<f64>(result + LAST_SEQUENCE, <f64>sequence);
    store<f64>(result + LAST_TIME, timeMs);
    maxTime = max(maxTime, timeMs);
    if (load<u8>(p + RECORD_FLAGS) & FLAG_TOMBSTONE) tombstones++;
    records++;
    p += padded(load<u32>(p));
  }
  store<u32>(result + STATUS, status);
  store<u32>(result + BYTES, <u32>(p - start));
  store<u32>(result + RECORDS, records);
  store<u32>(result + TOMBSTONES, tombstones);
  store<f64>(result + MAX_TIME, maxTime);
  return status;
}

/** Bytes of zeros from `p` on. */
export function zerosFrom(p: usize, end: usize): u32 {
  const start = p;
  while (p + 8 <= end && load<u64>(p) == 0) p += 8;
  while (p < end && load<u8>(p) == 0) p++;
  return <u32>(p - start);
}

// Checked bytes after which a search gives up: 2 MiB of new ground a call take a hundredth of it, unless somebody filled a
// payload with headers so that every eighth byte costs a CRC over a megabyte.
const SEARCH_BUDGET: u64 = 268_435_456;
const NONE: i32 = -1;
const GAVE_UP: i32 = -2;

/**
 * Looks for a good record with a sequence in [atLeast, atMost] at any multiple of 8 in [p, end). Returns its offset;
 * `NONE`; `GAVE_UP` when that cost too much; or `-3 - offset` of one that `end` cuts off although the file, which has
 * `available` bytes from `p` on, may hold it.
 */
export function findRecord(
  p: usize, end: usize, available: f64, maxLength: u32, crcTable: usize, atLeast: f64, atMost: f64,
): i32 {
  let spent: u64 = 0;
  for (let at = p; at + <usize>RECORD_HEADER <= end; at += 8) {
    // From the cheapest check to the dearest: what isn't a record's header seldom comes as far as the CRC.
    const length = load<u32>(at);
    if (!possible(length, maxLength)) continue;
    const sequence = load<u64>(at + RECORD_SEQUENCE);
    if (sequence < <u64>atLeast || sequence > <u64>atMost) continue;
    if (load<u8>(at + RECORD_PRIORITY) > 4 || load<u8>(at + RECORD_FLAGS) >= 0x40) continue;
    const status = checkRecord(at, end, maxLength, crcTable);
    if (status == END) return <i32>(at - p);
    if (status == PARTIAL) {
      if (<f64>(at - p) + <f64>padded(length) <= available) return -3 - <i32>(at - p);
    } else {
      spent += length;
      if (spent > SEARCH_BUDGET) return GAVE_UP;
    }
  }
  return NONE;
}

/**
 * The length from `atLeast` up under which the record at `p` has the CRC that its header names, or 0. Where only the
 * length is damaged this finds the true one: one pass, for the CRC of each length continues the one before.
 */
export function findLength(p: usize, end: usize, atLeast: u32, maxLength: u32, crcTable: usize): u32 {
  if (end - p < <usize>RECORD_HEADER) return 0;
  const wanted = ~load<u32>(p + RECORD_CRC);
  const most = <u32>min<usize>(end - p, <usize>maxLength);
  let c: u32 = 0xffffffff;
  for (let length = <u32>RECORD_SEQUENCE; length <= most; length++) {
    if (length >= atLeast && c == wanted) return length;
    if (length < most) c = (c >>> 8) ^ load<u32>(crcTable + (((c ^ <u32>load<u8>(p + <usize>length)) & 255) << 2));
  }
  return 0;
}

/** Whether the header at `p` names the hash of the topic behind it: 32 bits that say it is a record's header. */
export function hashHolds(p: usize, end: usize): bool {
  if (end - p < <usize>RECORD_HEADER) return false;
  const topic = RECORD_HEADER + (<u32>load<u8>(p + RECORD_FLAGS) & FLAG_ID ? EVENT_ID_BYTES : 0);
  const length = <u32>load<u16>(p + RECORD_TOPIC_LENGTH);
  if (<usize>(topic + length) > end - p) return false;
  return hashTopic(p + <usize>topic, length) == load<u32>(p + RECORD_HASH);
}
