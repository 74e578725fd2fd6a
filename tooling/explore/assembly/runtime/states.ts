// Hashing, saving and restoring a state.

import { AREA_STRIDE, CHANGED, CHANGES, HASH, STACK_TOP, THREADS } from "./layout";
import { areaOf } from "./steps";

// @ts-ignore: decorator
@inline
function mixed(x: u64): u64 {
  x ^= x >>> 32;
  x *= 0xd6e8feb86659fd93;
  x ^= x >>> 29;
  x *= 0xa0761d6478bd642f;
  return x ^ (x >>> 32);
}

/** Hashes the state into 128 bits: the sum, over the words that differ from their first value, of each mixed twice. */
export function exploreHash(): void {
  let low: u64 = 0;
  let high: u64 = 0;
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  for (let change = CHANGES; change < end; change += 16) {
    const address = load<u32>(change);
    const value = load<u64>(address);
    if (value == load<u64>(change + 8)) continue;
    low += mixed(value ^ (<u64>address * 0x9e3779b97f4a7c15));
    high += mixed((value + 0x632be59bd9b4e019) ^ (<u64>address * 0xc2b2ae3d27d4eb4f));
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const top = <usize>load<u32>(area + STACK_TOP);
    for (let address = area; address < top; address += 8) {
      const value = load<u64>(address);
      if (value == 0) continue;
      low += mixed(value ^ (<u64>address * 0x9e3779b97f4a7c15));
      high += mixed((value + 0x632be59bd9b4e019) ^ (<u64>address * 0xc2b2ae3d27d4eb4f));
    }
  }
  store<u64>(HASH, low);
  store<u64>(HASH + 8, high);
}

/** Zeroes what is left of an older, deeper stack between the new top and `from`. */
export function exploreTrim(area: usize, from: usize): void {
  const top = <usize>load<u32>(area + STACK_TOP);
  if (top < from) memory.fill(top, 0, from - top);
}

/** Writes the state at `to` (aligned to 8); returns the address behind it. */
export function exploreSave(to: usize): usize {
  const changed = load<u32>(CHANGED);
  store<u64>(to, changed);
  to += 8;
  const end = CHANGES + (<usize>changed << 4);
  for (let change = CHANGES; change < end; change += 16) {
    store<u64>(to, load<u64>(load<u32>(change)));
    to += 8;
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const size = (<usize>load<u32>(area + STACK_TOP) - area + 7) & ~7;
    store<u64>(to, size);
    memory.copy(to + 8, area, size);
    to += 8 + size;
  }
  return to;
}

export function exploreRestore(from: usize): void {
  const saved = CHANGES + (<usize>load<u32>(from) << 4);
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  from += 8;
  for (let change = CHANGES; change < end; change += 16) {
    if (change < saved) {
      store<u64>(load<u32>(change), load<u64>(from));
      from += 8;
    } else {
      store<u64>(load<u32>(change), load<u64>(change + 8)); // first changed since
    }
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const top = <usize>load<u32>(area + STACK_TOP);
    const size = <usize>load<u32>(from);
    memory.copy(area, from + 8, size);
    if (area + size < top) memory.fill(area + size, 0, top - area - size);
    from += 8 + size;
  }
}

/** Back to what `setup` left, with no thread begun. */
export function exploreReset(stackBytes: u32): void {
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  for (let change = CHANGES; change < end; change += 16) store<u64>(load<u32>(change), load<u64>(change + 8));
  for (let i: u32 = 0; i < load<u32>(THREADS); i++) {
    const area = areaOf(i);
    memory.fill(area, 0, load<u32>(AREA_STRIDE));
    store<u32>(area + STACK_TOP, <u32>(area + STACK_TOP + 8));
    store<u32>(area + STACK_TOP + 4, <u32>(area + STACK_TOP + 8) + stackBytes);
  }
}
