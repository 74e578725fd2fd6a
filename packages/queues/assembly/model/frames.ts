// Framed records for the explorer: producers that commit, abort, and end in the middle; readers that gate and one that
// doesn't.
//
// | offset | what |
// |---|---|
// | 0 | the ring's control block |
// | 5888 | its data |
// | 6144 + 64·j | reader j: u32 records read, u32 the first one that was damaged |
// | 6400 | a tap's copy |
//
// A record's payload of 12 bytes says its producer and its number: 0xa0 + producer, the number, and both added up.

import { padded } from "@esc/events/assembly/record";
import {
  CLAIM, HURRIES, KIND_SPSC, NEVER_REST, ORPHAN_OPEN, ORPHAN_UNKNOWN, PRODUCERS, PRODUCER_BYTES, RING_CONTROL_BYTES, RUN, RUN_ADDRESS,
  addConsumer, addProducer,
  addTap, claimPosition, claimSequence, claimWord, consumerPosition, consumerRun, freeBytes, kind, orphan, overrunRecords, poll, pollTap, published,
  publishedSequence, ringInit, setCopy, take, takeTap,
} from "../ring";
import { abortClaim, claimRecords, commitClaim } from "../frames";

const DATA: usize = RING_CONTROL_BYTES;
const SEEN: usize = 6144;
const COPY: usize = 6400;
const PAYLOAD_BYTES: u32 = 12;
const LENGTH: u32 = 20;
const RECORD_BYTES: u32 = 24;
const NOTHING: u32 = 0x80000000;

export function setup(base: usize, kind: u32, capacity: u32, producers: u32, readers: u32, tap: bool): void {
  ringInit(base, kind, capacity, base + DATA, 1);
  for (let i: u32 = 0; i < producers; i++) addProducer(base, 100 + <i32>i, 16);
  for (let j: u32 = 0; j < readers; j++) {
    addConsumer(base, 0);
    store<i32>(consumerRun(base, j) - RUN + HURRIES, NEVER_REST);
  }
  if (tap) setCopy(base, <u32>addTap(base, 0), base + COPY, capacity / 2);
}

function claim(base: usize, i: u32): usize {
  let at: usize = 0;
  do {
    at = claimRecords(base, i, 1, PAYLOAD_BYTES);
  } while (at == 0);
  return at;
}

function fill(at: usize, i: u32, n: u32): void {
  store<u32>(at + 8, 0xa0 + i);
  store<u32>(at + 12, n);
  store<u32>(at + 16, 0xa0 + i + n);
}

/** Puts `count` records in; gives up those whose number is in `aborted` (bits). */
export function producer(base: usize, i: u32, count: u32, aborted: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    const at = claim(base, i);
    if ((aborted >> n) & 1) {
      abortClaim(base, i);
    } else {
      fill(at, i, n);
      commitClaim(base, i);
    }
  }
}

/** Clears up behind producer `i`, which has ended when this is called; other producers go on. */
export function clearUp(base: usize, i: u32): void {
  let found: i32 = ORPHAN_UNKNOWN;
  do {
    found = orphan(base, i);
  } while (found == ORPHAN_UNKNOWN);
  if (found == ORPHAN_OPEN) abortClaim(base, i);
}

/** Claims, and ends before it commits; then it is cleared up behind. */
export function endsAndIsCleared(base: usize, i: u32): void {
  claim(base, i);
  clearUp(base, i);
}

/**
 * Ends between the announcement of a claim and the compare-and-swap, which another producer may win or not; or has won
 * the claim already, and ends before it says so. Then it is cleared up behind.
 */
export function endsWhileTrying(base: usize, i: u32, won: bool): void {
  announce(base, i, won);
  clearUp(base, i);
}

/** What `tryClaim` does up to its compare-and-swap, and with it where that is won. */
function announce(base: usize, i: u32, won: bool): void {
  for (;;) {
    const publishedAt = published(base);
    const publishedNext = publishedSequence(base);
    const word = claimWord(base);
    const start = claimPosition(word, publishedAt);
    if (freeBytes(base, i, start, RECORD_BYTES) < <u64>RECORD_BYTES) continue;
    const slot = base + PRODUCERS + <usize>i * PRODUCER_BYTES;
    store<u64>(slot + 72, start + RECORD_BYTES);
    store<u64>(slot + 80, claimSequence(word, publishedNext) + 1);
    atomic.store<u64>(slot + 8, start | 1);
    if (!won) return;
    const moved = <u64>(<u32>word + (RECORD_BYTES >> 3)) | ((word >> 32) + 1) << 32;
    if (atomic.cmpxchg<u64>(base + CLAIM, word, moved) == word) return;
  }
}

/** Reads until it has had `count` records, up to `limit` at once. */
export function reader(base: usize, j: u32, count: u32, limit: u32): void {
  const seen = base + SEEN + (j << 6);
  let read: u32 = 0;
  while (read < count) {
    const bytes = poll(base, j, true);
    if (bytes == 0) continue;
    const run = <usize>load<u32>(consumerRun(base, j) + RUN_ADDRESS);
    let at: u32 = 0;
    let records: u32 = 0;
    while (at < bytes && records < limit) {
      const word = load<u32>(run + at);
      if (word == 0) {
        at = bytes;
        break;
      }
      if (word < NOTHING) {
        inspect(base, seen, run + at, ++read);
        records++;
      }
      at += padded(word & 0x7fffffff);
    }
    take(base, j, at, records);
  }
  store<u32>(seen, read);
}

/** Reads without gating until it has passed `count` records, those it was overrun by included. Consumer `j` is the tap. */
export function tap(base: usize, j: u32, count: u32): void {
  const seen = base + SEEN + (j << 6);
  let read: u32 = 0;
  let last: u32 = 0;
  while (read + <u32>overrunRecords(base, j) < count) {
    if (pollTap(base, j) == 0) {
      // Overrun up to the end: there is no record behind the gap to count by.
      if (last + 1 < count && publishedSequence(base) == <u64>count + 1 && consumerPosition(base, j) == published(base)) break;
      continue;
    }
    const record = base + COPY;
    const sequence = load<u32>(record, 4);
    const n = load<u32>(record, 12);
    const whole = load<u32>(record) == LENGTH && n == sequence - 1 && load<u32>(record, 16) == 0xa0 + n;
    if (!whole || sequence <= last) damage(seen, sequence);
    last = sequence;
    read++;
    takeTap(base, j, RECORD_BYTES, 1, sequence + 1);
  }
  store<u32>(seen, count);
}

function damage(seen: usize, which: u32): void {
  if (load<u32>(seen + 4) == 0) store<u32>(seen + 4, which);
}

function inspect(base: usize, seen: usize, record: usize, which: u32): void {
  const whole = load<u32>(record) == LENGTH && load<u32>(record, 16) == load<u32>(record, 8) + load<u32>(record, 12);
  // A ring's only producer takes no sequence for what it gives up.
  const next = kind(base) != KIND_SPSC || load<u32>(record, 4) == which;
  if (!whole || !next || load<u32>(record, 8) >>> 4 != 0xa) damage(seen, which);
}
