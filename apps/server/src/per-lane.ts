import type { LaneName } from "@esc/events";

/** A value for each lane. */
export function perLane<T>(make: (lane: LaneName) => T): Record<LaneName, T> {
  return { realtime: make("realtime"), transactional: make("transactional"), batch: make("batch") };
}
