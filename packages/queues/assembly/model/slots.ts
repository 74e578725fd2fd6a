// Slots of numbers for the explorer.
//
// | offset | what |
// |---|---|
// | 0 | control block |
// | 2048 | cells |
// | 4096 + 64·i | consumer i: u32 numbers taken, u32 the first one that was wrong, u64 sum |

import { mpmcInit, mpmcPop, mpmcPush } from "../mpmc-slots";
import { slotsInit, slotsPop, slotsPush, slotsReleaseEvery } from "../spsc-slots";

const CELLS: usize = 2048;
const SEEN: usize = 4096;

export function setup(base: usize, capacity: u32, releaseEvery: u32): void {
  if (releaseEvery > 0) {
    slotsInit(base, capacity, base + CELLS);
    slotsReleaseEvery(base, releaseEvery);
  } else {
    mpmcInit(base, capacity, base + CELLS);
  }
}

/** Puts 1 … count in. */
export function pushes(base: usize, count: u32): void {
  for (let n: u32 = 1; n <= count; n++) while (slotsPush(base, n) == 0) {}
}

/** Takes 1 … count out, in order. */
export function pops(base: usize, count: u32): void {
  for (let n: u32 = 1; n <= count; n++) {
    let value: f64;
    do {
      value = slotsPop(base);
    } while (isNaN(value));
    if (value != <f64>n && load<u32>(base + SEEN, 4) == 0) store<u32>(base + SEEN, n, 4);
    store<u32>(base + SEEN, n);
  }
}

/** Puts 10·producer + 1 … count in. */
export function sharedPushes(base: usize, producer: u32, count: u32): void {
  for (let n: u32 = 1; n <= count; n++) while (mpmcPush(base, 10 * producer + n) == 0) {}
}

/** Takes `count` numbers out; adds up a power of 32 for each, so that a number taken twice or never shows. */
export function sharedPops(base: usize, consumer: u32, count: u32): void {
  const seen = base + SEEN + (consumer << 6);
  let sum: u64 = 0;
  for (let taken: u32 = 0; taken < count; taken++) {
    let value: f64;
    do {
      value = mpmcPop(base);
    } while (isNaN(value));
    // 1, 2, 11, 12, 21 … become bits of their own.
    sum += <u64>1 << ((<u64>value / 10) * 8 + ((<u64>value % 10) - 1) * 2);
  }
  store<u64>(seen, sum, 8);
  store<u32>(seen, count);
}
