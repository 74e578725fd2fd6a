/** The three lanes as the server sees them: where each begins, its thread under supervision, questions to it. */
import type { TopicOverride } from "@esc/dispatcher";
import { LANE_NAMES, type LaneName } from "@esc/events";
import { type Alert, type Checkpoint, CheckpointFile, isPlain, resumeFrom } from "@esc/processors";
import { CursorFile, type CursorState, cursorFile, type Recovery } from "@esc/storage";
import type { Logger } from "pino";
import type { Config } from "./config/schema.ts";
import { type LaneAnswer, LaneOrders, type LaneQuestion } from "./lane-orders.ts";
import { LaneRings } from "./lane-rings.ts";
import { LaneSupervisor } from "./lane-supervisor.ts";
import { type Pipeline, perLane } from "./pipeline.ts";
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
  readonly checkpoints: Readonly<Record<LaneName, Checkpoint>>;
  readonly raise: (alert: Alert) => void;
  /** Every message of a lane's thread that is no answer. */
  readonly onMessage: (message: WorkerMessage) => void;
  /** Every thread that is started, before it is ready. */
  readonly onThread: (thread: WorkerThread) => void;
}

/** Where the lanes' processors go on. Before the pipeline is made. */
export async function readCheckpoints(
  config: Config,
  recoveries: Readonly<Record<string, Recovery>>,
  logger: Logger,
): Promise<Readonly<Record<LaneName, Checkpoint>>> {
  const read = async (lane: LaneName) => [
    lane,
    await readCheckpoint(lane, recoveries[lane] as Recovery, config, logger),
  ];
  return Object.fromEntries(await Promise.all(LANE_NAMES.map(read))) as Record<LaneName, Checkpoint>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #orders = new LaneOrders();
  #builtIns: LaneBuiltIns = perLane(() => []);
  readonly #lanes: Readonly<Record<LaneName, LaneSupervisor>>;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#lanes = perLane((lane) => this.#supervisor(lane));
  }

  /** Starts all; resolves with the slots of their consumers once they take events. @throws what a start fails with. */
  async start(): Promise<Readonly<Record<LaneName, number>>> {
    const started = await Promise.all(this.#all.map(async (lane) => ({ name: lane.lane, ...(await lane.start()) })));
    this.#builtIns = Object.fromEntries(started.map(({ name, builtIns }) => [name, builtIns])) as LaneBuiltIns;
    return Object.fromEntries(started.map(({ name, slot }) => [name, slot])) as Record<LaneName, number>;
  }

  /** The built-ins of each lane, in the order of their states. */
  get builtIns(): LaneBuiltIns {
    return this.#builtIns;
  }

  /** Lanes whose threads are being brought back, with why; "" when none is. */
  get trouble(): string {
    const troubled = this.#all.filter(({ trouble }) => trouble !== "");
    return troubled.map(({ lane, trouble }) => `${lane}: ${trouble}`).join("; ");
  }

  get restarts(): Readonly<Record<LaneName, number>> {
    return perLane((lane) => this.#lanes[lane].restarts);
  }

  /** Asks a lane's thread; undefined when it gives no answer. */
  async ask(lane: LaneName, question: LaneQuestion): Promise<LaneAnswer | undefined> {
    const { thread } = this.#lanes[lane];
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
    return LANE_NAMES.map((lane) => this.#lanes[lane]);
  }

  #supervisor(lane: LaneName): LaneSupervisor {
    const { config, logger, pipeline, raise } = this.#options;
    const { delay_ms: delayMs, max_delay_ms: maxDelayMs } = config.processing.restart;
    const alert = (level: Alert["level"], text: string) => raise({ level, text, source: lane, atMs: Date.now() });
    return new LaneSupervisor({
      ...{ lane, state: pipeline.states[lane], stallMs: config.handler_stall_ms },
      restart: { attempts: 1, delayMs, factor: 2, maxDelayMs, jitter: 0 },
      start: (deathOf, onCrash) => this.#thread(lane, deathOf, onCrash),
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

  async #thread(lane: LaneName, deathOf: string | undefined, onCrash: (error: Error) => void): Promise<WorkerThread> {
    const { checkpoints, config, onMessage, onThread, overrides, recoveries, start } = this.#options;
    const laneStart: LaneStart = {
      ...{ ...start, lane, overrides },
      to: (recoveries[lane] as Recovery).nextSequence,
      fresh: deathOf === undefined,
      checkpoint: deathOf === undefined ? checkpoints[lane] : await this.#latest(lane),
      deathOf: deathOf ?? "",
    };
    const thread = new WorkerThread({
      entry: "lane",
      name: `lane.${lane}`,
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
  async #latest(lane: LaneName): Promise<Checkpoint> {
    const { checkpoints, config } = this.#options;
    const state = await new CheckpointFile(CheckpointFile.pathIn(config.storage.path, lane)).read();
    return state.kind === "known" && !isPlain(state.checkpoint) ? state.checkpoint : checkpoints[lane];
  }
}

async function readCheckpoint(
  lane: LaneName,
  { nextSequence: to }: Recovery,
  { storage }: Config,
  logger: Logger,
): Promise<Checkpoint> {
  const cursor: CursorState = await new CursorFile(cursorFile(storage.path, lane)).read();
  const state = await new CheckpointFile(CheckpointFile.pathIn(storage.path, lane)).read();
  if (cursor.kind === "broken") {
    logger.error({ lane, reason: cursor.reason }, "the cursor is broken; its checkpoint decides, or the log's start");
  }
  if (state.kind === "broken") {
    logger.error(
      { lane, reason: state.reason },
      "the checkpoint is broken: open windows are lost, and what was finished out of order is handled again",
    );
  }
  const resume = resumeFrom(state, cursor.kind === "known" ? cursor.nextSequence : undefined);
  // A cursor ahead of the log: a log that lost its unsynced end with the machine's power.
  const from = Math.min(resume.cursor, to);
  const finished = resume.finished.filter(([, last]) => last < to);
  if (from < to) logger.info({ lane, events: to - from }, "taking up events from the log");
  return { ...resume, cursor: from, finished, windowsNext: Math.min(resume.windowsNext, to) };
}
