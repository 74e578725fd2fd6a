// Built-ins: counts, sums, histograms and thresholds over events as they lie in the ring: filter, then sample, then
// aggregate. Written by the lane's thread, read by any; a double is stored at once on the machines that Node runs on.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | address of the topic routes of the thread that runs |
// | 4 | u32 | out: address of the record whose topic isn't in the table |
// | 8 | u32 | out: thresholds that were exceeded, a bit each |
// | 16 | f64 | position in the ring before which everything was looked at (TypeScript's) |
// | 24, 28, 32 | u32 | of a shard: by what records are told, shards, shard; 0 shards: all records are the lane's own |
// | 64 + 648·n | | built-in n |
//
// | offset | size | field of a built-in |
// |---|---|---|
// | 0 | u32 | what it is a hash of (TypeScript's) |
// | 4 | u8 | kind: 0 count, 1 sum, 2 histogram, 3 threshold |
// | 5 | u8 | type of the field: 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 u64, 7 i64, 8 f32, 9 f64 |
// | 6 | u8 | 1: big-endian |
// | 7 | u8 | bounds of the histogram, up to 32 |
// | 8 | u32 | one in so many is taken |
// | 12 | u32 | the field's offset in the payload |
// | 16 | f64 | threshold |
// | 24 | f64 | events that passed the filter |
// | 32 | f64 | events that were sampled, and had a value |
// | 40 | f64 | payloads too short for the field |
// | 48 | f64 | values that are no finite number |
// | 56, 64, 72 | f64 | sum, least, greatest value |
// | 80 | f64 | values over the threshold |
// | 88, 96, 104 | f64 | of them since the last alert: how many, the greatest, its sequence |
// | 112 | f64 | when the last alert was raised (TypeScript's) |
// | 120 | u32 | events to pass over before the next is sampled |
// | 128 | 32 f64 | bounds, ascending |
// | 384 | 33 f64 | values up to each bound; over the last |

import {
  FLAG_TOMBSTONE, RECORD_FLAGS, RECORD_LENGTH, RECORD_SEQUENCE, padded,
} from "@esc/events/assembly/record";
import { isOwn } from "@esc/queues/assembly/share";
import { payloadOf, topicOf } from "./record-parts";
import { routeBuiltIns, routeOf } from "./topic-routes";

const ROUTES: usize = 0;
const UNKNOWN_AT: usize = 4;
const EXCEEDED: usize = 8;
const SHARE_BY: usize = 24;
const SHARES: usize = 28;
const SHARE: usize = 32;
const BUILT_INS: usize = 64;
const BUILT_IN_BYTES: usize = 648;

const KIND: usize = 4;
const TYPE: usize = 5;
const BIG_ENDIAN: usize = 6;
const BOUND_COUNT: usize = 7;
const SAMPLE: usize = 8;
const OFFSET: usize = 12;
const THRESHOLD: usize = 16;
const MATCHED: usize = 24;
const COUNTED: usize = 32;
const TOO_SHORT: usize = 40;
const NOT_FINITE: usize = 48;
const SUM: usize = 56;
const LEAST: usize = 64;
const GREATEST: usize = 72;
const OVER: usize = 80;
const OVER_NEW: usize = 88;
const WORST: usize = 96;
const WORST_SEQUENCE: usize = 104;
const SKIP: usize = 120;
const BOUNDS: usize = 128;
const BUCKETS: usize = 384;

const COUNT: u32 = 0;
const HISTOGRAM: u32 = 2;
const ALERT: u32 = 3;

// @ts-ignore: decorator
@inline
function add(at: usize, n: f64): void {
  store<f64>(at, load<f64>(at) + n);
}

/** Looks at the lane's own records in [from, end). @returns false at a topic that isn't in the table; the block says where. */
export function observe(block: usize, from: usize, end: usize): bool {
  const table = <usize>load<u32>(block + ROUTES);
  const by = load<u32>(block + SHARE_BY);
  const shares = load<u32>(block + SHARES);
  const share = load<u32>(block + SHARE);
  let at = from;
  while (at < end) {
    const length = load<u32>(at + RECORD_LENGTH);
    const own = shares == 0 || isOwn(at, by, shares, share);
    if (own && (<u32>load<u8>(at + RECORD_FLAGS) & FLAG_TOMBSTONE) == 0) {
      const topic = topicOf(at);
      const slot = routeOf(table, at, topic);
      if (slot == 0) {
        store<u32>(block + UNKNOWN_AT, <u32>at);
        return false;
      }
      let which = routeBuiltIns(slot);
      while (which != 0) {
        const n = ctz(which);
        which &= which - 1;
        take(block, n, at, topic, length);
      }
    }
    at += padded(length);
  }
  return true;
}

/** Looks at one record, whose built-ins are known. */
export function applyBuiltIns(block: usize, record: usize, which: u32): void {
  const topic = topicOf(record);
  const length = load<u32>(record + RECORD_LENGTH);
  while (which != 0) {
    const n = ctz(which);
    which &= which - 1;
    take(block, n, record, topic, length);
  }
}

// @ts-ignore: decorator
@inline
function take(block: usize, n: u32, record: usize, topic: usize, length: u32): void {
  const it = block + BUILT_INS + <usize>n * BUILT_IN_BYTES;
  add(it + MATCHED, 1);
  const every = load<u32>(it + SAMPLE);
  if (every > 1) {
    const skip = load<u32>(it + SKIP);
    if (skip > 0) {
      store<u32>(it + SKIP, skip - 1);
      return;
    }
    store<u32>(it + SKIP, every - 1);
  }
  if (<u32>load<u8>(it + KIND) == COUNT) add(it + COUNTED, 1);
  else takeValue(block, it, n, record, payloadOf(record, topic), length);
}

function takeValue(block: usize, it: usize, n: u32, record: usize, payload: usize, length: u32): void {
  const type = <u32>load<u8>(it + TYPE);
  const field = payload + <usize>load<u32>(it + OFFSET);
  if (field + fieldBytes(type) > record + <usize>length) {
    add(it + TOO_SHORT, 1);
    return;
  }
  const value = read(field, type, load<u8>(it + BIG_ENDIAN) != 0);
  if (!isFinite<f64>(value)) {
    add(it + NOT_FINITE, 1);
    return;
  }
  const counted = load<f64>(it + COUNTED);
  add(it + SUM, value);
  if (counted == 0 || value < load<f64>(it + LEAST)) store<f64>(it + LEAST, value);
  if (counted == 0 || value > load<f64>(it + GREATEST)) store<f64>(it + GREATEST, value);
  const kind = <u32>load<u8>(it + KIND);
  if (kind == HISTOGRAM) {
    add(it + BUCKETS + 8 * bucketOf(it, value), 1);
  } else if (kind == ALERT && value > load<f64>(it + THRESHOLD)) {
    const fresh = load<f64>(it + OVER_NEW);
    if (fresh == 0 || value > load<f64>(it + WORST)) {
      store<f64>(it + WORST, value);
      store<f64>(it + WORST_SEQUENCE, <f64>load<u64>(record + RECORD_SEQUENCE));
    }
    store<f64>(it + OVER_NEW, fresh + 1);
    add(it + OVER, 1);
    store<u32>(block + EXCEEDED, load<u32>(block + EXCEEDED) | (1 << n));
  }
  store<f64>(it + COUNTED, counted + 1);
}

/** The first bucket whose bound isn't below the value; the one behind the last bound else. By halves: five looks at most. */
// @ts-ignore: decorator
@inline
function bucketOf(it: usize, value: f64): usize {
  let low: usize = 0;
  let high = <usize>load<u8>(it + BOUND_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f64>(it + BOUNDS + 8 * middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Bytes of a field: 1, 1, 2, 2, 4, 4, 8, 8, and 4 and 8 of the floats. */
// @ts-ignore: decorator
@inline
function fieldBytes(type: u32): usize {
  return type < 8 ? <usize>1 << (type >> 1) : type == 8 ? 4 : 8;
}

// @ts-ignore: decorator
@inline
function read(at: usize, type: u32, big: bool): f64 {
  switch (type) {
    case 0:
      return <f64>load<u8>(at);
    case 1:
      return <f64>load<i8>(at);
    case 2:
      return <f64>(big ? bswap<u16>(load<u16>(at)) : load<u16>(at));
    case 3:
      return <f64>(<i16>(big ? bswap<u16>(load<u16>(at)) : load<u16>(at)));
    case 4:
      return <f64>(big ? bswap<u32>(load<u32>(at)) : load<u32>(at));
    case 5:
      return <f64>(<i32>(big ? bswap<u32>(load<u32>(at)) : load<u32>(at)));
    case 6:
      return <f64>(big ? bswap<u64>(load<u64>(at)) : load<u64>(at));
    case 7:
      return <f64>(<i64>(big ? bswap<u64>(load<u64>(at)) : load<u64>(at)));
    case 8:
      return <f64>reinterpret<f32>(big ? bswap<u32>(load<u32>(at)) : load<u32>(at));
    default:
      return reinterpret<f64>(big ? bswap<u64>(load<u64>(at)) : load<u64>(at));
  }
}
