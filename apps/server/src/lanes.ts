/** The three lanes as the server sees them: where each of their shards begins, its thread under supervision, questions to it. */
import type { TopicOverride } from "@esc/dispatcher";
import { LANE_NAMES, type LaneName } from "@esc/events";
import {
  type Alert,
  type Checkpoint,
  CheckpointFile,
  isPlain,
  type LaneShards,
  openShards,
  type ShardResume,
} from "@esc/processors";
import type { Recovery } from "@esc/storage";
import type { Logger } from "pino";
import type { Config } from "./config/schema.ts";
import { type LaneAnswer, LaneOrders, type LaneQuestion } from "./lane-orders.ts";
import { LaneRings } from "./lane-rings.ts";
import { LaneSupervisor } from "./lane-supervisor.ts";
import { type Pipeline, perLane } from "./pipeline.ts";
import { sharding, shardNames } from "./shards.ts";
import { WorkerThread } from "./worker-thread.ts";
import type { BuiltInShape, LaneStart, WorkerMessage, WorkerStart } from "./workers/messages.ts";

export type LaneBuiltIns = Readonly<Record<LaneName, readonly BuiltInShape[]>>;

export interface LanesOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly pipeline: Pipeline;
  readonly start: WorkerStart;
  readonly overrides: readonly TopicOverride[];
  readonly recoveries: Readonly<Record<string, Recovery>>;
  readonly divided: Readonly<Record<LaneName, LaneShards>>;
  readonly raise: (alert: Alert) => void;
  /** Every message of a lane's thread that is no answer. */
  readonly onMessage: (message: WorkerMessage) => void;
  /** Every thread that is started, before it is ready. */
  readonly onThread: (thread: WorkerThread) => void;
}

/** One thread of a lane. */
interface Shard {
  readonly name: string;
  readonly lane: LaneName;
  readonly shard: number;
}

/** Divides the lanes into their shards; says where each goes on. Before the pipeline is made. */
export async function divideLanes(
  config: Config,
  shards: number,
  recoveries: Readonly<Record<string, Recovery>>,
  logger: Logger,
): Promise<Readonly<Record<LaneName, LaneShards>>> {
  const divide = async (lane: LaneName) => {
    const { nextSequence: to } = recoveries[lane] as Recovery;
    const options = {
      ...{ dataDir: config.storage.path, lane },
      onError: (message: string) => logger.error({ lane }, message),
    };
    const divided = await openShards(options, sharding(config, lane, shards), to);
    const from = Math.min(...divided.resumes.map(({ checkpoint }) => checkpoint.cursor));
    if (from < to) logger.info({ lane, events: to - from }, "taking up events from the log");
    return [lane, divided];
  };
  return Object.fromEntries(await Promise.all(LANE_NAMES.map(divide))) as Record<LaneName, LaneShards>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #orders = new LaneOrders();
  readonly #shards: ReadonlyMap<string, LaneSupervisor>;
  #builtIns: LaneBuiltIns = perLane(() => []);

  constructor(options: LanesOptions) {
    this.#options = options;
    const { shards } = options.pipeline;
    const all = LANE_NAMES.flatMap((lane) => shardNames(lane, shards).map((name, shard) => ({ name, lane, shard })));
    this.#shards = new Map(all.map((shard) => [shard.name, this.#supervisor(shard)]));
  }

  /** Starts all; resolves with the slots of their consumers, by shard, once they take events. @throws what a start fails with. */
  async start(): Promise<Readonly<Record<string, number>>> {
    const started = await Promise.all(this.#all.map(async (lane) => ({ name: lane.lane, ...(await lane.start()) })));
    const { shards } = this.#options.pipeline;
    const of = new Map(started.map(({ name, builtIns }) => [name, builtIns]));
    // A lane's shards have the same: each loads the same modules.
    this.#builtIns = perLane((lane) => of.get(shardNames(lane, shards)[0] as string) ?? []);
    return Object.fromEntries(started.map(({ name, slot }) => [name, slot]));
  }

  /** The built-ins of each lane, in the order of their states. */
  get builtIns(): LaneBuiltIns {
    return this.#builtIns;
  }

  /** Lanes, or their shards, whose threads are being brought back, with why; "" when none is. */
  get trouble(): string {
    const troubled = this.#all.filter(({ trouble }) => trouble !== "");
    return troubled.map(({ lane, trouble }) => `${lane}: ${trouble}`).join("; ");
  }

  get restarts(): Readonly<Record<LaneName, number>> {
    const of = (name: string) => this.#shards.get(name)?.restarts ?? 0;
    return perLane((lane) => shardNames(lane, this.#options.pipeline.shards).reduce((sum, name) => sum + of(name), 0));
  }

  /** Asks a shard's thread; undefined when it gives no answer. */
  async ask(shard: string, question: LaneQuestion): Promise<LaneAnswer | undefined> {
    const thread = this.#shards.get(shard)?.thread;
    return thread && (await this.#orders.ask(thread, question));
  }

  /** From now on a thread that dies is not followed by another one. */
  stopping(): void {
    for (const lane of this.#all) lane.stopping();
  }

  /** Resolves once all threads have finished, or are gone. */
  get done(): Promise<unknown> {
    return Promise.all(this.#all.map((lane) => lane.done));
  }

  /** Ends the threads wherever they are. */
  async terminate(): Promise<void> {
    await Promise.all(this.#all.map((lane) => lane.terminate()));
  }

  get #all(): LaneSupervisor[] {
    return [...this.#shards.values()];
  }

  #supervisor(shard: Shard): LaneSupervisor {
    const { name: lane } = shard;
    const { config, logger, pipeline, raise } = this.#options;
    const { delay_ms: delayMs, max_delay_ms: maxDelayMs } = config.processing.restart;
    const alert = (level: Alert["level"], text: string) => raise({ level, text, source: lane, atMs: Date.now() });
    return new LaneSupervisor({
      ...{ lane, state: pipeline.state(lane), stallMs: config.handler_stall_ms },
      restart: { attempts: 1, delayMs, factor: 2, maxDelayMs, jitter: 0 },
      start: (deathOf, onCrash) => this.#thread(shard, deathOf, onCrash),
      reclaim: (endedThreadId) => LaneRings.reclaim(pipeline, endedThreadId),
      onDeath: (error, restarts) => {
        logger.error({ lane, error: error.message, restarts }, "the lane's thread ended; another one is started");
        alert("CRITICAL", `the lane's thread ended (${error.message}); another one is started`);
      },
      onRecovered: () => {
        logger.info({ lane }, "the lane goes on");
        alert("INFO", "the lane goes on");
      },
    });
  }

  async #thread(
    { name, lane, shard }: Shard,
    deathOf: string | undefined,
    onCrash: (error: Error) => void,
  ): Promise<WorkerThread> {
    const { config, divided, onMessage, onThread, overrides, recoveries, start } = this.#options;
    const { shards, by, resumes, past } = divided[lane];
    const resume = resumes[shard] as ShardResume;
    const laneStart: LaneStart = {
      ...{ ...start, lane, shard, name, file: resume.file, overrides, sharding: { shards, by } },
      past: past?.layouts ?? [],
      to: (recoveries[lane] as Recovery).nextSequence,
      fresh: deathOf === undefined,
      ...(deathOf === undefined ? resume : await this.#latest(resume)),
      deathOf: deathOf ?? "",
    };
    const thread = new WorkerThread({
      entry: "lane",
      name: `lane.${name}`,
      start: laneStart,
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(config.handlers_memory / 1_048_576) },
      onMessage: (message) => {
        if (message.type === "answer") this.#orders.answered(message);
        else onMessage(message);
      },
      onCrash: (_, error) => onCrash(error),
    });
    onThread(thread);
    return thread;
  }

  /** What a thread that takes over needs of the checkpoint: its windows. Everything else is in shared memory. */
  async #latest(resume: ShardResume): Promise<ShardResume> {
    const { config } = this.#options;
    const state = await new CheckpointFile(CheckpointFile.pathIn(config.storage.path, resume.file)).read();
    if (state.kind !== "known") return resume;
    const checkpoint: Checkpoint = isPlain(state.checkpoint) ? resume.checkpoint : state.checkpoint;
    return { ...resume, checkpoint, inherited: [] };
  }
}
