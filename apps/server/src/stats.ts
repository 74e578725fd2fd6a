/** The server's counts, read from shared memory: what `/api/v1/stats` tells, and `metric-families.ts` makes metrics of. */
import { LANE_NAMES, type LaneName, RefusalCode, type RefusalName } from "@esc/events";
import { acceptedCounter, droppedCounter, endedCounter, refusedCounter } from "@esc/ingest";
import type { ProcessorCounter, SinkCounts } from "@esc/processors";
import { type BuiltInTotal, builtInTotals } from "./built-in-stats.ts";
import type { Lanes } from "./lanes.ts";
import type { LogStats } from "./log-upkeep.ts";
import { type Pipeline, perLane } from "./pipeline.ts";
import type { PlacementStats } from "./placement.ts";
import { shardNames } from "./shards.ts";
import type { StageLatencyStats } from "./stage-latency.ts";

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

/** What one ingest thread has: open connections, and events taken from sockets since the start. */
export interface IngestWorkerStats {
  readonly connections: number;
  readonly accepted: number;
}

/**
 * Everything since the start. Every event that was accepted or taken up again is processed, a dead letter, a counted drop,
 * a duplicate, cancelled or in flight:
 * accepted + replayed = processed + deadLettered + dropped + duplicates + cancelled + inFlight.
 */
export interface Stats {
  /** From outside, from publishers (`published`) and handlers (`emitted`), and dead letters once more (`retried`). */
  readonly accepted: number;
  /** By publishers within the process. */
  readonly published: number;
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
  /** By name: of all lanes together. */
  readonly builtIns: Readonly<Record<string, BuiltInTotal>>;
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
  /** By ingest thread. */
  readonly workers: readonly IngestWorkerStats[];
  readonly topics: number;
  /** From received to each stage. */
  readonly latency: StageLatencyStats;
  readonly lanes: Readonly<Record<LaneName, LaneStats>>;
  /** By lane, and the dead letters'. */
  readonly logs: Readonly<Record<string, LogStats>>;
  /** Where threads run, with `numa.enable`. */
  readonly placement?: PlacementStats;
}

const REFUSALS = (Object.keys(RefusalCode) as RefusalName[]).filter((name) => name !== "laneFull");

/** Reads the counts. What is counted later in an event's life is read first, so that no sum is ever ahead of its source. */
export function readStats(
  pipeline: Pipeline,
  slots: ConsumerSlots,
  { builtIns, restarts }: Pick<Lanes, "builtIns" | "restarts">,
  sinks: Readonly<Record<string, SinkCounts>>,
  logs: Readonly<Record<string, LogStats>>,
): Stats {
  const { admin, publishers, topics } = pipeline;
  const names = perLane((lane) => shardNames(lane, pipeline.shards));
  const ofLane = (lane: LaneName, read: (shard: string) => number) =>
    names[lane].reduce((total, shard) => total + read(shard), 0);
  const countedBy = (lane: LaneName, name: ProcessorCounter) =>
    ofLane(lane, (shard) => pipeline.counters(shard).value(name));
  const counted = (name: ProcessorCounter) => LANE_NAMES.reduce((total, lane) => total + countedBy(lane, name), 0);
  const ingest = { value: (name: string) => pipeline.ingest.reduce((total, block) => total + block.value(name), 0) };
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
  const publisherEnded = perLane((lane) => publishers.value(endedCounter(lane)));
  const published = perLane((lane) => publishers.value(acceptedCounter(lane)));
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
    const publishedPosition = ring.publishedPosition;
    const publishedSequence = ring.publishedSequence;
    return {
      accepted: ingest.value(acceptedCounter(lane)) + published[lane] + emitted[lane] + retried[lane],
      processed: processed[lane],
      deadLettered: deadLettered[lane],
      dropped: laneFull[lane] + overflow[lane] + publisherEnded[lane],
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
        depthBytes: Math.max(0, publishedPosition - position),
      })),
      depthBytes: Math.max(0, publishedPosition - Math.min(processor, log)),
      capacityBytes: ring.capacityBytes,
      cursors: {
        published: publishedPosition,
        log,
        durable: ring.durablePosition,
        processor,
        nextSequence: ring.publishedSequence,
        durableSequence: ring.durableSequence,
      },
    };
  });
  const workers = pipeline.ingest.map((block): IngestWorkerStats => {
    const closed = block.value("connections.closed");
    return {
      connections: block.value("connections.opened") - closed,
      accepted: LANE_NAMES.reduce((total, lane) => total + block.value(acceptedCounter(lane)), 0),
    };
  });
  const closed = ingest.value("connections.closed");
  const opened = ingest.value("connections.opened");
  const accepted = sum((lane) => lanes[lane].accepted);
  const dropped = {
    ...Object.fromEntries(LANE_NAMES.map((lane) => [`lane_full_${lane}`, laneFull[lane]])),
    dead_letters_full: sum((lane) => overflow[lane]),
    emit_full: emitFull,
    publisher_ended: sum((lane) => publisherEnded[lane]),
  };
  const ended =
    sum((lane) => processed[lane] + deadLettered[lane] + duplicates[lane] + cancelled[lane]) +
    Object.values(dropped).reduce((total, count) => total + count, 0);
  return {
    accepted,
    published: sum((lane) => published[lane]),
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
    builtIns: builtInTotals(pipeline, builtIns),
    stored: sum((lane) => stored[lane]),
    bytesReceived: ingest.value("bytes"),
    connections: {
      open: opened - closed,
      opened,
      refused: ingest.value("connections.refused"),
      stalled: ingest.value("connections.stalled"),
      shed: ingest.value("connections.shed"),
    },
    datagrams: ingest.value("datagrams"),
    workers,
    topics: topics.topics,
    latency: pipeline.latency.stats,
    lanes,
    logs,
  };
}
