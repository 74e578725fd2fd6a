// What stands for each load and store; each returns the address to use.

import { AREA, BUFFERED, IN_BLOCK, SHARED, SPLIT, TRACING } from "./layout";
import { bufferedStores, mark, pause, spent, trace } from "./steps";
import { buffer, forwarded } from "./store-buffer";

export function exploreAtomicLoad(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, false);
  if ((flags & SHARED) != 0 || spent()) pause(site, address, 0);
  return flags & BUFFERED ? forwarded(address, size) : address;
}

/** Stores, read-modify-writes, compare-and-swaps. */
export function exploreAtomicWrite(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, true);
  if ((flags & SHARED) != 0 || bufferedStores() > 0 || spent()) pause(site, address, 1);
  return address;
}

export function explorePlainLoad(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, false);
  beforePlain(site, address, flags);
  return flags & BUFFERED ? forwarded(address, size) : address;
}

export function explorePlainStore(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, true);
  // Nobody else sees a buffered store, so it isn't a step; its flush is.
  if ((flags & (SHARED | BUFFERED)) == (SHARED | BUFFERED) && load<u32>(AREA) != 0) return buffer(site, address, size);
  beforePlain(site, address, flags);
  return address;
}

function beforePlain(site: u32, address: usize, flags: u32): void {
  const tired = spent();
  if (flags & SHARED) {
    if ((flags & SPLIT) != 0 || load<u32>(IN_BLOCK) == 0 || tired) pause(site, address, 0);
    store<u32>(IN_BLOCK, 1);
  } else if (tired) pause(site, address, 0);
}

export function exploreCopy(site: u32, to: usize, from: usize, n: u32): void {
  const backward = to > from;
  let left = n;
  while (left > 0) {
    const size: u32 = left >= 8 ? 8 : 1;
    left -= size;
    const at = backward ? left : n - left - size;
    const source = explorePlainLoad(site, from + at, size);
    const value = size == 8 ? load<u64>(source) : <u64>load<u8>(source);
    const target = explorePlainStore(site, to + at, size);
    if (size == 8) store<u64>(target, value);
    else store<u8>(target, <u8>value);
    if (load<u32>(TRACING)) trace(site, to + at, value, 0, 0);
  }
}

export function exploreFill(site: u32, to: usize, value: u32, n: u32): void {
  for (let at: u32 = 0; at < n; at++) {
    store<u8>(explorePlainStore(site, to + at, 1), <u8>value);
    if (load<u32>(TRACING)) trace(site, to + at, value & 255, 0, 0);
  }
}
