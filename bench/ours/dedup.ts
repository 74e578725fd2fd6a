/**
 * `Deduplicator` with a million live ids on one thread: as the sets of the peers are used, but that it forgets ids by itself.
 * Ids come from their number by a mixer, into a batch; the time for that is part of the figure, as it is the peers'.
 */
import { Arena } from "@esc/arena";
import { Deduplicator } from "@esc/queues";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { pinThread } from "../src/pin-thread.ts";
import { named, secondsSince } from "./named.ts";

const LIVE = 1_000_000;
const BATCH = 512;
const ID_BYTES = 16;
const WINDOW_MS = 1_000_000;
const OPTIONS = { capacity: LIVE, windowMs: WINDOW_MS, threads: 4 };

/** Finalizer of MurmurHash3: each number another word, no pattern left. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** A batch of ids, and the bytes they are. */
class Ids {
  readonly bytes: Uint8Array;
  readonly flags = new Uint8Array(BATCH);
  readonly #words: Uint32Array;

  constructor() {
    this.#words = new Uint32Array(BATCH * 4);
    this.bytes = new Uint8Array(this.#words.buffer);
  }

  /** The id of a number below 2^32 at place `i`. Its first word is a bijection of the number, so ids differ. */
  set(i: number, number: number): void {
    const words = this.#words;
    const first = mix(number);
    const second = Math.imul(number ^ 0x5bd1e995, 0x9e3779b1);
    words[4 * i] = first;
    words[4 * i + 1] = second;
    words[4 * i + 2] = first ^ (second >>> 15);
    words[4 * i + 3] = second ^ (first >>> 13);
  }

  /** Numbers first … first + BATCH − 1. */
  sequence(first: number): void {
    for (let i = 0; i < BATCH; i++) this.set(i, first + i);
  }
}

function create(): Deduplicator {
  const arena = Arena.create({ bytes: Deduplicator.bytesFor(OPTIONS) });
  return Deduplicator.create(arena, "bench", OPTIONS);
}

/** The ids of `from` … `to` − 1, one a ms of the clock: a million of them are a window. */
function insertSequence(dedup: Deduplicator, ids: Ids, from: number, to: number): number {
  let fresh = 0;
  for (let number = from; number < to; number += BATCH) {
    ids.sequence(number);
    fresh += dedup.checkAndInsertMany(ids.bytes, number, ids.flags);
  }
  return fresh;
}

function verify(got: number, expected: number): void {
  if (got !== expected) throw new Error(`wrong result: ${got} ids of ${expected}`);
}

/** Whole fills only: the count is rounded up, and the time scaled down to what was asked. */
function fill(ids: Ids, count: number): number {
  const each = Math.floor(LIVE / BATCH) * BATCH;
  const rounds = Math.ceil(count / each);
  let seconds = 0;
  for (let round = 0; round < rounds; round++) {
    const dedup = create();
    const start = performance.now();
    const fresh = insertSequence(dedup, ids, 0, each);
    seconds += secondsSince(start);
    verify(fresh, each);
  }
  return (seconds * count) / (rounds * each);
}

/** A clock that has moved by a window when a million ids have come: as many are forgotten as are accepted. */
function insert(ids: Ids, one: boolean) {
  const dedup = create();
  let next = 0;
  next += insertSequence(dedup, ids, 0, 2 * Math.ceil(LIVE / BATCH) * BATCH);
  const single = new Uint8Array(ID_BYTES);
  return (count: number): number => {
    const start = performance.now();
    let fresh = 0;
    if (one) {
      for (let number = next; number < next + count; number += BATCH) {
        ids.sequence(number);
        for (let i = 0; i < BATCH; i++) {
          for (let k = 0; k < ID_BYTES; k++) single[k] = ids.bytes[i * ID_BYTES + k] as number;
          if (dedup.checkAndInsert(single, number)) fresh++;
        }
      }
    } else {
      fresh = insertSequence(dedup, ids, next, next + count);
    }
    const seconds = secondsSince(start);
    next += count;
    verify(fresh, count);
    return seconds;
  };
}

/** Live ids, drawn at random: found by check-and-insert, which none is new to, or only looked up. */
function hit(ids: Ids, lookup: boolean) {
  const dedup = create();
  const live = Math.floor(LIVE / BATCH) * BATCH;
  insertSequence(dedup, ids, 0, live);
  return (count: number): number => {
    const start = performance.now();
    let found = 0;
    for (let at = 0; at < count; at += BATCH) {
      for (let i = 0; i < BATCH; i++) ids.set(i, Math.floor(((mix(at + i + 1) >>> 0) / 2 ** 32) * live));
      if (lookup) found += dedup.hasMany(ids.bytes, live, ids.flags);
      else found += BATCH - dedup.checkAndInsertMany(ids.bytes, live, ids.flags);
    }
    const seconds = secondsSince(start);
    verify(found, count);
    return seconds;
  };
}

const measure = (name: string, make: (ids: Ids) => (count: number) => number, variant?: string) => {
  return (options: MeasureOptions) => {
    pinThread(0);
    return measureRate(named(name, variant), make(new Ids()), options);
  };
};

export const dedupCases = {
  "dedup-fill-1M": measure("dedup-fill-1M", (ids) => (count) => fill(ids, count)),
  "dedup-insert-1M": measure("dedup-insert-1M", (ids) => insert(ids, false)),
  "dedup-insert-1M/one": measure("dedup-insert-1M", (ids) => insert(ids, true), "one by one"),
  "dedup-hit-1M": measure("dedup-hit-1M", (ids) => hit(ids, false)),
  "dedup-hit-1M/hasMany": measure("dedup-hit-1M", (ids) => hit(ids, true), "hasMany"),
};
