// Who touches which word, and so where a thread is suspended.

import {
  ADDRESS, AREA, AREA_STRIDE, BUFFERED_STORES, CHANGED, CHANGES, CONFLICT, CONFLICTS, DIRTY, DRAIN, FIRST_AREA, FUEL,
  MODEL, MODEL_END, SHARED, SITE, TABLE, THREAD_BIT,
} from "./layout";

// @ts-ignore: decorator
@external("explore", "step")
export declare function step(): void;
// @ts-ignore: decorator
@external("explore", "refuse")
export declare function refuse(reason: i32, site: u32, address: usize): void;
// @ts-ignore: decorator
@external("explore", "trace")
export declare function trace(site: u32, address: usize, a: u64, b: u64, c: u64): void;

/** Notes an access; returns the flags of what it touches. */
export function mark(site: u32, address: usize, size: u32, write: bool): u32 {
  if (address < MODEL || address + size > <usize>load<u32>(MODEL_END)) refuse(0, site, address);
  let entry = TABLE + (((address - MODEL) >> 2) << 2);
  const last = TABLE + (((address + size - 1 - MODEL) >> 2) << 2);
  const seen = load<u32>(THREAD_BIT) << (write ? 8 : 0);
  let flags: u32 = 0;
  do {
    let e = load<u32>(entry);
    if ((e & seen) != seen) e = note(entry, e | seen, write);
    flags |= e;
    entry += 4;
  } while (entry <= last);
  return flags;
}

function note(entry: usize, e: u32, write: bool): u32 {
  const writers = (e >>> 8) & 255;
  if (writers != 0 && popcnt((e & 255) | writers) > 1 && !(e & (SHARED | CONFLICT))) {
    e |= CONFLICT;
    store<u32>(CONFLICTS, load<u32>(CONFLICTS) + 1);
  }
  if (write && !(e & DIRTY)) {
    e |= DIRTY;
    const word = entry & ~7;
    store<u32>(word, load<u32>(word) | DIRTY);
    store<u32>(word + 4, load<u32>(word + 4) | DIRTY);
    const changed = load<u32>(CHANGED);
    const change = CHANGES + (<usize>changed << 4);
    const address = MODEL + (word - TABLE);
    store<u32>(change, <u32>address);
    store<u64>(change + 8, load<u64>(address));
    store<u32>(CHANGED, changed + 1);
  }
  store<u32>(entry, e);
  return e;
}

/** A read by the check of every state, which counts as one more thread. */
export function exploreObserve(address: usize, size: u32): void {
  mark(0, address, size, false);
}

/** Suspends before a step. A thread that has run long enough without one is suspended too: it may spin. */
export function pause(site: u32, address: usize, drain: u32): void {
  const area = <usize>load<u32>(AREA);
  if (area == 0) return; // setup
  store<u32>(area + SITE, site);
  store<u32>(area + ADDRESS, <u32>address);
  store<u32>(area + DRAIN, drain);
  step();
}

export function spent(): bool {
  const fuel = load<u32>(FUEL);
  store<u32>(FUEL, fuel - 1);
  return fuel == 0;
}

export function bufferedStores(): u32 {
  const area = <usize>load<u32>(AREA);
  return area == 0 ? 0 : load<u32>(area + BUFFERED_STORES);
}

export function areaOf(thread: u32): usize {
  return <usize>load<u32>(FIRST_AREA) + <usize>(thread * load<u32>(AREA_STRIDE));
}
