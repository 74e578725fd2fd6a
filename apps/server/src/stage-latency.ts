/**
 * How long events take from when they were received to each stage of their way, by stage and lane. Measured per group: the
 * scan that publishes a group stamps it, the threads that come by later record its age. No event is looked at. Where a lane's
 * processor is several threads, a group has come to a stage when the last of them has passed it: `shared-stage.ts`.
 */
import type { Arena } from "@esc/arena";
import { LANE_NAMES, type LaneName } from "@esc/events";
import {
  Histogram,
  type HistogramOptions,
  type HistogramSnapshot,
  type MetricFamily,
  monotonicClock,
  StageRecorder,
  StampRing,
  type StampRingOptions,
} from "@esc/metrics";
import type { LaneStages } from "@esc/processors";
import { type Latency, latencyOf } from "./latency-figures.ts";
import { perLane } from "./per-lane.ts";
import { SharedStage } from "./shared-stage.ts";

/** In this order they read the stamps; each begins when the event was received. */
const STAGES = ["queued", "handled", "durable"] as const;
/** Until taken from the lane's ring; until handlers have returned; until the log is synced as configured. */
export type Stage = (typeof STAGES)[number];

/**
 * As many scans as one thread gets done while a lane's log waits for its sync (80,000 a second at the default 200 ms); a
 * thread reads its sockets some ten thousand times a second.
 */
const STAMPS: StampRingOptions = { capacity: 16_384, readers: STAGES.length };
/** Two digits: percentiles within 1%, 36 KiB a shard instead of 264, which would push the lanes' records out of the caches. */
const HISTOGRAM: HistogramOptions = { significantDigits: 2 };
/** Stages that a lane's processor comes to: where it is several threads, they come to them together. */
const SHARED = ["queued", "handled"] as const;
/** Threads that record in a histogram: shards, and some beside them or that have ended just now. */
const LEAST_THREADS = 8;
const MOST_THREADS = 64;
const ALLOCATION_BYTES = 128;

/** By stage and lane, since the start. */
export interface StageLatencyStats extends Readonly<Record<Stage, Readonly<Record<LaneName, Latency>>>> {
  readonly unit: "ns";
  /** Events that found no room for their group's stamp: stored and handled, and in none of these figures. */
  readonly unmeasured: number;
}

export class StageLatency {
  readonly #arena: Arena;
  /** By ingest thread. */
  readonly #stamps: readonly Readonly<Record<LaneName, StampRing>>[];
  readonly #histograms: Readonly<Record<Stage, Readonly<Record<LaneName, Histogram>>>>;

  /** Of the lanes' processors, by stage; without where each lane's is one thread. */
  readonly #shared: Readonly<Record<(typeof SHARED)[number], Readonly<Record<LaneName, SharedStage>>>> | undefined;

  private constructor(arena: Arena, ingestThreads: number, shards: number) {
    this.#arena = arena;
    const shared = (stage: Stage) => perLane((lane) => SharedStage.ensure(arena, sharedName(stage, lane), shards));
    this.#shared = shards > 1 ? { queued: shared("queued"), handled: shared("handled") } : undefined;
    this.#stamps = Array.from({ length: ingestThreads }, (_, thread) =>
      perLane((lane) => StampRing.attach(arena, stampsName(thread, lane))),
    );
    this.#histograms = perStage((stage) => perLane((lane) => Histogram.attach(arena, histogramName(stage, lane))));
  }

  /** Bytes that an arena needs for all of it; pages that nothing is written to cost none. */
  static bytesFor(ingestThreads: number, shards: number): number {
    const lanes = LANE_NAMES.length;
    return (
      ingestThreads * lanes * (StampRing.bytesFor(STAMPS) + ALLOCATION_BYTES) +
      STAGES.length * lanes * (Histogram.bytesFor(histogramOptions(shards)) + ALLOCATION_BYTES) +
      SHARED.length * lanes * (SharedStage.bytesFor(shards) + ALLOCATION_BYTES)
    );
  }

  /** Makes the regions. */
  static create(arena: Arena, ingestThreads: number, shards: number): void {
    for (const lane of LANE_NAMES) {
      for (let thread = 0; thread < ingestThreads; thread++) StampRing.create(arena, stampsName(thread, lane), STAMPS);
      for (const stage of STAGES) Histogram.create(arena, histogramName(stage, lane), histogramOptions(shards));
    }
  }

  /** In any thread, with stamps of as many ingest threads as there are. @param shards of each lane's processor. */
  static attach(arena: Arena, shards: number): StageLatency {
    const named = new Set(arena.regions().map(({ name }) => name));
    let threads = 0;
    while (named.has(stampsName(threads, LANE_NAMES[0] as LaneName))) threads++;
    return new StageLatency(arena, threads, shards);
  }

  /** What an ingest thread's scanners write to, and what a stamp's time is by. */
  scanner(thread: number) {
    return { stamps: this.#stamps[thread] as Readonly<Record<LaneName, StampRing>>, clock: monotonicClock() };
  }

  /** What a lane's processor, or one of its shards, tells how far it has come. The calling thread's. */
  laneStages(lane: LaneName, shard = 0): LaneStages {
    const { now } = monotonicClock();
    const queued = this.#recorder("queued", lane, now);
    const handled = this.#recorder("handled", lane, now);
    const shared = this.#shared;
    if (shared !== undefined)
      return sharedStages(shared.queued[lane], shared.handled[lane], shard, queued, handled, now);
    return {
      taken: (position) => queued.reach(position),
      handled: (position) => handled.reach(position),
      counted: (position) => {
        const nowNs = now();
        queued.reach(position, nowNs);
        handled.reach(position, nowNs);
      },
      skipped: (position) => {
        queued.skip(position);
        handled.skip(position);
      },
    };
  }

  /** What the log's writer tells how far lanes are durable. The calling thread's. */
  durable(): (ring: string, position: number) => void {
    const { now } = monotonicClock();
    const recorders = new Map<string, StageRecorder>(
      LANE_NAMES.map((lane) => [lane, this.#recorder("durable", lane, now)]),
    );
    return (ring, position) => recorders.get(ring)?.reach(position);
  }

  /** Lets another thread record in the place of one that has ended. */
  release(endedThreadId: number): void {
    for (const stage of STAGES) for (const lane of LANE_NAMES) this.#histograms[stage][lane].release(endedThreadId);
    for (const stage of SHARED) for (const lane of LANE_NAMES) this.#shared?.[stage][lane].release(endedThreadId);
  }

  /** The figures since the start. About 0.5 ms. */
  get stats(): StageLatencyStats {
    const figures = perStage((stage) => perLane((lane) => latencyOf(this.snapshot(stage, lane))));
    return { unit: "ns", ...figures, unmeasured: this.unmeasured };
  }

  /** One stage of a lane since the start. */
  snapshot(stage: Stage, lane: LaneName): HistogramSnapshot {
    return this.#histograms[stage][lane].snapshot();
  }

  /** Events of groups whose stamp found no room. */
  get unmeasured(): number {
    const rings = this.#stamps.flatMap((stamps) => LANE_NAMES.map((lane) => stamps[lane]));
    return rings.reduce((total, { droppedEvents }) => total + droppedEvents, 0);
  }

  #recorder(stage: Stage, lane: LaneName, now: () => number): StageRecorder {
    return new StageRecorder(this.#arena, {
      stamps: this.#stamps.map((stamps) => stamps[lane]),
      reader: STAGES.indexOf(stage),
      histogram: this.#histograms[stage][lane].recorder(),
      now,
    });
  }
}

const QUANTILES = {
  "0.5": "p50",
  "0.9": "p90",
  "0.99": "p99",
  "0.999": "p999",
  "0.9999": "p9999",
  "1": "max",
} as const;

/** The same as metrics: buckets that can be added up and subtracted, and quantiles since the start for who looks once. */
export function latencyFamilies(latency: StageLatency): MetricFamily[] {
  const all = STAGES.flatMap((stage) =>
    LANE_NAMES.map((lane) => ({ labels: { stage, lane }, histogram: latency.snapshot(stage, lane) })),
  );
  const quantiles = all.flatMap(({ labels, histogram }) => {
    const figures = latencyOf(histogram);
    return Object.entries(QUANTILES).map(([quantile, name]) => ({
      labels: { ...labels, quantile },
      value: figures[name] / 1e9,
    }));
  });
  return [
    {
      name: "esc_latency_seconds",
      help: "From received to queued (taken from the ring), handled (handlers returned), durable (synced as configured).",
      type: "histogram",
      samples: all,
    },
    {
      name: "esc_latency_quantile_seconds",
      help: "The same since the start, as quantiles within 1%; 1 is the greatest.",
      type: "gauge",
      samples: quantiles,
    },
    {
      name: "esc_latency_unmeasured_events_total",
      help: "Events in none of the latencies: their group's stamp found no room.",
      type: "counter",
      samples: [{ value: latency.unmeasured }],
    },
  ];
}

/** Of one of several threads: a group counts when the last of them has passed it. */
function sharedStages(
  queuedBy: SharedStage,
  handledBy: SharedStage,
  shard: number,
  queued: StageRecorder,
  handled: StageRecorder,
  now: () => number,
): LaneStages {
  return {
    taken: (position) => queuedBy.reach(shard, position, queued),
    handled: (position) => handledBy.reach(shard, position, handled),
    counted: (position) => {
      const nowNs = now();
      queuedBy.reach(shard, position, queued, nowNs);
      handledBy.reach(shard, position, handled, nowNs);
    },
    skipped: (position) => {
      queuedBy.skip(shard, position, queued);
      handledBy.skip(shard, position, handled);
    },
  };
}

function histogramOptions(shards: number): HistogramOptions {
  return { ...HISTOGRAM, maxThreads: Math.min(MOST_THREADS, Math.max(LEAST_THREADS, shards + LEAST_THREADS / 2)) };
}

function sharedName(stage: Stage, lane: LaneName): string {
  return `latency.${stage}.${lane}.shards`;
}

function stampsName(thread: number, lane: LaneName): string {
  return `stamps.ingest.${thread}.${lane}`;
}

function histogramName(stage: Stage, lane: LaneName): string {
  return `latency.${stage}.${lane}`;
}

function perStage<T>(make: (stage: Stage) => T): Record<Stage, T> {
  return { queued: make("queued"), handled: make("handled"), durable: make("durable") };
}
