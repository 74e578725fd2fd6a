/** The server's counts as metrics: what `/metrics` tells. */
import { LANE_NAMES } from "@esc/events";
import type { MetricFamily, Sample } from "@esc/metrics";
import { builtInFamilies } from "./built-in-stats.ts";
import type { LogStats } from "./log-upkeep.ts";
import type { IngestWorkerStats, LaneStats, ShardStats, Stats } from "./stats.ts";

/** The counts as metrics, with what the process takes. */
export function metricFamilies(stats: Stats, ready: boolean): MetricFamily[] {
  const byLane = (read: (lane: LaneStats) => number): Sample[] =>
    LANE_NAMES.map((lane) => ({ labels: { lane }, value: read(stats.lanes[lane]) }));
  const byWorker = (read: (worker: IngestWorkerStats) => number): Sample[] =>
    stats.workers.map((worker, index) => ({ labels: { worker: String(index) }, value: read(worker) }));
  const byReason = (counts: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }));
  const counter = (name: string, help: string, samples: readonly Sample[]): MetricFamily => ({
    name,
    help,
    type: "counter",
    samples,
  });
  const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => ({
    name,
    help,
    type: "gauge",
    samples,
  });
  const memory = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  return [
    gauge("esc_ready", "1 when the server takes events, else 0.", [{ value: ready ? 1 : 0 }]),
    counter(
      "esc_events_accepted_total",
      "Events taken, those dropped for want of space included.",
      byLane((lane) => lane.accepted),
    ),
    counter(
      "esc_events_processed_total",
      "Events whose handlers are done.",
      byLane((lane) => lane.processed),
    ),
    counter(
      "esc_events_dead_lettered_total",
      "Events that became dead letters.",
      byLane((lane) => lane.deadLettered),
    ),
    counter(
      "esc_events_stored_total",
      "Events written to the log.",
      byLane((lane) => lane.stored),
    ),
    counter("esc_events_dropped_total", "Events dropped, by reason.", byReason(stats.dropped)),
    counter("esc_events_replayed_total", "Events taken up again from the log after a restart.", [
      { value: stats.replayed },
    ]),
    counter(
      "esc_events_duplicate_total",
      "Events not handled, since one of the same id was within the window.",
      byLane((lane) => lane.duplicates),
    ),
    counter(
      "esc_events_cancelled_total",
      "Events taken out of the schedule by their id.",
      byLane((lane) => lane.cancelled),
    ),
    counter("esc_events_published_total", "Events that publishers within the process put into lanes.", [
      { value: stats.published },
    ]),
    counter("esc_events_emitted_total", "Events that handlers published.", [{ value: stats.emitted }]),
    counter("esc_dead_letters_retried_total", "Dead letters put into a lane once more.", [{ value: stats.retried }]),
    counter("esc_handler_retries_total", "Attempts after a failed one.", [{ value: stats.retries }]),
    counter("esc_sla_breaches_total", "Events of the realtime lane that took longer than their SLA.", [
      { value: stats.slaBreaches },
    ]),
    gauge("esc_events_in_flight", "Events accepted or taken up again that have not ended yet.", [
      { value: stats.inFlight },
    ]),
    gauge(
      "esc_lane_behind_records",
      "Records that the lane's processor has not taken yet.",
      byLane((lane) => lane.behind),
    ),
    gauge(
      "esc_events_held",
      "Events that wait for a promise, a retry or their key.",
      byLane((lane) => lane.held),
    ),
    gauge(
      "esc_events_delayed",
      "Events that wait for their time.",
      byLane((lane) => lane.delayed),
    ),
    gauge(
      "esc_windows_open",
      "Windows that are open.",
      byLane((lane) => lane.windowsOpen),
    ),
    counter("esc_windows_closed_total", "Windows closed, those closed early included.", [
      { value: stats.windows.closed },
    ]),
    counter("esc_windows_closed_early_total", "Windows closed because too many were open.", [
      { value: stats.windows.early },
    ]),
    counter("esc_windows_failed_total", "Windows whose handler failed for good.", [{ value: stats.windows.failed }]),
    counter("esc_window_events_late_total", "Events whose window was over.", [{ value: stats.windows.late }]),
    counter("esc_alerts_raised_total", "Alerts that lanes raised.", [{ value: stats.alerts.raised }]),
    counter("esc_alerts_dropped_total", "Alerts dropped, by where.", [
      { labels: { by: "budget" }, value: stats.alerts.dropped },
      ...Object.entries(stats.alerts.sinks).map(([by, { dropped, failed }]) => ({
        labels: { by },
        value: dropped + failed,
      })),
    ]),
    counter(
      "esc_lane_restarts_total",
      "Threads of a lane started for ones that died.",
      byLane((lane) => lane.restarts),
    ),
    counter("esc_frames_refused_total", "Frames refused, by reason.", byReason(stats.refused)),
    counter("esc_received_bytes_total", "Bytes of frames taken.", [{ value: stats.bytesReceived }]),
    counter("esc_connections_opened_total", "TCP connections accepted.", [{ value: stats.connections.opened }]),
    counter(
      "esc_connections_refused_total",
      "TCP connections closed at once: over the limit, or no file descriptors.",
      [{ value: stats.connections.refused }],
    ),
    counter("esc_connections_stalled_total", "TCP connections ended because a frame did not end in time.", [
      { value: stats.connections.stalled },
    ]),
    counter("esc_connections_shed_total", "TCP connections ended for the room that unfinished frames took.", [
      { value: stats.connections.shed },
    ]),
    gauge("esc_connections", "Open TCP connections.", [{ value: stats.connections.open }]),
    gauge(
      "esc_ingest_connections",
      "Open TCP connections, by ingest thread.",
      byWorker(({ connections }) => connections),
    ),
    counter(
      "esc_ingest_accepted_total",
      "Events taken from sockets, by ingest thread.",
      byWorker(({ accepted }) => accepted),
    ),
    counter("esc_datagrams_total", "UDP datagrams received.", [{ value: stats.datagrams }]),
    gauge("esc_topics", "Topics remembered.", [{ value: stats.topics }]),
    gauge(
      "esc_lane_depth_bytes",
      "Bytes in the lane that the slowest consumer has not passed.",
      byLane((lane) => lane.depthBytes),
    ),
    ...shardFamilies(stats.lanes, gauge),
    gauge(
      "esc_lane_capacity_bytes",
      "Bytes that the lane holds.",
      byLane((lane) => lane.capacityBytes),
    ),
    gauge(
      "esc_lane_log_lag_bytes",
      "Bytes published and not yet durable.",
      byLane((lane) => lane.cursors.published - lane.cursors.durable),
    ),
    ...builtInFamilies(stats.builtIns),
    ...logFamilies(stats.logs, counter, gauge),
    gauge("process_resident_memory_bytes", "Resident memory.", [{ value: memory }]),
    counter("process_cpu_seconds_total", "User and system time.", [{ value: (cpu.user + cpu.system) / 1e6 }]),
  ];
}

/** What each thread of a lane's processor is at. */
function shardFamilies(lanes: Stats["lanes"], gauge: MakeFamily): MetricFamily[] {
  const byShard = (read: (shard: ShardStats) => number): Sample[] =>
    LANE_NAMES.flatMap((lane) =>
      lanes[lane].shards.map((shard) => ({ labels: { lane, shard: shard.name }, value: read(shard) })),
    );
  return [
    gauge(
      "esc_shard_depth_bytes",
      "Bytes in the lane that the shard has not come to.",
      byShard((shard) => shard.depthBytes),
    ),
    gauge(
      "esc_shard_behind_records",
      "Records of the lane that the shard has not come to.",
      byShard((shard) => shard.behind),
    ),
    gauge(
      "esc_shard_held",
      "Events of the shard that wait for a promise, a retry or their key.",
      byShard((shard) => shard.held),
    ),
    gauge(
      "esc_shard_cursor",
      "Sequence below which everything of the shard is finished.",
      byShard((shard) => shard.cursor),
    ),
  ];
}

type MakeFamily = (name: string, help: string, samples: readonly Sample[]) => MetricFamily;

const LOG_STATES = { writing: 0, waiting: 1, failed: 2 } as const;

function logFamilies(logs: Stats["logs"], counter: MakeFamily, gauge: MakeFamily): MetricFamily[] {
  const byLog = (read: (log: LogStats) => number): Sample[] =>
    Object.entries(logs).map(([name, log]) => ({ labels: { log: name }, value: read(log) }));
  const lags = Object.entries(logs).flatMap(([name, { groups }]) =>
    groups.map(({ group, lag }): Sample => ({ labels: { log: name, group }, value: lag })),
  );
  return [
    gauge(
      "esc_log_state",
      "0 the log is written, 1 a write failed and is tried again, 2 failed until restart.",
      byLog(({ state }) => LOG_STATES[state]),
    ),
    gauge(
      "esc_log_bytes",
      "Bytes of the log's segments.",
      byLog((log) => log.bytes),
    ),
    gauge(
      "esc_log_segments",
      "Segments of the log.",
      byLog((log) => log.segments),
    ),
    gauge(
      "esc_log_damaged_places",
      "Damaged places that the last start found.",
      byLog((log) => log.damagedPlaces),
    ),
    gauge(
      "esc_log_missing_events",
      "Events that the last start found missing.",
      byLog((log) => log.missingEvents),
    ),
    gauge(
      "esc_log_retention_held_back",
      "1 when the log exceeds a limit for a consumer's sake, else 0.",
      byLog((log) => Number(log.heldBack)),
    ),
    counter(
      "esc_log_lost_at_stop_events_total",
      "Events that the log could not take before the server stopped.",
      byLog((log) => log.lostAtStop),
    ),
    counter(
      "esc_log_deleted_events_total",
      "Events that retention deleted.",
      byLog((log) => log.deletedEvents),
    ),
    counter(
      "esc_log_deleted_bytes_total",
      "Bytes that retention deleted.",
      byLog((log) => log.deletedBytes),
    ),
    ...(lags.length > 0
      ? [gauge("esc_group_lag_events", "Events that a consumer group has still to come to.", lags)]
      : []),
  ];
}
