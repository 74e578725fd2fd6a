// Producers: claim, fill, publish.
//
// A producer claims bytes and sequences together by one compare-and-swap, fills them, and publishes. `published` moves
// from claim to claim in the order of the claims. A producer whose turn it is not marks its claim done and leaves;
// whoever moves `published` to the start of a claim that is done moves it on. So no producer ever waits for another,
// and stale bytes of an earlier lap can't be taken for a record: only `published` says what is one.
//
// Producer's slot:
//
// | offset | size | field |
// |---|---|---|
// | 0 | i32 ×2 | used; done: the claim is complete and waits for its turn |
// | 8 | u64 | start of the claim; bit 0 set while it is only tried, bit 1 when there is none |
// | 16 | u64 ×2 | of a claim that is done: its end, the sequence behind it |
// | 32 | u64 | cached gate: the slowest consumer's position as this producer last saw it |
// | 40 | i32 ×2 | thread that owns the slot, 1 when that thread is known to be gone |
// | 48 | u32 ×2 | sequences of the claim, fence |
// | 64 | i32 | parker: the producer sleeps at it for space |
// | 72 | u64 ×2 | of a claim that is open or only tried: its end, the sequence behind it |
//
// The slot says which bytes a claim covers before the claim exists, so that a claim whose producer is gone can be found
// and closed (`orphan`). What it says then lies apart from what a helper reads to publish: a claim that is only tried has
// no sequence yet.

import {
  CLAIM, ON_PUBLISH, PRODUCERS, PRODUCER_BYTES, PUBLISHED, PUBLISHED_SEQUENCE, TAPS, capacity, consumersOf, fence,
  producerPlaces, published, publishedSequence, raise, wakeAll,
} from "./control";
import { slowest } from "./cursors";

const USED: usize = 0;
const DONE: usize = 4;
const START: usize = 8;
const END: usize = 16;
const NEXT_SEQUENCE: usize = 24;
const GATE: usize = 32;
const THREAD: usize = 40;
const GONE: usize = 44;
const COUNT: usize = 48;
const FENCE: usize = 52;
const PARKER: usize = 64;
const OPEN_END: usize = 72;
const OPEN_NEXT: usize = 80;

const TRYING: u64 = 1;
const NO_CLAIM: u64 = 2;

// @ts-ignore: decorator
@inline
function slotOf(ring: usize, producer: u32): usize {
  return ring + PRODUCERS + <usize>producer * PRODUCER_BYTES;
}

/** Takes a free producer's slot for a thread; -1 when all of the first `most` are taken. */
export function addProducer(ring: usize, thread: i32, most: u32): i32 {
  for (let i: u32 = 0; i < most; i++) {
    const slot = slotOf(ring, i);
    if (atomic.cmpxchg<i32>(slot + USED, 0, 1) != 0) continue;
    atomic.store<u64>(slot + START, NO_CLAIM);
    atomic.store<i32>(slot + GONE, 0);
    atomic.store<i32>(slot + THREAD, thread);
    return <i32>i;
  }
  return -1;
}

/** Gives a slot back whose last claim is published. False when it isn't yet: then the slot stays taken. */
export function removeProducer(ring: usize, producer: u32): bool {
  if (!mayClaim(ring, producer)) return false;
  atomic.store<i32>(slotOf(ring, producer) + USED, 0);
  return true;
}

export function producerParker(ring: usize, producer: u32): usize {
  return slotOf(ring, producer) + PARKER;
}

export function claimStart(ring: usize, producer: u32): u64 {
  return load<u64>(slotOf(ring, producer) + START);
}

export function claimEnd(ring: usize, producer: u32): u64 {
  return load<u64>(slotOf(ring, producer) + OPEN_END);
}

export function claimNext(ring: usize, producer: u32): u64 {
  return load<u64>(slotOf(ring, producer) + OPEN_NEXT);
}

export function claimCount(ring: usize, producer: u32): u32 {
  return load<u32>(slotOf(ring, producer) + COUNT);
}

/**
 * The claim word. The published position and sequence must be loaded before it: then they are never ahead of it, and
 * `claimPosition` and `claimSequence` can widen its halves. Published and claimed are less than 2^32 apart in both.
 */
// @ts-ignore: decorator
@inline
export function claimWord(ring: usize): u64 {
  return atomic.load<u64>(ring + CLAIM);
}

// @ts-ignore: decorator
@inline
export function claimPosition(word: u64, publishedBefore: u64): u64 {
  return publishedBefore + (<u64>(<u32>word - <u32>(publishedBefore >> 3)) << 3);
}

// @ts-ignore: decorator
@inline
export function claimSequence(word: u64, publishedSequenceBefore: u64): u64 {
  return publishedSequenceBefore + <u64>(<u32>(word >> 32) - <u32>publishedSequenceBefore);
}

/** Where the claims end now. */
export function claimed(ring: usize): u64 {
  const before = published(ring);
  return claimPosition(claimWord(ring), before);
}

/**
 * Claims `bytes` (padded sizes and wrap padding) from `start` on and `count` sequences up to `next`, if nobody has
 * claimed since `word` was loaded. `start` and `next - count` are what `word` says.
 */
export function tryClaim(ring: usize, producer: u32, word: u64, start: u64, bytes: u32, count: u32, next: u64): bool {
  const slot = slotOf(ring, producer);
  store<u64>(slot + OPEN_END, start + <u64>bytes);
  store<u64>(slot + OPEN_NEXT, next);
  store<u32>(slot + COUNT, count);
  atomic.store<u64>(slot + START, start | TRYING);
  const moved = <u64>(<u32>word + (bytes >> 3)) | (<u64>(<u32>(word >> 32) + count) << 32);
  if (atomic.cmpxchg<u64>(ring + CLAIM, word, moved) != word) {
    store<u64>(slot + START, NO_CLAIM);
    return false;
  }
  store<u64>(slot + START, start);
  // A consumer that doesn't gate must see the claim before the bytes change under it. Compare-and-swap alone doesn't
  // keep later plain stores behind itself on every machine.
  if (atomic.load<i32>(ring + TAPS) != 0) fence(slot + FENCE);
  return true;
}

/**
 * The same for a ring's only producer, which needs no compare-and-swap: where it may write is where it has published.
 * The claim word is kept for consumers that don't gate; the publication's store brings it along for those that come later.
 */
// @ts-ignore: decorator
@inline
export function claimAlone(ring: usize, producer: u32, start: u64, bytes: u32, next: u64): void {
  const slot = slotOf(ring, producer);
  store<u64>(slot + START, start);
  store<u64>(slot + OPEN_END, start + <u64>bytes);
  store<u64>(slot + OPEN_NEXT, next);
  store<u64>(ring + CLAIM, <u64>(<u32>((start + <u64>bytes) >> 3)) | ((next & 0xffffffff) << 32));
  if (atomic.load<i32>(ring + TAPS) != 0) fence(slot + FENCE);
}

/** Bytes free behind `tail`: from the cached gate when that is at least `wanted`, else from the consumers' cursors. */
// @ts-ignore: decorator
@inline
export function freeBytes(ring: usize, producer: u32, tail: u64, wanted: u64): u64 {
  const slot = slotOf(ring, producer);
  const size = <u64>capacity(ring);
  // The cached gate may lag behind another producer's newer view: then tail - gate exceeds the capacity.
  const used = tail - load<u64>(slot + GATE);
  if (used <= size && size - used >= wanted) return size - used;
  const gate = slowest(ring);
  store<u64>(slot + GATE, gate);
  // A consumer that is being added stands for a moment at a position that has been passed already.
  return tail - gate > size ? 0 : size - (tail - gate);
}

/**
 * Whether the producer may claim. It may not while its last claim, done, waits for an earlier one of another producer:
 * a slot holds one claim. Treat it as a full ring.
 */
// @ts-ignore: decorator
@inline
export function mayClaim(ring: usize, producer: u32): bool {
  const slot = slotOf(ring, producer);
  if (load<i32>(slot + DONE) == 0) return true;
  if (published(ring) <= load<u64>(slot + START)) return false;
  atomic.store<i32>(slot + DONE, 0);
  return true;
}

/** Publishes the claim [start, end), whose records are complete; `next` is the sequence behind it. Never waits. */
export function publish(ring: usize, producer: u32, start: u64, end: u64, next: u64): void {
  if (published(ring) == start) {
    // It is this claim's turn, and nobody else can move the position: it isn't marked done. The sequence goes first,
    // so that who sees the position sees a sequence that is at least as new.
    atomic.store<u64>(ring + PUBLISHED_SEQUENCE, next);
    atomic.store<u64>(ring + PUBLISHED, end);
  } else {
    const slot = slotOf(ring, producer);
    store<u64>(slot + END, end);
    store<u64>(slot + NEXT_SEQUENCE, next);
    atomic.store<u64>(slot + START, start);
    atomic.store<i32>(slot + DONE, 1);
  }
  // Marking and this look at the position are both sequentially consistent, as are the other's move of the position
  // and its look at the marks: one of the two sees the other, so a claim that is done is never left behind.
  while (publishNext(ring)) {}
  wakeAll(ring, ON_PUBLISH);
}

/** The same for a ring's only producer: the sequence needs no order of its own, the position's store brings it along. */
// @ts-ignore: decorator
@inline
export function publishAlone(ring: usize, end: u64, next: u64): void {
  store<u64>(ring + PUBLISHED_SEQUENCE, next);
  atomic.store<u64>(ring + PUBLISHED, end);
  wakeAll(ring, ON_PUBLISH);
}

/** Publishes a claim that is done and whose turn it is; false when there is none. */
function publishNext(ring: usize): bool {
  const position = published(ring);
  // Nothing is claimed behind it: the usual case, and it saves the look at every slot.
  if (<u32>claimWord(ring) == <u32>(position >> 3)) return false;
  const end = consumersOf(ring);
  for (let slot = ring + PRODUCERS; slot < end; slot += PRODUCER_BYTES) {
    if (atomic.load<i32>(slot + DONE) == 0 || atomic.load<u64>(slot + START) != position) continue;
    const to = atomic.load<u64>(slot + END);
    raise(ring + PUBLISHED_SEQUENCE, atomic.load<u64>(slot + NEXT_SEQUENCE));
    // Fails when another helper was faster; then the slot may already hold a newer claim, and `to` may be that one's:
    // positions only grow, so the comparison with the old position keeps it out.
    atomic.cmpxchg<u64>(ring + PUBLISHED, position, to);
    return true;
  }
  return false;
}

// --- a producer that is gone ---

/** The thread whose claim holds up publication, where one does; -1 otherwise, -2 when it can't be told just now. */
export function blockedBy(ring: usize): i32 {
  const position = published(ring);
  if (claimPosition(claimWord(ring), position) == position) return -1;
  const end = consumersOf(ring);
  for (let slot = ring + PRODUCERS; slot < end; slot += PRODUCER_BYTES) {
    if (atomic.load<u64>(slot + START) == position && atomic.load<i32>(slot + DONE) == 0) return atomic.load<i32>(slot + THREAD);
  }
  return -2;
}

/** The next slot from `from` on that the thread owns; -1 when there is none. */
export function producerOf(ring: usize, thread: i32, from: u32): i32 {
  for (let i = from; i < producerPlaces(ring); i++) {
    const slot = slotOf(ring, i);
    if (atomic.load<i32>(slot + USED) != 0 && atomic.load<i32>(slot + THREAD) == thread) return <i32>i;
  }
  return -1;
}

export const ORPHAN_NONE: i32 = 0;
export const ORPHAN_OPEN: i32 = 1;
export const ORPHAN_UNKNOWN: i32 = 2;

/**
 * Whether a producer whose thread is gone has left a claim open: claimed, and neither published nor done. "Unknown"
 * while a living producer tries to claim the same bytes: ask again, it will have moved on.
 *
 * The gone one may have been cut off between announcing the claim and the compare-and-swap, so the slot alone doesn't
 * tell. But claims are disjoint: what begins there is somebody's, and every other producer's slot says whether it is its.
 */
export function orphan(ring: usize, producer: u32): i32 {
  const mine = slotOf(ring, producer);
  atomic.store<i32>(mine + GONE, 1);
  const word = atomic.load<u64>(mine + START);
  const start = word & ~TRYING;
  if ((word & NO_CLAIM) != 0 || atomic.load<i32>(mine + DONE) != 0) return ORPHAN_NONE;
  const before = published(ring);
  if (before > start || claimPosition(claimWord(ring), before) == start) return ORPHAN_NONE;
  if ((word & TRYING) == 0) return ORPHAN_OPEN;
  let least = claimed(ring);
  const end = consumersOf(ring);
  for (let slot = ring + PRODUCERS; slot < end; slot += PRODUCER_BYTES) {
    if (slot == mine || atomic.load<i32>(slot + USED) == 0) continue;
    const other = atomic.load<u64>(slot + START);
    if (other == start) return ORPHAN_NONE;
    if (other == word && atomic.load<i32>(slot + GONE) == 0) return ORPHAN_UNKNOWN;
    // What another tries to claim begins where a claim ended, too.
    if ((other & NO_CLAIM) == 0 && (other & ~TRYING) > start && (other & ~TRYING) < least) least = other & ~TRYING;
  }
  // Who had claimed it and has gone on since, has had it published first.
  if (published(ring) > start) return ORPHAN_NONE;
  // Its claim ends where the next begins; if that isn't where it was going to end, the claim was another's who is gone too.
  if (least != load<u64>(mine + OPEN_END)) return ORPHAN_NONE;
  atomic.store<u64>(mine + START, start);
  return ORPHAN_OPEN;
}

/** Frees the slot of a producer that is gone, once its claim is published. False while it isn't. */
export function freeProducer(ring: usize, producer: u32): bool {
  const slot = slotOf(ring, producer);
  if (atomic.load<i32>(slot + DONE) != 0 && published(ring) <= atomic.load<u64>(slot + START)) return false;
  atomic.store<i32>(slot + DONE, 0);
  atomic.store<u64>(slot + START, NO_CLAIM);
  atomic.store<i32>(slot + USED, 0);
  return true;
}
