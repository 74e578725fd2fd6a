// A parker: one i32 on a line of its own, the place where one thread sleeps and any thread wakes it (the field's
// LockSupport.park/unpark). 0 = awake, 1 = parked, 2 = napping: asleep for a while, and only for what is urgent awake before.
//
// The sleeper stores 1, looks once more for work, and only then waits while the word is 1. The waker publishes its work
// and then loads the word. All four are sequentially consistent, so at least one of the two sees the other: no wake-up
// is lost, and a waker that finds 0 makes no system call.

const AWAKE: i32 = 0;
const PARKED: i32 = 1;
const NAPPING: i32 = 2;

/** Wakes the thread that sleeps at `parker`, if one does. Any thread. One load of a shared line when nobody sleeps. */
// @ts-ignore: decorator
@inline
export function unpark(parker: usize): void {
  if (atomic.load<i32>(parker) == PARKED) wake(parker, 1);
}

/** Wakes all that sleep at a parker which several threads share: they never store "awake" themselves. */
// @ts-ignore: decorator
@inline
export function unparkAll(parker: usize): void {
  if (atomic.load<i32>(parker) == PARKED) wake(parker, -1);
}

/** Wakes all that sleep at a parker, those that nap as well. */
// @ts-ignore: decorator
@inline
export function rouse(parker: usize): void {
  const seen = atomic.load<i32>(parker);
  if (seen != AWAKE && atomic.cmpxchg<i32>(parker, seen, AWAKE) == seen) atomic.notify(parker, -1);
}

function wake(parker: usize, most: i32): void {
  if (atomic.cmpxchg<i32>(parker, PARKED, AWAKE) == PARKED) atomic.notify(parker, most);
}
