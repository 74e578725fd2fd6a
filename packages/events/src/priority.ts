/** Priorities, lanes and sources: the small vocabularies of every record and frame. */

/** Priority as it stands in a frame's control byte and in a record. */
export const Priority = { BATCH: 0, LOW: 1, MEDIUM: 2, HIGH: 3, CRITICAL: 4 } as const;
export type PriorityName = keyof typeof Priority;
export type Priority = (typeof Priority)[PriorityName];

/** All priorities, by their number. */
export const PRIORITY_NAMES: readonly PriorityName[] = ["BATCH", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

/** The three lanes of events, by their number. */
export const Lane = { realtime: 0, transactional: 1, batch: 2 } as const;
export type LaneName = keyof typeof Lane;
export type Lane = (typeof Lane)[LaneName];

/** All lanes, by their number. */
export const LANE_NAMES: readonly LaneName[] = ["realtime", "transactional", "batch"];

/** Where an event came in, as bits 0–2 of a record's last header byte. */
export const Source = { inProcess: 0, tcp: 1, udp: 2, file: 3, grpc: 4, http: 5 } as const;
export type SourceName = keyof typeof Source;
export type Source = (typeof Source)[SourceName];
export const SOURCE_NAMES: readonly SourceName[] = ["inProcess", "tcp", "udp", "file", "grpc", "http"];

/** The lane that a priority goes to: HIGH and CRITICAL → realtime, LOW and MEDIUM → transactional, BATCH → batch. */
export function laneOf(priority: Priority): Lane {
  if (priority >= Priority.HIGH) return Lane.realtime;
  return priority === Priority.BATCH ? Lane.batch : Lane.transactional;
}
