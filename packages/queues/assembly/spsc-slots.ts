// One producer, one consumer, numbers: a ring of f64 with two indexes (Lamport 1983), each side with a cached copy of the
// other's (as in FastForward and rigtorp's SPSCQueue), so that a shared line is looked at only when the cached index
// says full or empty.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 ×2 | capacity (a power of two), address of the cells |
// | 128 | u64 | tail: values put in, published |
// | 256 | u64 | head: values taken out, published |
// | 384 | u64 ×2 | producer's own: tail, head as it last saw it |
// | 512 | u64 ×3, u32, i32 | consumer's own: head, tail as it last saw it, head as published; publish it every so many; looks in a row that found few |
// | 640 | i32 | consumer's parker |
// | 768 | i32 | producer's parker |
// | 896 | i32 ×2 | producer taken, consumer taken |

import { unpark } from "./parker";

const CAPACITY: usize = 0;
const CELLS: usize = 4;
const TAIL: usize = 128;
const HEAD: usize = 256;
const OWN_TAIL: usize = 384;
const SEEN_HEAD: usize = 392;
const OWN_HEAD: usize = 512;
const SEEN_TAIL: usize = 520;
const SAID_HEAD: usize = 528;
const RELEASE_EVERY: usize = 536;
const HURRIES: usize = 540;
const CONSUMER_PARKER: usize = 640;
const PRODUCER_PARKER: usize = 768;
const PRODUCER_TAKEN: usize = 896;
const CONSUMER_TAKEN: usize = 900;
export const SPSC_SLOTS_BYTES: usize = 1024;

export function slotsInit(q: usize, capacity: u32, cells: usize): void {
  store<u32>(q + CAPACITY, capacity);
  store<u32>(q + CELLS, <u32>cells);
}

/** 1 when the side was free and is the caller's now. */
export function slotsTake(q: usize, consumer: bool): u32 {
  return atomic.cmpxchg<i32>(q + (consumer ? CONSUMER_TAKEN : PRODUCER_TAKEN), 0, 1) == 0 ? 1 : 0;
}

export function slotsLeave(q: usize, consumer: bool): void {
  // What was taken out and not said yet: the next consumer begins there.
  if (consumer) atomic.store<u64>(q + HEAD, load<u64>(q + OWN_HEAD));
  atomic.store<i32>(q + (consumer ? CONSUMER_TAKEN : PRODUCER_TAKEN), 0);
}

export function slotsReleaseEvery(q: usize, values: u32): void {
  store<u32>(q + RELEASE_EVERY, values);
}

/** Values put in and not taken out, from any thread. */
export function slotsDepth(q: usize): u32 {
  const head = atomic.load<u64>(q + HEAD);
  return <u32>(atomic.load<u64>(q + TAIL) - head);
}

export function slotsParker(q: usize, consumer: bool): usize {
  return q + (consumer ? CONSUMER_PARKER : PRODUCER_PARKER);
}

/** How many of `most` values may be put in now. */
// @ts-ignore: decorator
@inline
export function slotsFree(q: usize, most: u32): u32 {
  const capacity = <u64>load<u32>(q + CAPACITY);
  const tail = load<u64>(q + OWN_TAIL);
  let free = capacity - (tail - load<u64>(q + SEEN_HEAD));
  if (free < <u64>most) {
    const head = atomic.load<u64>(q + HEAD);
    store<u64>(q + SEEN_HEAD, head);
    free = capacity - (tail - head);
  }
  return free < <u64>most ? <u32>free : most;
}

/** Publishes `count` values that were put in behind the tail. */
// @ts-ignore: decorator
@inline
export function slotsPublish(q: usize, count: u32): void {
  const tail = load<u64>(q + OWN_TAIL) + <u64>count;
  store<u64>(q + OWN_TAIL, tail);
  atomic.store<u64>(q + TAIL, tail);
  unpark(q + CONSUMER_PARKER);
}

/** How many of `most` values there are to take out. */
// @ts-ignore: decorator
@inline
export function slotsAvailable(q: usize, most: u32): u32 {
  const head = load<u64>(q + OWN_HEAD);
  let available = load<u64>(q + SEEN_TAIL) - head;
  if (available < <u64>most) {
    const hurries = load<i32>(q + HURRIES);
    if (hurries == MOST_HURRIES) rest(q);
    const tail = atomic.load<u64>(q + TAIL);
    store<u64>(q + SEEN_TAIL, tail);
    store<i32>(q + HURRIES, hurriesAfter(hurries, tail - head - available));
    available = tail - head;
    // Nothing left: the producer must not wait for values that are out already.
    if (available == 0 && head != load<u64>(q + SAID_HEAD)) sayHead(q, head);
  }
  return available < <u64>most ? <u32>available : most;
}

/**
 * A consumer that follows closely looks at the tail after each value, and each look takes the line away from the producer,
 * who then waits for it at its next publication. After some looks in a row that found few values, and none that found nothing,
 * the next ones come a little later. Where that finds no more than before, as on one thread, it is left for a while.
 */
const MOST_HURRIES: i32 = 8;
const FEW: u64 = 32;
const WORTH_IT: u64 = 8;
const IN_VAIN: i32 = -1000;
/** Some 0.4 µs, in which a producer publishes some 40 values. */
const REST: u32 = 400;

function rest(q: usize): void {
  // Loads of the consumer's own line, atomic so that they stay.
  for (let i: u32 = 0; i < REST; i++) atomic.load<u32>(q + HURRIES);
}

/** How many looks in a row found few; below 0, how many are left until that is counted again. */
// @ts-ignore: decorator
@inline
function hurriesAfter(hurries: i32, found: u64): i32 {
  if (hurries < 0) return hurries + 1;
  if (found == 0) return 0;
  if (hurries == MOST_HURRIES) return found < WORTH_IT ? IN_VAIN : MOST_HURRIES;
  return found < FEW ? hurries + 1 : hurries;
}

function sayHead(q: usize, head: u64): void {
  store<u64>(q + SAID_HEAD, head);
  atomic.store<u64>(q + HEAD, head);
  unpark(q + PRODUCER_PARKER);
}

/** Gives back the cells of `count` values that were taken out. */
// @ts-ignore: decorator
@inline
export function slotsRelease(q: usize, count: u32): void {
  const head = load<u64>(q + OWN_HEAD) + <u64>count;
  store<u64>(q + OWN_HEAD, head);
  if (head - load<u64>(q + SAID_HEAD) >= <u64>load<u32>(q + RELEASE_EVERY)) sayHead(q, head);
}

// @ts-ignore: decorator
@inline
function cell(q: usize, index: u64): usize {
  return <usize>load<u32>(q + CELLS) + (<usize>(<u32>index & (load<u32>(q + CAPACITY) - 1)) << 3);
}

/** 1, or 0 when it is full. */
export function slotsPush(q: usize, value: f64): u32 {
  if (slotsFree(q, 1) == 0) return 0;
  store<f64>(cell(q, load<u64>(q + OWN_TAIL)), value);
  slotsPublish(q, 1);
  return 1;
}

/** The oldest value, NaN when there is none. */
export function slotsPop(q: usize): f64 {
  if (slotsAvailable(q, 1) == 0) return NaN;
  const value = load<f64>(cell(q, load<u64>(q + OWN_HEAD)));
  slotsRelease(q, 1);
  return value;
}
