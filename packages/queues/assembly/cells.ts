// Cells of 8 bytes, an f64 each: what `MpscSlots` carries. No header, so a claim may go over the ring's end. A cell of a
// claim that was given up holds NaN, which nobody may put in.

import {
  claimEnd, claimNext, claimPosition, claimSequence, claimStart, claimWord, freeBytes, mayClaim, publish, tryClaim,
} from "./claims";
import { addressOf, published, publishedSequence } from "./control";

/** Claims up to `most` cells. Returns how many, 0 when the ring is full. */
export function claimCells(ring: usize, producer: u32, most: u32): u32 {
  for (;;) {
    if (!mayClaim(ring, producer)) return 0;
    const publishedAt = published(ring);
    const publishedNext = publishedSequence(ring);
    const word = claimWord(ring);
    const start = claimPosition(word, publishedAt);
    let cells = most;
    const free = freeBytes(ring, producer, start, <u64>most << 3) >> 3;
    if (free < <u64>cells) cells = <u32>free;
    if (cells == 0) return 0;
    const next = claimSequence(word, publishedNext) + <u64>cells;
    if (!tryClaim(ring, producer, word, start, cells << 3, cells, next)) continue;
    return cells;
  }
}

/** Puts one value in. 1, or 0 when the ring is full. */
export function pushCell(ring: usize, producer: u32, value: f64): u32 {
  if (claimCells(ring, producer, 1) == 0) return 0;
  const start = claimStart(ring, producer);
  store<f64>(addressOf(ring, start), value);
  publish(ring, producer, start, claimEnd(ring, producer), claimNext(ring, producer));
  return 1;
}

/** Fills a claim that is given up. */
export function voidCells(ring: usize, producer: u32): void {
  const start = claimStart(ring, producer);
  const end = claimEnd(ring, producer);
  for (let at = start; at < end; at += 8) store<f64>(addressOf(ring, at), NaN);
  publish(ring, producer, start, end, claimNext(ring, producer));
}
