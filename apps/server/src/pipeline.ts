/**
 * The pipeline's shared memory: which regions there are, made once by the main thread and found by name in every other.
 * What each thread does with them stands in `workers/`.
 */

import { Arena, type ArenaHandle } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { type TopicOverride, TopicTable } from "@esc/dispatcher";
import { createCrcTable, LANE_NAMES, type LaneName } from "@esc/events";
import {
  INGEST_COUNTERS,
  InputArea,
  PublisherPlaces,
  type PublisherPlacesOptions,
  SharedConnections,
} from "@esc/ingest";
import { CounterBlock } from "@esc/metrics";
import {
  BuiltInState,
  bulkBytes,
  LaneState,
  type LaneStateOptions,
  PROCESSOR_COUNTERS,
  type ProcessorCounter,
} from "@esc/processors";
import { Parker, RecordRing, type RingPlaces } from "@esc/queues";
import { RecordShare } from "@esc/queues/kernel";
import { DEAD_LETTERS } from "@esc/storage";
import { BYTES_PER_EVENT, type Config } from "./config/schema.ts";
import { perLane } from "./per-lane.ts";
import { shardNames } from "./shards.ts";
import { StageLatency } from "./stage-latency.ts";
import { ThreadMode } from "./thread-mode.ts";

export { perLane } from "./per-lane.ts";

/** The rings that have a log: the lanes, and the dead letters. */
export const LOGGED: readonly string[] = [...LANE_NAMES, DEAD_LETTERS];

/** The rings that have a log, by the configuration's names for them. */
export function configName(ring: string): keyof Config["storage"]["sync"] {
  return ring === DEAD_LETTERS ? "dead_letters" : (ring as LaneName);
}

/** Threads that sleep at a parker. */
export type ParkerName = `ingest.${number}` | "log" | `lane.${string}`;

function parkerNames(workers: number, shards: number): ParkerName[] {
  return ["log", ...ingestNames(workers), ...allShards(shards).map((shard) => `lane.${shard}` as const)];
}

function ingestNames(workers: number) {
  return Array.from({ length: workers }, (_, worker) => `ingest.${worker}` as const);
}

/** The shards of all lanes. */
function allShards(shards: number): string[] {
  return LANE_NAMES.flatMap((lane) => shardNames(lane, shards));
}

/**
 * Who uses a ring: each lane's shards publish into every ring and read their lane's own, each ingest thread claims in every
 * lane and is woken by it for space and for durability, and publishers claim as well; beside them log and main.
 */
function placesFor(workers: number, shards: number, maxPublishers: number): RingPlaces {
  return {
    producers: Math.max(16, LANE_NAMES.length * shards + 8) + workers + maxPublishers,
    consumers: Math.max(8, shards + 4),
    // Publishers share one for each reason.
    parkers: Math.max(8, shards + 4) + workers + 1,
  };
}

/** What the main thread counts: dead letters that it put into a lane once more. */
const ADMIN_COUNTERS = LANE_NAMES.map((lane) => `retried.${lane}`);

/** Room for what threads cut for themselves beyond what is added up here: contexts, runs, cursors. */
const SPARE_BYTES = 1_048_576;
/** And for each shard: its counters and its parker, aligned. */
const SHARD_BYTES = 4_096;

export class Pipeline {
  readonly arena: Arena;
  readonly rings: Readonly<Record<string, RecordRing>>;
  readonly topics: TopicTable;
  /** By ingest thread. */
  readonly ingest: readonly CounterBlock<string>[];
  readonly connections: SharedConnections;
  readonly admin: CounterBlock<string>;
  readonly publishers: PublisherPlaces;
  /** Shards of each lane. */
  readonly shards: number;
  /** By shard. */
  readonly states: Readonly<Record<string, LaneState>>;
  readonly processors: Readonly<Record<string, CounterBlock<ProcessorCounter>>>;
  readonly builtIns: Readonly<Record<string, BuiltInState>>;
  readonly latency: StageLatency;
  readonly modes: { readonly log: ThreadMode; readonly lanes: ThreadMode };
  readonly #parkers: Readonly<Record<string, Parker>>;

  private constructor(arena: Arena) {
    this.arena = arena;
    this.rings = Object.fromEntries(LOGGED.map((name) => [name, RecordRing.attach(arena, name)]));
    this.topics = TopicTable.attach(arena, "topics");
    const [workers = 0, shards = 0] = new Uint32Array(arena.memory.buffer, regionAddress(arena.region("threads")), 2);
    this.ingest = ingestNames(workers).map((name) => CounterBlock.attach(arena, `counters.${name}`, INGEST_COUNTERS));
    this.connections = SharedConnections.attach(arena, "ingest.connections");
    this.shards = shards;
    const perShard = <T>(attach: (shard: string) => T) =>
      Object.fromEntries(allShards(shards).map((shard) => [shard, attach(shard)]));
    this.processors = perShard((shard) => CounterBlock.attach(arena, `counters.${shard}`, PROCESSOR_COUNTERS));
    this.admin = CounterBlock.attach(arena, "counters.admin", ADMIN_COUNTERS);
    this.publishers = PublisherPlaces.attach(arena);
    this.states = perShard((shard) => LaneState.attach(arena, shard));
    this.builtIns = perShard((shard) => BuiltInState.ensure(arena, shard));
    this.latency = StageLatency.attach(arena, shards);
    this.modes = { log: ThreadMode.attach(arena, "mode.log"), lanes: ThreadMode.attach(arena, "mode.lanes") };
    this.#parkers = Object.fromEntries(
      parkerNames(workers, shards).map((name) => [name, Parker.attach(arena, `parker.${name}`)]),
    );
  }

  /**
   * Makes all regions.
   * @param nextSequences by ring: where its log goes on.
   * @param cursors by shard: where its processor goes on.
   * @param workers ingest threads.
   * @param shards of each lane.
   */
  static create(
    config: Config,
    overrides: readonly TopicOverride[],
    nextSequences: Readonly<Record<string, number>>,
    cursors: Readonly<Record<string, number>>,
    workers = 1,
    shards = 1,
  ): Pipeline {
    const laneBytes = config.router.buffer_size * BYTES_PER_EVENT;
    const deadBytes = config.dead_letters.buffer_size * BYTES_PER_EVENT;
    const topics = { overrides, maxTopics: config.router.max_topics };
    const { concurrency, delayed } = config.processing;
    const state: LaneStateOptions = { concurrency, delayedEvents: delayed.max_events };
    const threads = LANE_NAMES.length * shards;
    const places = placesFor(workers, shards, config.ingestion.in_process.max_publishers);
    const bytes =
      LANE_NAMES.length * RecordRing.bytesFor(laneBytes, places) +
      RecordRing.bytesFor(deadBytes, places) +
      // Each processor has an appender for dead letters, with room for the longest record.
      threads * (deadBytes / 2) +
      threads * (LaneState.bytesFor(state) + bulkBytes + SHARD_BYTES + (shards > 1 ? RecordShare.bytes : 0)) +
      // Producers of single events in each lane: handlers of every lane, and the main thread.
      (threads + 1) * LANE_NAMES.length * producerBytes(config) +
      TopicTable.bytesFor(topics) +
      StageLatency.bytesFor(workers, shards) +
      workers * InputArea.bytesFor(config.ingestion.max_frame_bytes) +
      PublisherPlaces.bytesFor(publishers(config)) +
      SPARE_BYTES;
    const arena = Arena.create({ bytes });
    createCrcTable(arena);
    new Uint32Array(arena.memory.buffer, regionAddress(arena.allocate("threads", 8)), 2).set([workers, shards]);
    for (const name of LOGGED) {
      const capacityBytes = name === DEAD_LETTERS ? deadBytes : laneBytes;
      RecordRing.create(arena, name, { capacityBytes, firstSequence: nextSequences[name] ?? 1, places });
    }
    TopicTable.create(arena, "topics", topics);
    SharedConnections.create(arena, "ingest.connections");
    for (const name of ingestNames(workers)) CounterBlock.create(arena, `counters.${name}`, INGEST_COUNTERS);
    for (const shard of allShards(shards)) CounterBlock.create(arena, `counters.${shard}`, PROCESSOR_COUNTERS);
    CounterBlock.create(arena, "counters.admin", ADMIN_COUNTERS);
    for (const shard of allShards(shards)) LaneState.create(arena, shard, cursors[shard] ?? 1, state);
    StageLatency.create(arena, workers, shards);
    for (const name of parkerNames(workers, shards)) Parker.create(arena, `parker.${name}`);
    ThreadMode.create(arena, "mode.log");
    ThreadMode.create(arena, "mode.lanes");
    PublisherPlaces.create(arena, publishers(config));
    const pipeline = new Pipeline(arena);
    pipeline.publishers.watch(perLane((lane) => pipeline.lane(lane)));
    return pipeline;
  }

  /** The same pipeline in another thread. */
  static attach(handle: ArenaHandle): Pipeline {
    return new Pipeline(Arena.attach(handle));
  }

  parker(name: ParkerName): Parker {
    return this.#parkers[name] as Parker;
  }

  /** The ring of a lane. */
  lane(lane: LaneName): RecordRing {
    return this.rings[lane] as RecordRing;
  }

  /** The state of a shard. */
  state(shard: string): LaneState {
    return this.states[shard] as LaneState;
  }

  /** What a shard counts. */
  counters(shard: string): CounterBlock<ProcessorCounter> {
    return this.processors[shard] as CounterBlock<ProcessorCounter>;
  }

  get deadLetters(): RecordRing {
    return this.rings[DEAD_LETTERS] as RecordRing;
  }

  /** The arena's bytes. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.arena.memory.buffer);
  }
}

/** Room that a producer of single events needs: the largest that may come in, and what stands around it in its record. */
export function producerBytes(config: Config): number {
  return config.ingestion.max_frame_bytes + 8_192;
}

function publishers({ ingestion }: Config): PublisherPlacesOptions {
  const { max_publishers: places, batch_bytes: batchBytes } = ingestion.in_process;
  return { places, batchBytes, maxFrameBytes: ingestion.max_frame_bytes };
}
