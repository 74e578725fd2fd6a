// A deduplicator in its third generation, for the explorer: generation 0 holds id 12 of time 0 and id 13 of time 60, and its
// table is the next to be given up, cleared, and used for generation 4. Otherwise as `deduplicator.ts`.

import { dedupInit } from "../dedup-layout";
import { takeSlot } from "../dedup-phase";
import { DEDUP, advanceFrom, clear, one } from "./deduplicator";

export { find, offer } from "./deduplicator";

const IDS: u32 = 2;

export function setup(base: usize): void {
  dedupInit(base + DEDUP, 4, 2, 1, IDS, 100, 4);
  takeSlot(base + DEDUP);
  takeSlot(base + DEDUP);
  one(base, 0, 12, 0, 0);
  one(base, 0, 13, 60, 0);
  one(base, 0, 44, 60, 0);
  one(base, 0, 45, 60, 0);
  one(base, 0, 54, 60, 0);
  store<u64>(base + 32, 0);
}

/** Takes the generation on to 3, which gives generation 0 up, clears it, and goes on to 4, which uses its table for id 77. */
export function rotateTwice(base: usize, thread: u32, now: u32): void {
  advanceFrom(base, thread, 2, IDS, now);
  clear(base, thread);
  advanceFrom(base, thread, 3, IDS, now);
  one(base, thread, 77, now, 0);
}
