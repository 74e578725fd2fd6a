/** What an ingest thread counts. The first 23 are the kernel's (`assembly/scan.ts`), in its order. */
import { LANE_NAMES, type LaneName, RefusalCode, type RefusalName } from "@esc/events";

const REFUSAL_SLOTS = 16;
const byCode = new Map<number, string>(Object.entries(RefusalCode).map(([name, code]) => [code, name]));

/** Names of an ingest thread's counters. */
export const INGEST_COUNTERS: readonly string[] = [
  ...LANE_NAMES.map((lane) => `accepted.${lane}`),
  ...LANE_NAMES.map((lane) => `dropped.${lane}`),
  ...Array.from({ length: REFUSAL_SLOTS }, (_, code) => `refused.${byCode.get(code) ?? code}`),
  "bytes",
  "connections.opened",
  "connections.closed",
  "connections.refused",
  "connections.stalled",
  "connections.shed",
  "datagrams",
];

/** The counter of a lane's accepted events: those in the lane, and those dropped because it was full. */
export function acceptedCounter(lane: LaneName): string {
  return `accepted.${lane}`;
}

/** The counter of the events that were dropped because the lane was full. */
export function droppedCounter(lane: LaneName): string {
  return `dropped.${lane}`;
}

/** The counter of the frames refused for a reason. */
export function refusedCounter(reason: RefusalName): string {
  return `refused.${reason}`;
}
