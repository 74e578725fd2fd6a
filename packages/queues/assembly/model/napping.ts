// A napper and who wakes it, for the explorer, as `parker.ts` has the sleeper; offsets are the same.

import { rouse, unpark } from "../parker";

const PARKER: usize = 0;
const WORK: usize = 8;
const TAKEN: usize = 16;
const AWAKE: i32 = 0;
const NAPPING: i32 = 2;

export function setup(base: usize): void {}

/** Takes `total` pieces of work; each sleep is a nap; its end by time is left out, so that only a waker ends it. */
export function napper(base: usize, total: i32): void {
  let taken = 0;
  for (;;) {
    taken = atomic.load<i32>(base + WORK);
    store<i32>(base + TAKEN, taken);
    if (taken == total) return;
    atomic.store<i32>(base + PARKER, NAPPING); // prepareNap
    const work = atomic.load<i32>(base + WORK); // the second look
    if (work == taken) atomic.wait<i32>(base + PARKER, NAPPING, -1); // nap
    atomic.store<i32>(base + PARKER, AWAKE); // awake, or cancel
  }
}

/** Makes a piece of urgent work visible, then wakes the napper; `pieces` times. */
export function urgent(base: usize, pieces: i32): void {
  for (let i = 0; i < pieces; i++) {
    atomic.add<i32>(base + WORK, 1);
    rouse(base + PARKER);
  }
}

/** Makes a piece of work visible that isn't urgent; `pieces` times. */
export function waker(base: usize, pieces: i32): void {
  for (let i = 0; i < pieces; i++) {
    atomic.add<i32>(base + WORK, 1);
    unpark(base + PARKER);
  }
}
