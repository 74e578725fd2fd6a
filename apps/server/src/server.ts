/**
 * The composition root: the one place that knows every package. Recovers the logs, makes the shared memory, starts the
 * threads in the order in which they need each other, and stops them in the order in which events flow.
 */
import { LANE_NAMES, type LaneName } from "@esc/events";
import {
  type Alert,
  type AlertDispatcher,
  type Checkpoint,
  CheckpointFile,
  isPlain,
  resumeFrom,
} from "@esc/processors";
import {
  CursorFile,
  type CursorState,
  cursorFile,
  DirectoryLock,
  logDirectory,
  type Recovery,
  recoverLog,
} from "@esc/storage";
import type { Logger } from "pino";
import { createAlerts } from "./alerts.ts";
import type { LoadedConfig } from "./config/load-config.ts";
import type { Config } from "./config/schema.ts";
import { readTopics } from "./config/topics-file.ts";
import { HttpServer, type Readiness } from "./http-server.ts";
import { LaneOrders } from "./lane-orders.ts";
import { LaneSupervisor } from "./lane-supervisor.ts";
import { LOGGED, Pipeline, perLane } from "./pipeline.ts";
import { type ConsumerSlots, readStats, type Stats } from "./stats.ts";
import { WorkerThread } from "./worker-thread.ts";
import type { LaneStart, LogStart, WorkerMessage, WorkerStart } from "./workers/messages.ts";

export interface ServerOptions {
  readonly loaded: LoadedConfig;
  /** Overrides of `router.topics_file`, or of this when that isn't set; it may be missing. */
  readonly defaultTopicsFile: string;
  readonly logger: Logger;
  /** Gets every alert, beside the sinks of the configuration. */
  readonly onAlert?: (alert: Alert) => void | Promise<void>;
  /** A thread ended by itself: the server can't go on. */
  readonly onCrash: (error: Error) => void;
}

/** Where the server listens; undefined for what is off. */
export interface Addresses {
  readonly tcp: string | undefined;
  readonly udp: string | undefined;
  readonly http: string | undefined;
}

type Phase = "starting" | "ready" | "draining" | "stopped";

export class Server {
  readonly #options: ServerOptions;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #logStates = new Map<string, string>();
  #phase: Phase = "starting";
  #lock: DirectoryLock | undefined;
  #http: HttpServer | undefined;
  #pipeline: Pipeline | undefined;
  #slots: ConsumerSlots | undefined;
  #log: WorkerThread | undefined;
  #lanes: readonly LaneSupervisor[] = [];
  #alerts: AlertDispatcher | undefined;
  #ingest: WorkerThread | undefined;
  #damaged = false;
  readonly #orders = new LaneOrders();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#config = options.loaded.config;
    this.#logger = options.logger;
  }

  /**
   * Starts everything; resolves once events are taken.
   * @throws EscError with what to change: `ESC_BIND_FAILED`, `ESC_DATA_DIR_LOCKED`, `ESC_HANDLER_LOAD`, `ESC_CONFIG_INVALID`, …
   */
  async start(): Promise<Addresses> {
    for (const warning of this.#options.loaded.warnings) this.#logger.warn(warning);
    try {
      return await this.#start();
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  async #start(): Promise<Addresses> {
    const config = this.#config;
    const { topics_file: topicsFile } = config.router;
    const overrides = readTopics(topicsFile ?? this.#options.defaultTopicsFile, topicsFile !== undefined);
    this.#lock = DirectoryLock.acquire(config.storage.path);
    // HTTP first: probes get an answer, if only "not yet", while logs are recovered.
    const http = config.http.enable ? await this.#startHttp() : undefined;
    const recoveries = this.#recover();
    const [realtime, transactional, batch] = await Promise.all(
      LANE_NAMES.map((lane) => this.#checkpoint(lane, recoveries[lane] as Recovery)),
    );
    const checkpoints = { realtime, transactional, batch } as Readonly<Record<LaneName, Checkpoint>>;
    const pipeline = Pipeline.create(
      config,
      overrides,
      Object.fromEntries(LOGGED.map((name) => [name, (recoveries[name] as Recovery).nextSequence])),
      perLane((lane) => checkpoints[lane].cursor),
    );
    this.#pipeline = pipeline;
    this.#alerts = createAlerts(config.alerts, this.#logger, this.#options.onAlert);
    const start: WorkerStart = { handle: pipeline.arena.handle, config };
    const log: LogStart = { ...start, recoveries };
    this.#log = this.#thread("log", "log", log);
    this.#lanes = LANE_NAMES.map((lane) => {
      const { nextSequence: to } = recoveries[lane] as Recovery;
      return this.#supervisor(pipeline, { ...start, lane, to, overrides }, checkpoints[lane]);
    });
    // Consumers gate before the first producer claims, so ingest comes last.
    const [logReady, ...lanesReady] = await Promise.all([this.#log.ready, ...this.#lanes.map((lane) => lane.start())]);
    this.#slots = {
      log: Object.fromEntries(LOGGED.map((name, index) => [name, logReady?.slots?.[index] as number])),
      processor: perLane((lane) => lanesReady[LANE_NAMES.indexOf(lane)]?.slot as number),
    };
    this.#ingest = this.#thread("ingest", "ingest", start);
    const { ports = {} } = await this.#ingest.ready;
    this.#phase = "ready";
    const { tcp, udp } = config.ingestion;
    return {
      tcp: ports.tcp === undefined ? undefined : `${tcp.host}:${ports.tcp}`,
      udp: ports.udp === undefined ? undefined : `${udp.host}:${ports.udp}`,
      http: http === undefined ? undefined : `${config.http.host}:${http}`,
    };
  }

  /** Whether events are taken, and if not, why. */
  readiness(): Readiness {
    const logs = [...this.#logStates.entries()].filter(([, state]) => state !== "");
    const troubled = this.#lanes.filter(({ trouble }) => trouble !== "");
    const checks = {
      server: this.#phase === "ready" ? "ok" : this.#phase,
      log: logs.length === 0 ? "ok" : logs.map(([lane, state]) => `${lane}: ${state}`).join("; "),
      recovery: this.#damaged ? "damage found, see the log; appending goes on behind it" : "ok",
      lanes: troubled.length === 0 ? "ok" : troubled.map(({ lane, trouble }) => `${lane}: ${trouble}`).join("; "),
    };
    // A lane whose thread is being started again still takes events: they wait in it.
    const ready = checks.server === "ok" && checks.log === "ok";
    return { ready, degraded: ready && troubled.length > 0, checks };
  }

  /** The counts since the start; undefined before there are any. */
  stats(): Stats | undefined {
    if (this.#pipeline === undefined || this.#slots === undefined) return undefined;
    const restarts = perLane((lane) => this.#lanes[LANE_NAMES.indexOf(lane)]?.restarts ?? 0);
    return readStats(this.#pipeline, this.#slots, restarts, this.#alerts?.counts() ?? {});
  }

  /**
   * Stops: accept no more, drain the lanes, sync, close. What the grace is too short for stays in the log and is taken
   * up after the next start.
   */
  async stop(): Promise<void> {
    if (this.#phase !== "ready") return;
    this.#phase = "draining";
    const pipeline = this.#pipeline as Pipeline;
    const graceMs = this.#config.shutdown.grace_ms;
    const ingest = this.#ingest as WorkerThread;
    ingest.order({ type: "stop" });
    await within(ingest.quiet, graceMs / 4);
    const wakeLanes = () => {
      for (const lane of LANE_NAMES) pipeline.parker(`lane.${lane}`).unpark();
    };
    pipeline.modes.lanes.value = "drain";
    for (const lane of this.#lanes) lane.stopping();
    wakeLanes();
    const lanesDone = Promise.all(this.#lanes.map((lane) => lane.done));
    if (!(await within(lanesDone, graceMs / 2))) {
      pipeline.modes.lanes.value = "stop";
      wakeLanes();
      const inTime = await within(lanesDone, graceMs / 4);
      this.#logger.warn(
        "the grace was too short to process all; the rest is in the log and is taken up after the next start",
      );
      if (!inTime) await Promise.all(this.#lanes.map((lane) => lane.terminate()));
    }
    pipeline.modes.log.value = "drain";
    pipeline.parker("log").unpark();
    const log = this.#log as WorkerThread;
    if (!(await within(log.done, Math.max(graceMs, 1_000)))) {
      this.#logger.error("the log could not be written to its end; what is missing was not acknowledged");
      await log.terminate();
    }
    ingest.order({ type: "close", graceMs: Math.min(1_000, graceMs / 4) });
    if (!(await within(ingest.done, graceMs / 2 + 1_000))) await ingest.terminate();
    await this.#alerts?.close(Math.min(1_000, graceMs / 4));
    await this.#http?.close();
    this.#lock?.[Symbol.dispose]();
    this.#phase = "stopped";
  }

  async #startHttp(): Promise<number> {
    const { host, port } = this.#config.http;
    const http = new HttpServer({
      host,
      port,
      appName: this.#config.app_name,
      readiness: () => this.readiness(),
      stats: () => this.stats(),
    });
    this.#http = http;
    return await http.listen();
  }

  #recover(): Record<string, Recovery> {
    const recoveries: Record<string, Recovery> = {};
    for (const name of LOGGED) {
      const recovery = recoverLog(logDirectory(this.#config.storage.path, name));
      recoveries[name] = recovery;
      const { tornTail, damage } = recovery;
      if (tornTail !== undefined)
        this.#logger.warn({ lane: name, tornTail }, "cut what a crash had left unfinished at the log's end");
      for (const place of damage) {
        this.#damaged = true;
        this.#logger.error(
          { lane: name, damage: place },
          "the log is damaged in the middle; nothing was cut, see esc log verify",
        );
      }
    }
    return recoveries;
  }

  /** Where a lane's processor goes on. */
  async #checkpoint(lane: LaneName, { nextSequence: to }: Recovery): Promise<Checkpoint> {
    const { path } = this.#config.storage;
    const cursor: CursorState = await new CursorFile(cursorFile(path, lane)).read();
    const state = await new CheckpointFile(CheckpointFile.pathIn(path, lane)).read();
    if (cursor.kind === "broken") {
      this.#logger.error(
        { lane, reason: cursor.reason },
        "the cursor is broken; its checkpoint decides, or the log's start",
      );
    }
    if (state.kind === "broken") {
      this.#logger.error(
        { lane, reason: state.reason },
        "the checkpoint is broken: open windows are lost, and what was finished out of order is handled again",
      );
    }
    const resume = resumeFrom(state, cursor.kind === "known" ? cursor.nextSequence : undefined);
    // A cursor ahead of the log: a log that lost its unsynced end with the machine's power.
    const from = Math.min(resume.cursor, to);
    const finished = resume.finished.filter(([, last]) => last < to);
    if (from < to) this.#logger.info({ lane, events: to - from }, "taking up events from the log");
    return { ...resume, cursor: from, finished, windowsNext: Math.min(resume.windowsNext, to) };
  }

  #supervisor(
    pipeline: Pipeline,
    start: Omit<LaneStart, "fresh" | "checkpoint" | "deathOf">,
    checkpoint: Checkpoint,
  ): LaneSupervisor {
    const { lane } = start;
    const { handler_stall_ms: stallMs, handlers_memory: memory, processing } = this.#config;
    const { delay_ms: delayMs, max_delay_ms: maxDelayMs } = processing.restart;
    const alert = (level: Alert["level"], text: string) =>
      this.#alerts?.raise({ level, text, source: lane, atMs: Date.now() });
    return new LaneSupervisor({
      ...{ lane, state: pipeline.states[lane], stallMs },
      restart: { attempts: 1_000, delayMs, factor: 2, maxDelayMs, jitter: 0 },
      start: async (deathOf, onCrash) => {
        const laneStart: LaneStart = {
          ...start,
          fresh: deathOf === undefined,
          checkpoint: deathOf === undefined ? checkpoint : await this.#latest(lane, checkpoint),
          deathOf: deathOf ?? "",
        };
        return new WorkerThread({
          entry: "lane",
          name: `lane.${lane}`,
          start: laneStart,
          resourceLimits: { maxOldGenerationSizeMb: Math.ceil(memory / 1_048_576) },
          onMessage: (message) => this.#heard(message),
          onCrash: (_, error) => onCrash(error),
        });
      },
      onDeath: (error, restarts) => {
        this.#logger.error({ lane, error: error.message, restarts }, "the lane's thread ended; another one is started");
        alert("CRITICAL", `the lane's thread ended (${error.message}); another one is started`);
      },
      onRecovered: () => {
        this.#logger.info({ lane }, "the lane goes on");
        alert("INFO", "the lane goes on");
      },
    });
  }

  /** What a thread that takes over needs of the checkpoint: its windows. Everything else is in shared memory. */
  async #latest(lane: LaneName, first: Checkpoint): Promise<Checkpoint> {
    const state = await new CheckpointFile(CheckpointFile.pathIn(this.#config.storage.path, lane)).read();
    return state.kind === "known" && !isPlain(state.checkpoint) ? state.checkpoint : first;
  }

  #thread(entry: string, name: string, start: WorkerStart): WorkerThread {
    return new WorkerThread({
      entry,
      name,
      start,
      onMessage: (message) => this.#heard(message),
      onCrash: (thread, error) => {
        this.#logger.fatal({ thread, error: error.message }, "a thread ended by itself");
        this.#options.onCrash(error);
      },
    });
  }

  #heard(message: WorkerMessage): void {
    if (message.type === "line") {
      this.#logger[message.level](message.message);
    } else if (message.type === "alert") {
      this.#alerts?.raise(message.alert);
    } else if (message.type === "answer") {
      this.#orders.answered(message);
    } else if (message.type === "log-state") {
      this.#logStates.set(message.lane, message.message);
      const { lane, state } = message;
      if (state === "writing") this.#logger.info({ lane }, "the log is written again");
      else this.#logger.error({ lane, state }, message.message);
    }
  }

  /** A start that failed half-way leaves nothing running. */
  async #abandon(): Promise<void> {
    const threads = [this.#log, this.#ingest].filter((thread) => thread !== undefined);
    // Some may reject once more on their way out: their first failure is being reported already.
    for (const thread of threads) thread.ready.catch(() => undefined);
    await Promise.all([...threads, ...this.#lanes].map((thread) => thread.terminate()));
    await this.#http?.close();
    this.#lock?.[Symbol.dispose]();
  }
}

/** Whether the promise is done within a time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
