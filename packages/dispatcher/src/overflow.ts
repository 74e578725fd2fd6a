/** What a producer does when a lane is full. The numbers are the kernels' (`assembly/route.ts`). */
import { LANE_NAMES, type LaneName } from "@esc/events";

export const Overflow = {
  /** Take nothing more until there is space: back-pressure. */
  block: 0,
  /** Ask the lane's processor to skip the oldest, and wait until it has. */
  skipOldest: 1,
  /** Drop what is new, and count it. */
  dropNew: 2,
} as const;
export type Overflow = (typeof Overflow)[keyof typeof Overflow];

/** The rules for a producer that can wait (a TCP connection): the design's. */
export const WAITING_PRODUCER: Readonly<Record<LaneName, Overflow>> = {
  realtime: Overflow.skipOldest,
  transactional: Overflow.block,
  batch: Overflow.dropNew,
};

/** The rules for a producer in the same process, which is told by a return value: nothing that is new is dropped. */
export const IN_PROCESS_PRODUCER: Readonly<Record<LaneName, Overflow>> = {
  realtime: Overflow.skipOldest,
  transactional: Overflow.block,
  batch: Overflow.block,
};

/** The rules for a producer that can't wait (a datagram): what has no place is dropped and counted. */
export const DATAGRAM_PRODUCER: Readonly<Record<LaneName, Overflow>> = {
  realtime: Overflow.dropNew,
  transactional: Overflow.dropNew,
  batch: Overflow.dropNew,
};

/** The rules in the lanes' order. */
export function overflowByLane(rules: Readonly<Record<LaneName, Overflow>>): Overflow[] {
  return LANE_NAMES.map((lane) => rules[lane]);
}
