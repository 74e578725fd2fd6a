/** The server's counts, read from shared memory: what `/api/v1/stats` and `/metrics` tell. */
import { LANE_NAMES, type LaneName, RefusalCode, type RefusalName } from "@esc/events";
import { acceptedCounter, droppedCounter, refusedCounter } from "@esc/ingest";
import type { MetricFamily, Sample } from "@esc/metrics";
import type { LogStats } from "./log-upkeep.ts";
import { type Pipeline, perLane } from "./pipeline.ts";

/** Which consumer is which in each lane's ring. */
export interface ConsumerSlots {
  readonly log: Readonly<Record<string, number>>;
  readonly processor: Readonly<Record<LaneName, number>>;
}

/** One lane now. Positions are bytes since the start. */
export interface LaneStats {
  readonly accepted: number;
  readonly processed: number;
  readonly deadLettered: number;
  readonly dropped: number;
  readonly stored: number;
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

/** Everything since the start: accepted + replayed = processed + deadLettered + dropped + what is in the lanes. */
export interface Stats {
  readonly accepted: number;
  readonly replayed: number;
  readonly processed: number;
  readonly deadLettered: number;
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
export function readStats(pipeline: Pipeline, slots: ConsumerSlots, logs: Readonly<Record<string, LogStats>>): Stats {
  const { ingest, processors, topics } = pipeline;
  const sum = (read: (lane: LaneName) => number) => LANE_NAMES.reduce((total, lane) => total + read(lane), 0);
  const processed = perLane((lane) => processors[lane].value("processed"));
  const deadLettered = perLane((lane) => processors[lane].value("deadLettered"));
  const overflow = perLane((lane) => processors[lane].value("dropped.overflow"));
  const replayed = sum((lane) => processors[lane].value("replayed"));
  const stored = perLane((lane) => pipeline.lane(lane).consumerCount(slots.log[lane] as number));
  const laneFull = perLane((lane) => ingest.value(droppedCounter(lane)));
  const lanes = perLane((lane): LaneStats => {
    const ring = pipeline.lane(lane);
    const processor = ring.consumerPosition(slots.processor[lane]);
    const log = ring.consumerPosition(slots.log[lane] as number);
    const published = ring.publishedPosition;
    return {
      accepted: ingest.value(acceptedCounter(lane)),
      processed: processed[lane],
      deadLettered: deadLettered[lane],
      dropped: laneFull[lane] + overflow[lane],
      stored: stored[lane],
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
  return {
    accepted: sum((lane) => lanes[lane].accepted),
    replayed,
    processed: sum((lane) => processed[lane]),
    deadLettered: sum((lane) => deadLettered[lane]),
    dropped: {
      ...Object.fromEntries(LANE_NAMES.map((lane) => [`lane_full_${lane}`, laneFull[lane]])),
      dead_letters_full: sum((lane) => overflow[lane]),
    },
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
