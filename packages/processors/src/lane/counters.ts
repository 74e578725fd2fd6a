/** What a lane's processor counts. One writer: the lane's thread. */

export const PROCESSOR_COUNTERS = [
  // How events end. Together with what is in the lane they are all that were accepted and taken up again.
  "processed",
  "deadLettered",
  "dropped.overflow",
  "dropped.emit",
  "duplicates",
  "cancelled",
  // Where events come from besides ingest.
  "replayed",
  "emitted.realtime",
  "emitted.transactional",
  "emitted.batch",
  // What happens on the way.
  "retries",
  "sla.breaches",
  "alerts.raised",
  "alerts.dropped",
  "windows.closed",
  "windows.early",
  "windows.late",
  "windows.failed",
] as const;
export type ProcessorCounter = (typeof PROCESSOR_COUNTERS)[number];
