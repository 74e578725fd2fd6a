/**
 * What is known of a lane that was divided into shards otherwise: an event is finished if the shard that it belonged to
 * then says so. Asked as long as some shard of the present hasn't passed all that those of the past had taken.
 */
import { type ShareBy, shareOf } from "@esc/queues";
import type { RecordShare } from "@esc/queues/kernel";
import type { RecordView } from "@esc/storage";

/** How a lane's events go to its processor's threads. */
export interface Sharding {
  /** Threads, 1 to 64. */
  readonly shards: number;
  readonly by: ShareBy;
}

/** How far a shard had come. */
export interface PastShard {
  /** Everything of it below is finished, or waits for its time. */
  readonly cursor: number;
  /** Finished ones above it, both ends included, in order. */
  readonly finished: readonly (readonly [from: number, to: number])[];
  /** Its windows held what was below. */
  readonly windowsNext: number;
}

export interface PastLayout extends Sharding {
  readonly parts: readonly PastShard[];
}

/** The first sequence that a layout says nothing about. */
export function horizonOf({ parts }: PastLayout): number {
  return parts.reduce(
    (most, { cursor, finished, windowsNext }) => Math.max(most, cursor, windowsNext, (finished.at(-1)?.[1] ?? 0) + 1),
    1,
  );
}

export class PastLayouts {
  readonly layouts: readonly PastLayout[];
  /** The first sequence that none says anything about. */
  readonly horizon: number;

  constructor(layouts: readonly PastLayout[]) {
    this.layouts = layouts;
    this.horizon = Math.max(1, ...layouts.map(horizonOf));
  }

  /** Whether an event was finished. */
  isFinished(topicHash: number, sequence: number): boolean {
    if (sequence >= this.horizon) return false;
    return this.layouts.some((layout) => {
      const { cursor, finished } = partOf(layout, topicHash, sequence);
      return sequence < cursor || isWithin(finished, sequence);
    });
  }

  /** Whether windows held an event. */
  inWindows(topicHash: number, sequence: number): boolean {
    if (sequence >= this.horizon) return false;
    return this.layouts.some((layout) => sequence < partOf(layout, topicHash, sequence).windowsNext);
  }
}

/** Whether a processor has still to take an event that it meets in the log: its own, and not finished by a shard before. */
export function isToTake(
  view: RecordView,
  share: Pick<RecordShare, "owns"> | undefined,
  past: PastLayouts | undefined,
): boolean {
  if (share === undefined && past === undefined) return true;
  const { sequence, topicHash } = view;
  return share?.owns(topicHash, sequence) !== false && past?.isFinished(topicHash, sequence) !== true;
}

function partOf({ by, shards, parts }: PastLayout, topicHash: number, sequence: number): PastShard {
  return parts[shareOf(by, shards, topicHash, sequence)] as PastShard;
}

/** By halves: a checkpoint may name tens of thousands of ranges. */
function isWithin(ranges: PastShard["finished"], sequence: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const [from, to] = ranges[middle] as readonly [number, number];
    if (sequence > to) low = middle + 1;
    else if (sequence < from) high = middle;
    else return true;
  }
  return false;
}
