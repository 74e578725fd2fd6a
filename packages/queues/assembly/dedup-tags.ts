// Looking for ids by tags: 16 bytes tell in which slots of four tables an id can be. Most ids that are nowhere are found to be
// nowhere without loading one of the tables' lines, and the others by loading one.
//
// Tags are plain loads: in the tables of settled generations nobody writes any more, and the announcement of the phase came
// before; in the one where ids are accepted, placing goes by the slots themselves, and only `has` goes by tags alone.

import { BUCKETS, bucketAt, entryAt, tagVectors, tagsAt } from "./dedup-layout";
import {
  AT, INDEX, KIND, LINE, LO, HI, MARK, MAX_WALK, SLOT, TAG, after, hiOf, isRemembered, loOf, timeOf,
} from "./dedup-slot";

// A set of tables: four bits for each, 7 for its slots and 8 for going on.

// @ts-ignore: decorator
@inline
export function tableBits(index: u32): u64 {
  return <u64>15 << (<u64>index << 2);
}

/**
 * The places of four tables where an id may be, by a bucket's tags: bit 4·t + i for slot i of table t. Bit 4·t + 3 says that an
 * id with its mark has gone on to the next bucket of table t.
 */
// @ts-ignore: decorator
@inline
function places(tags: usize, item: usize): u32 {
  const held = v128.load(tags);
  const same = i8x16.eq(held, v128.load8_splat(item + TAG));
  const marked = i8x16.ne(v128.and(held, v128.load8_splat(item + MARK)), i64x2.splat(0));
  return (<u32>i8x16.bitmask(same) & 0x7777) | (<u32>i8x16.bitmask(marked) & 0x8888);
}

/** Loads the tags of an id's first bucket. */
// @ts-ignore: decorator
@inline
export function touchTags(dedup: usize, item: usize): u32 {
  return load<u32>(tagsAt(dedup, load<u32>(item + AT)));
}

/** All tables' places for an id in a bucket. */
// @ts-ignore: decorator
@inline
function allPlaces(dedup: usize, at: u32, item: usize): u64 {
  const tags = tagsAt(dedup, at);
  let all = <u64>places(tags, item);
  for (let i: u32 = 1; i < tagVectors(dedup); i++) all |= <u64>places(tags + (<usize>i << 4), item) << (<u64>i << 4);
  return all;
}

/** Finds out by the tags where in a set of tables an id may be, and notes it in the item. False when it isn't in them. */
// @ts-ignore: decorator
@inline
export function seek(dedup: usize, tables: u64, item: usize): bool {
  let at = load<u32>(item + AT);
  let left = MAX_WALK;
  do {
    const all = allPlaces(dedup, at, item) & tables;
    const found = all & 0x7777777777777777;
    if (found != 0) {
      const place = <u32>ctz(found);
      const bucket = bucketAt(dedup, place >> 2, at);
      store<u8>(item + INDEX, <u8>(place >> 2));
      store<u32>(item + SLOT, <u32>bucket + (place & 3));
      store<u32>(item + LINE, <u32>bucket);
      return true;
    }
    if (all == 0) break;
    tables = all | (all >> 1) | (all >> 2) | (all >> 3);
    at = after(at, load<u8>(item + KIND), load<u32>(dedup + BUCKETS));
  } while (--left > 0);
  store<u32>(item + SLOT, 0);
  store<u32>(item + LINE, <u32>item);
  return false;
}

/** Notes the line of a table where an id that isn't in it would be placed. */
// @ts-ignore: decorator
@inline
export function seekFree(dedup: usize, index: u32, item: usize): void {
  let at = load<u32>(item + AT);
  for (let left = 4; left > 0; left--) {
    const tags = load<u32>(tagsAt(dedup, at) + (<usize>index << 2));
    // Whether one of the three tags is 0.
    if (((tags - 0x010101) & ~tags & 0x808080) != 0) break;
    at = after(at, load<u8>(item + KIND), load<u32>(dedup + BUCKETS));
  }
  store<u32>(item + LINE, <u32>bucketAt(dedup, index, at));
}

/** Loads the line that was noted. */
// @ts-ignore: decorator
@inline
export function touchLine(item: usize): u64 {
  return load<u64>(<usize>load<u32>(item + LINE));
}

/** `remembers` behind a `seek` of the same operation. */
// @ts-ignore: decorator
@inline
export function remembersSought(dedup: usize, tables: u64, item: usize, now: i64, window: i64): bool {
  const slot = <usize>load<u32>(item + SLOT);
  if (slot == 0) return false;
  if (isRemembered(timeIfIts(slot, item), entryAt(dedup, load<u8>(item + INDEX)), now, window)) return true;
  // The tag of another id, or this one's in an older generation, out of the window.
  return remembers(dedup, tables, item, now, window);
}

/** Whether one of a set of tables remembers an id at `now`. */
// @ts-ignore: decorator
@inline
export function remembers(dedup: usize, tables: u64, item: usize, now: i64, window: i64): bool {
  let at = load<u32>(item + AT);
  let left = MAX_WALK;
  do {
    const all = allPlaces(dedup, at, item) & tables;
    for (let found = all & 0x7777777777777777; found != 0; found &= found - 1) {
      const place = <u32>ctz(found);
      const slot = bucketAt(dedup, place >> 2, at) + (place & 3);
      if (isRemembered(timeIfIts(slot, item), entryAt(dedup, place >> 2), now, window)) return true;
    }
    // The tables that it may have gone on in, with all their bits.
    const onward = all & 0x8888888888888888;
    if (onward == 0) return false;
    tables = onward | (onward >> 1) | (onward >> 2) | (onward >> 3);
    at = after(at, load<u8>(item + KIND), load<u32>(dedup + BUCKETS));
  } while (--left > 0);
  return false;
}

/** The time word of a slot if it is this id's, else 0. */
// @ts-ignore: decorator
@inline
function timeIfIts(slot: usize, item: usize): u32 {
  if (atomic.load<u64>(loOf(slot)) != load<u64>(item + LO)) return 0;
  return atomic.load<u64>(hiOf(slot)) == load<u64>(item + HI) ? atomic.load<u32>(timeOf(slot)) : 0;
}

/** Sets an id's tag at its slot, and its mark in the buckets that it has passed. */
// @ts-ignore: decorator
@inline
export function tagSlot(dedup: usize, index: u32, item: usize, slot: usize): void {
  const mark = <u32>load<u8>(item + MARK) << 24;
  let at = load<u32>(item + AT);
  while (bucketAt(dedup, index, at) != (slot & ~63)) {
    const tags = tagsAt(dedup, at) + (<usize>index << 2);
    if ((atomic.load<u32>(tags) & mark) == 0) atomic.or<u32>(tags, mark);
    at = after(at, load<u8>(item + KIND), load<u32>(dedup + BUCKETS));
  }
  // A plain store: the byte is this slot's alone and never gets another value; the swap of the time publishes it.
  store<u8>(tagsAt(dedup, at) + (<usize>index << 2) + (slot & 3), load<u8>(item + TAG));
}
