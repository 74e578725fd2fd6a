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
import { Parker, RecordRing } from "@esc/queues";
import { DEAD_LETTERS } from "@esc/storage";
import { BYTES_PER_EVENT, type Config } from "./config/schema.ts";
import { perLane } from "./per-lane.ts";
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
export type ParkerName = `ingest.${number}` | "log" | `lane.${LaneName}`;
const PARKER_NAMES: readonly ParkerName[] = ["log", ...LANE_NAMES.map((lane) => `lane.${lane}` as const)];

/** What the main thread counts: dead letters that it put into a lane once more. */
const ADMIN_COUNTERS = LANE_NAMES.map((lane) => `retried.${lane}`);

/** Room for what threads cut for themselves beyond what is added up here: contexts, runs, cursors. */
const SPARE_BYTES = 1_048_576;

export class Pipeline {
  readonly arena: Arena;
  readonly rings: Readonly<Record<string, RecordRing>>;
  readonly topics: TopicTable;
  /** By ingest thread. */
  readonly ingest: readonly CounterBlock<string>[];
  readonly connections: SharedConnections;
  readonly admin: CounterBlock<string>;
  readonly publishers: PublisherPlaces;
  readonly states: Readonly<Record<LaneName, LaneState>>;
  readonly processors: Readonly<Record<LaneName, CounterBlock<ProcessorCounter>>>;
  readonly latency: StageLatency;
  readonly builtIns: Readonly<Record<LaneName, BuiltInState>>;
  readonly modes: { readonly log: ThreadMode; readonly lanes: ThreadMode };
  readonly #parkers: Readonly<Record<ParkerName, Parker>>;

  private constructor(arena: Arena) {
    this.arena = arena;
    this.rings = Object.fromEntries(LOGGED.map((name) => [name, RecordRing.attach(arena, name)]));
    this.topics = TopicTable.attach(arena, "topics");
    const workers = new Int32Array(arena.memory.buffer, regionAddress(arena.region("ingest.workers")), 1)[0] as number;
    const ingest = Array.from({ length: workers }, (_, worker) => `ingest.${worker}` as const);
    this.ingest = ingest.map((name) => CounterBlock.attach(arena, `counters.${name}`, INGEST_COUNTERS));
    this.connections = SharedConnections.attach(arena, "ingest.connections");
    this.processors = perLane((lane) => CounterBlock.attach(arena, `counters.${lane}`, PROCESSOR_COUNTERS));
    this.admin = CounterBlock.attach(arena, "counters.admin", ADMIN_COUNTERS);
    this.publishers = PublisherPlaces.attach(arena);
    this.states = perLane((lane) => LaneState.attach(arena, lane));
    this.latency = StageLatency.attach(arena);
    this.builtIns = perLane((lane) => BuiltInState.ensure(arena, lane));
    this.modes = { log: ThreadMode.attach(arena, "mode.log"), lanes: ThreadMode.attach(arena, "mode.lanes") };
    this.#parkers = Object.fromEntries(
      [...PARKER_NAMES, ...ingest].map((name) => [name, Parker.attach(arena, `parker.${name}`)]),
    ) as Record<ParkerName, Parker>;
  }

  /**
   * Makes all regions.
   * @param nextSequences by ring: where its log goes on.
   * @param cursors by lane: where its processor goes on.
   * @param workers ingest threads.
   */
  static create(
    config: Config,
    overrides: readonly TopicOverride[],
    nextSequences: Readonly<Record<string, number>>,
    cursors: Readonly<Record<LaneName, number>>,
    workers = 1,
  ): Pipeline {
    const laneBytes = config.router.buffer_size * BYTES_PER_EVENT;
    const deadBytes = config.dead_letters.buffer_size * BYTES_PER_EVENT;
    // Each ingest thread and publisher claims in every lane. An ingest thread is woken by it for space and for durability;
    // publishers share a parker for each of the two.
    const { max_publishers: maxPublishers } = config.ingestion.in_process;
    const places = { producers: 16 + workers + maxPublishers, parkers: 8 + workers + 1 };
    const topics = { overrides, maxTopics: config.router.max_topics };
    const { concurrency, delayed } = config.processing;
    const state: LaneStateOptions = { concurrency, delayedEvents: delayed.max_events };
    const bytes =
      LANE_NAMES.length * RecordRing.bytesFor(laneBytes, places) +
      RecordRing.bytesFor(deadBytes) +
      // Each lane's processor has an appender for dead letters, with room for the longest record.
      LANE_NAMES.length * (deadBytes / 2) +
      LANE_NAMES.length * LaneState.bytesFor(state) +
      LANE_NAMES.length * bulkBytes +
      // Producers of single events in each lane: handlers of every lane, and the main thread.
      (LANE_NAMES.length + 1) * LANE_NAMES.length * producerBytes(config) +
      TopicTable.bytesFor(topics) +
      StageLatency.bytesFor(workers) +
      workers * InputArea.bytesFor(config.ingestion.max_frame_bytes) +
      PublisherPlaces.bytesFor(publishers(config)) +
      SPARE_BYTES;
    const arena = Arena.create({ bytes });
    createCrcTable(arena);
    for (const name of LOGGED) {
      const ring = name === DEAD_LETTERS ? { capacityBytes: deadBytes } : { capacityBytes: laneBytes, places };
      RecordRing.create(arena, name, { ...ring, firstSequence: nextSequences[name] ?? 1 });
    }
    TopicTable.create(arena, "topics", topics);
    new Int32Array(arena.memory.buffer, regionAddress(arena.allocate("ingest.workers", 4)), 1)[0] = workers;
    SharedConnections.create(arena, "ingest.connections");
    for (let worker = 0; worker < workers; worker++) {
      CounterBlock.create(arena, `counters.ingest.${worker}`, INGEST_COUNTERS);
      Parker.create(arena, `parker.ingest.${worker}`);
    }
    for (const lane of LANE_NAMES) CounterBlock.create(arena, `counters.${lane}`, PROCESSOR_COUNTERS);
    CounterBlock.create(arena, "counters.admin", ADMIN_COUNTERS);
    for (const lane of LANE_NAMES) LaneState.create(arena, lane, cursors[lane], state);
    StageLatency.create(arena, workers);
    for (const name of PARKER_NAMES) Parker.create(arena, `parker.${name}`);
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
