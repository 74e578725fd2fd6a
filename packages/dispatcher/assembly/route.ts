// Lanes by number, and which one a priority goes to.

export const LANE_REALTIME: u32 = 0;
export const LANE_TRANSACTIONAL: u32 = 1;
export const LANE_BATCH: u32 = 2;
export const LANES: u32 = 3;

/** What a producer does when a lane is full. */
export const FULL_BLOCK: u32 = 0;
/** Ask consumers to skip the oldest, and wait until they have. */
export const FULL_SKIP_OLDEST: u32 = 1;
/** Drop what is new, and count it. */
export const FULL_DROP_NEW: u32 = 2;

/** HIGH and CRITICAL → realtime; LOW and MEDIUM → transactional; BATCH → batch. */
// @ts-ignore: decorator
@inline
export function laneOf(priority: u32): u32 {
  return select<u32>(LANE_REALTIME, select<u32>(LANE_BATCH, LANE_TRANSACTIONAL, priority == 0), priority >= 3);
}
