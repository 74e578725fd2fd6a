/** The server's counts, read from shared memory: what `/api/v1/stats` and `/metrics` tell. */
import { LANE_NAMES, type LaneName, RefusalCode, type RefusalName } from "@esc/events";
import { acceptedCounter, droppedCounter, refusedCounter } from "@esc/ingest";
import type { MetricFamily, Sample } from "@esc/metrics";
import type { ProcessorCounter, SinkCounts } from "@esc/processors";
import type { LogStats } from "./log-upkeep.ts";
import { type Pipeline, perLane } from "./pipeline.ts";
import { shardNames } from "./shards.ts";

/** Which consumer is which in each lane's ring. */
export interface ConsumerSlots {
  readonly log: Readonly<Record<string, number>>;
  /** By shard. */
  readonly processor: Readonly<Record<string, number>>;
}

/** One thread of a lane's processor. */
export interface ShardStats {
  readonly name: string;
  /** Bytes and records that it has not come to, other shards' among them. */
  readonly depthBytes: number;
  readonly behind: number;
  readonly held: number;
  readonly delayed: number;
  /** Everything of it below is finished, or waits for its time. */
  readonly cursor: number;
}

/** One lane now. Positions are bytes since the start. */
export interface LaneStats {
  readonly accepted: number;
  readonly processed: number;
  readonly deadLettered: number;
  readonly dropped: number;
  readonly duplicates: number;
  readonly cancelled: number;
  readonly stored: number;
  /** Records that the processor has not taken yet: in the ring, or in the log after a start. */
  readonly behind: number;
  /** Events that are held (for a promise, a retry or their key), that wait for their time, and windows that are open. */
  readonly held: number;
  readonly delayed: number;
  readonly windowsOpen: number;
  /** Threads started for ones that died. */
  readonly restarts: number;
  /** Each of its processor's threads; one unless `router.shards` says otherwise. */
  readonly shards: readonly ShardStats[];
  /** Bytes that the slowest consumer has not passed yet. */
  readonly depthBytes: number;
  readonly capacityBytes: number;
  readonly cursors: {
    readonly published: number;
    readonly log: number;
    readonly durable: number;
    readonly processor: number;
    /** Sequence of the next event. */
    readonly nextSequence: number;
    /** Sequence of the next event to become durable. */
    readonly durableSequence: number;
  };
}

/**
 * Everything since the start. Every event that was accepted or taken up again is processed, a dead letter, a counted drop,
 * a duplicate, cancelled or in flight:
 * accepted + replayed = processed + deadLettered + dropped + duplicates + cancelled + inFlight.
 */
export interface Stats {
  /** From outside, from handlers (`emitted`), and dead letters once more (`retried`). */
  readonly accepted: number;
  readonly emitted: number;
  readonly retried: number;
  /** Taken up again from the log after a start. */
  readonly replayed: number;
  readonly processed: number;
  readonly deadLettered: number;
  /** Not handled, because an event of the same id was within the window. */
  readonly duplicates: number;
  /** Taken out of the schedule by their id. */
  readonly cancelled: number;
  /**
   * In a lane: waiting for its processor, held, or waiting for their time. What a start has still to take up again from the
   * log comes on top as `behind`: it is counted as taken up one by one.
   */
  readonly inFlight: number;
  readonly behind: number;
  /** Attempts after a failed one. */
  readonly retries: number;
  readonly slaBreaches: number;
  readonly windows: { readonly closed: number; readonly early: number; readonly late: number; readonly failed: number };
  readonly alerts: {
    readonly raised: number;
    /** Over the lanes' budgets. */
    readonly dropped: number;
    readonly sinks: Readonly<Record<string, SinkCounts>>;
  };
  readonly dropped: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<RefusalName, number>>;
  readonly stored: number;
  readonly bytesReceived: number;
  readonly connections: {
    readonly open: number;
    readonly opened: number;
    readonly refused: number;
    readonly stalled: number;
    readonly shed: number;
  };
  readonly datagrams: number;
  readonly topics: number;
  readonly lanes: Readonly<Record<LaneName, LaneStats>>;
  /** By lane, and the dead letters'. */
  readonly logs: Readonly<Record<string, LogStats>>;
}

const REFUSALS = (Object.keys(RefusalCode) as RefusalName[]).filter((name) => name !== "laneFull");

/** Reads the counts. What is counted later in an event's life is read first, so that no sum is ever ahead of its source. */
export function readStats(
  pipeline: Pipeline,
  slots: ConsumerSlots,
  restarts: Readonly<Record<LaneName, number>>,
  sinks: Readonly<Record<string, SinkCounts>>,
  logs: Readonly<Record<string, LogStats>>,
): Stats {
  const { admin, ingest, topics } = pipeline;
  const names = perLane((lane) => shardNames(lane, pipeline.shards));
  const ofLane = (lane: LaneName, read: (shard: string) => number) =>
    names[lane].reduce((total, shard) => total + read(shard), 0);
  const countedBy = (lane: LaneName, name: ProcessorCounter) =>
    ofLane(lane, (shard) => pipeline.counters(shard).value(name));
  const counted = (name: ProcessorCounter) => LANE_NAMES.reduce((total, lane) => total + countedBy(lane, name), 0);
  const sum = (read: (lane: LaneName) => number) => LANE_NAMES.reduce((total, lane) => total + read(lane), 0);
  const processed = perLane((lane) =>
    ofLane(lane, (shard) => {
      const counted = pipeline.counters(shard).value("processed");
      return counted + pipeline.state(shard).uncounted;
    }),
  );
  const deadLettered = perLane((lane) => countedBy(lane, "deadLettered"));
  const duplicates = perLane((lane) => countedBy(lane, "duplicates"));
  const cancelled = perLane((lane) => countedBy(lane, "cancelled"));
  const overflow = perLane((lane) => countedBy(lane, "dropped.overflow"));
  const emitFull = counted("dropped.emit");
  const replayed = sum((lane) => countedBy(lane, "replayed"));
  const stored = perLane((lane) => pipeline.lane(lane).consumerCount(slots.log[lane] as number));
  const laneFull = perLane((lane) => ingest.value(droppedCounter(lane)));
  const emitted = perLane((lane) => counted(`emitted.${lane}`));
  const retried = perLane((lane) => admin.value(`retried.${lane}`));
  const lanes = perLane((lane): LaneStats => {
    const ring = pipeline.lane(lane);
    const log = ring.consumerPosition(slots.log[lane] as number);
    // Before the published sequence: what is taken is never ahead of it.
    const taken = names[lane].map((name) => {
      const { cursor, delayedEvents: delayed, held, next } = pipeline.state(name);
      return { name, cursor, delayed, held, next, position: ring.consumerPosition(slots.processor[name] as number) };
    });
    const processor = Math.min(...taken.map(({ position }) => position));
    const next = Math.min(...taken.map((shard) => shard.next));
    const published = ring.publishedPosition;
    const publishedSequence = ring.publishedSequence;
    return {
      accepted: ingest.value(acceptedCounter(lane)) + emitted[lane] + retried[lane],
      processed: processed[lane],
      deadLettered: deadLettered[lane],
      dropped: laneFull[lane] + overflow[lane],
      duplicates: duplicates[lane],
      cancelled: cancelled[lane],
      stored: stored[lane],
      behind: publishedSequence - next,
      held: ofLane(lane, (shard) => pipeline.state(shard).held),
      delayed: ofLane(lane, (shard) => pipeline.state(shard).delayedEvents),
      windowsOpen: ofLane(lane, (shard) => pipeline.state(shard).openWindows),
      restarts: restarts[lane],
      shards: taken.map(({ name, cursor, delayed, held, next, position }) => ({
        ...{ name, cursor, delayed, held, behind: publishedSequence - next },
        depthBytes: Math.max(0, published - position),
      })),
      depthBytes: Math.max(0, published - Math.min(processor, log)),
      capacityBytes: ring.capacityBytes,
      cursors: {
        published,
        log,
        durable: ring.durablePosition,
        processor,
        nextSequence: ring.publishedSequence,
        durableSequence: ring.durableSequence,
      },
    };
  });
  const opened = ingest.value("connections.opened");
  const accepted = sum((lane) => lanes[lane].accepted);
  const dropped = {
    ...Object.fromEntries(LANE_NAMES.map((lane) => [`lane_full_${lane}`, laneFull[lane]])),
    dead_letters_full: sum((lane) => overflow[lane]),
    emit_full: emitFull,
  };
  const ended =
    sum((lane) => processed[lane] + deadLettered[lane] + duplicates[lane] + cancelled[lane]) +
    Object.values(dropped).reduce((total, count) => total + count, 0);
  return {
    accepted,
    emitted: sum((lane) => emitted[lane]),
    retried: sum((lane) => retried[lane]),
    replayed,
    processed: sum((lane) => processed[lane]),
    deadLettered: sum((lane) => deadLettered[lane]),
    duplicates: sum((lane) => duplicates[lane]),
    cancelled: sum((lane) => cancelled[lane]),
    inFlight: accepted + replayed - ended,
    behind: sum((lane) => lanes[lane].behind),
    retries: counted("retries"),
    slaBreaches: counted("sla.breaches"),
    windows: {
      closed: counted("windows.closed"),
      early: counted("windows.early"),
      late: counted("windows.late"),
      failed: counted("windows.failed"),
    },
    alerts: { raised: counted("alerts.raised"), dropped: counted("alerts.dropped"), sinks },
    dropped,
    refused: Object.fromEntries(REFUSALS.map((name) => [name, ingest.value(refusedCounter(name))])) as Stats["refused"],
    stored: sum((lane) => stored[lane]),
    bytesReceived: ingest.value("bytes"),
    connections: {
      open: opened - ingest.value("connections.closed"),
      opened,
      refused: ingest.value("connections.refused"),
      stalled: ingest.value("connections.stalled"),
      shed: ingest.value("connections.shed"),
    },
    datagrams: ingest.value("datagrams"),
    topics: topics.topics,
    lanes,
    logs,
  };
}

/** The same as metrics. */
export function metricFamilies(stats: Stats, ready: boolean): MetricFamily[] {
  const byLane = (read: (lane: LaneStats) => number): Sample[] =>
    LANE_NAMES.map((lane) => ({ labels: { lane }, value: read(stats.lanes[lane]) }));
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
