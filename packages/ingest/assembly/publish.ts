// Publishing from within the process: one call takes a publisher's frames and leaves records in the lanes.
//
// The frames are the wire's, with one bit more (`CONTROL_METADATA`), so the scan kernel takes them as it takes a socket's.
// What finds its lane full stays in the batch, in order.
//
// A publisher's place; `publisher-places.ts` makes it:
//
// | offset | size | field |
// |---|---|---|
// | 0 | i32 ×2 | 1 while it is taken; the thread that has it |
// | 8 | i32 | 1 while it publishes |
// | 12 | u32 | out: where the frames that stay end |
// | 16 | u32 ×3 | out: accepted by lane |
// | 28 | u32 ×3 | out: stay, by lane |
// | 40 | f64 ×3 | out: position behind the last record of each lane so far, or -1 |

import { LANES } from "@esc/dispatcher/assembly/route";
import { AGAIN, CONTEXT_ENDS, CONTEXT_TAKEN, gatherKept, laneKept, laneRecords, resetKept, scan } from "./scan";

const INSIDE: usize = 8;
const END: usize = 12;
const ACCEPTED: usize = 16;
const STAY: usize = 28;
const POSITIONS: usize = 40;

/** All are in their lanes. */
const ACCEPTED_ALL: u32 = 0;
/** Some found their lane full: they lie together at the start, and end where the place says. */
const SOME_STAY: u32 = 1;
/** Nothing is taken any more. */
const CLOSED: u32 = 2;

/**
 * Publishes the frames of [start, end). `open` is the word that is 1 while events are taken: looked at after the place
 * says that it publishes, so that who stores another value and then sees no place publishing has seen the last event.
 */
export function publishFrames(place: usize, open: usize, context: usize, start: usize, end: usize, timeMs: f64, timeNs: f64): u32 {
  atomic.store<i32>(place + INSIDE, 1);
  if (atomic.load<i32>(open) != 1) {
    atomic.store<i32>(place + INSIDE, 0);
    return CLOSED;
  }
  for (let i: u32 = 0; i < LANES; i++) {
    resetKept(context, i);
    store<u32>(place + ACCEPTED + (<usize>i << 2), 0);
  }
  let p = start;
  let status = AGAIN;
  while (status == AGAIN) {
    status = scan(context, p, end, true, timeMs, timeNs, 0);
    p += load<u32>(context + CONTEXT_TAKEN);
    for (let i: u32 = 0; i < LANES; i++) {
      const accepted = place + ACCEPTED + (<usize>i << 2);
      store<u32>(accepted, load<u32>(accepted) + laneRecords(context, i));
      const position = load<f64>(context + CONTEXT_ENDS + (<usize>i << 3));
      if (position >= 0) store<f64>(place + POSITIONS + (<usize>i << 3), position);
    }
  }
  let stay: u32 = 0;
  for (let i: u32 = 0; i < LANES; i++) {
    const kept = laneKept(context, i);
    store<u32>(place + STAY + (<usize>i << 2), kept);
    stay += kept;
  }
  atomic.store<i32>(place + INSIDE, 0);
  if (stay == 0) return ACCEPTED_ALL;
  store<u32>(place + END, <u32>gatherKept(start, end));
  return SOME_STAY;
}
