// A sleeper and its wakers, for the explorer. The wakers call the kernel's functions; the sleeper's side is TypeScript
// (`src/parker.ts`), so it stands here step for step. A nap's end by time is left out, so that only a waker ends it.
//
// | offset | what |
// |---|---|
// | 0 | the parker |
// | 8 | work made visible by wakers |
// | 16 | work that the sleeper took |

import { rouse, unpark } from "../parker";

const PARKER: usize = 0;
const WORK: usize = 8;
const TAKEN: usize = 16;
const AWAKE: i32 = 0;
const PARKED: i32 = 1;
const NAPPING: i32 = 2;

export function setup(base: usize): void {}

/** Takes `total` pieces of work, sleeping while there is none. */
export function sleeper(base: usize, total: i32): void {
  takeAll(base, total, PARKED);
}

/** The same, napping. */
export function napper(base: usize, total: i32): void {
  takeAll(base, total, NAPPING);
}

function takeAll(base: usize, total: i32, asleep: i32): void {
  let taken = 0;
  for (;;) {
    taken = atomic.load<i32>(base + WORK);
    store<i32>(base + TAKEN, taken);
    if (taken == total) return;
    atomic.store<i32>(base + PARKER, asleep); // prepare, or prepareNap
    const work = atomic.load<i32>(base + WORK); // the second look
    if (work == taken) atomic.wait<i32>(base + PARKER, asleep, -1); // park, or nap
    atomic.store<i32>(base + PARKER, AWAKE); // awake, or cancel
  }
}

/** Makes a piece of work visible, then wakes the sleeper; `pieces` times. */
export function waker(base: usize, pieces: i32): void {
  wakeFor(base, pieces, false);
}

/** The same of what is urgent: wakes a napper as well. */
export function urgent(base: usize, pieces: i32): void {
  wakeFor(base, pieces, true);
}

function wakeFor(base: usize, pieces: i32, urgently: bool): void {
  for (let i = 0; i < pieces; i++) {
    atomic.add<i32>(base + WORK, 1);
    if (urgently) rouse(base + PARKER);
    else unpark(base + PARKER);
  }
}
