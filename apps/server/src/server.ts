/**
 * The composition root: the one place that knows every package. Recovers the logs, makes the shared memory, starts the
 * threads in the order in which they need each other, and stops them in the order in which events flow.
 */
import { LANE_NAMES } from "@esc/events";
import { type Alert, type AlertDispatcher, DeadLetterBook } from "@esc/processors";
import { DirectoryLock, logDirectory, type Recovery, recoverLog } from "@esc/storage";
import type { Logger } from "pino";
import type { AdminParts } from "./admin-api.ts";
import { createAlerts } from "./alerts.ts";
import type { LoadedConfig } from "./config/load-config.ts";
import type { Config } from "./config/schema.ts";
import { readTopics } from "./config/topics-file.ts";
import { announceHttp, withdrawHttp } from "./http-address.ts";
import { HttpServer, type Readiness } from "./http-server.ts";
import { LaneRings } from "./lane-rings.ts";
import { Lanes, readCheckpoints } from "./lanes.ts";
import { type LogStats, LogUpkeep } from "./log-upkeep.ts";
import { OnlineReentry } from "./online-reentry.ts";
import { LOGGED, Pipeline, perLane } from "./pipeline.ts";
import { type ConsumerSlots, readStats, type Stats } from "./stats.ts";
import { WorkerThread } from "./worker-thread.ts";
import type { LogStart, WorkerMessage, WorkerStart } from "./workers/messages.ts";

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
  #phase: Phase = "starting";
  #lock: DirectoryLock | undefined;
  #http: HttpServer | undefined;
  #pipeline: Pipeline | undefined;
  #slots: ConsumerSlots | undefined;
  #log: WorkerThread | undefined;
  #lanes: Lanes | undefined;
  #alerts: AlertDispatcher | undefined;
  #book: DeadLetterBook | undefined;
  #reentry: OnlineReentry | undefined;
  #ingest: WorkerThread | undefined;
  #upkeep: LogUpkeep | undefined;

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
    const checkpoints = await readCheckpoints(config, recoveries, this.#logger);
    const pipeline = Pipeline.create(
      config,
      overrides,
      Object.fromEntries(LOGGED.map((name) => [name, (recoveries[name] as Recovery).nextSequence])),
      perLane((lane) => checkpoints[lane].cursor),
    );
    this.#pipeline = pipeline;
    // Before events go into the lanes: what a process that ended was about to retry is looked for in their logs.
    this.#book = new DeadLetterBook(config.storage.path);
    this.#reentry = new OnlineReentry(pipeline, config);
    this.#alerts = createAlerts(config.alerts, this.#logger, this.#options.onAlert);
    const upkeep = new LogUpkeep({
      config,
      logger: this.#logger,
      recoveries,
      durableSequence: (log) => (pipeline.rings[log] as (typeof pipeline.rings)[string]).durableSequence,
    });
    this.#upkeep = upkeep;
    const start: WorkerStart = { handle: pipeline.arena.handle, config };
    const log: LogStart = { ...start, recoveries };
    this.#log = this.#thread("log", "log", log);
    for (const lane of LANE_NAMES) LaneRings.reserve(pipeline, lane);
    const lanes = new Lanes({
      ...{ config, pipeline, start, overrides, recoveries, checkpoints, logger: this.#logger },
      raise: (alert) => this.#alerts?.raise(alert),
      onMessage: (message) => this.#heard(message),
    });
    this.#lanes = lanes;
    // Consumers gate before the first producer claims: the log's before the lanes', whose handlers publish and whose dead
    // letters are stored, and ingest comes last.
    const logReady = await this.#log.ready;
    const processor = await lanes.start();
    this.#slots = {
      log: Object.fromEntries(LOGGED.map((name, index) => [name, logReady?.slots?.[index] as number])),
      processor,
    };
    this.#ingest = this.#thread("ingest", "ingest", start);
    const { ports = {} } = await this.#ingest.ready;
    upkeep.start();
    this.#phase = "ready";
    if (http !== undefined) announceHttp(config.storage.path, `${config.http.host}:${http}`);
    const { tcp, udp } = config.ingestion;
    return {
      tcp: ports.tcp === undefined ? undefined : `${tcp.host}:${ports.tcp}`,
      udp: ports.udp === undefined ? undefined : `${udp.host}:${ports.udp}`,
      http: http === undefined ? undefined : `${config.http.host}:${http}`,
    };
  }

  /** Whether events are taken, and if not, why. */
  readiness(): Readiness {
    const logs = Object.entries(this.#upkeep?.stats ?? {});
    const told = (what: (log: LogStats) => string | undefined) =>
      logs.flatMap(([name, log]) => (what(log) === undefined ? [] : [`${name}: ${what(log)}`])).join("; ") || "ok";
    const trouble = this.#lanes?.trouble ?? "";
    const checks = {
      server: this.#phase === "ready" ? "ok" : this.#phase,
      log: told(({ state, error }) => (state === "writing" ? undefined : `${state}: ${error}`)),
      recovery: told(damageText),
      retention: told(({ heldBack }) => (heldBack ? "over its limit, kept for a consumer behind" : undefined)),
      lanes: trouble === "" ? "ok" : trouble,
    };
    // A lane whose thread is being started again still takes events: they wait in it.
    const ready = checks.server === "ok" && checks.log === "ok";
    return { ready, degraded: ready && trouble !== "", checks };
  }

  /** The counts since the start; undefined before there are any. */
  stats(): Stats | undefined {
    const [pipeline, slots, lanes, upkeep] = [this.#pipeline, this.#slots, this.#lanes, this.#upkeep];
    if (pipeline === undefined || slots === undefined || lanes === undefined || upkeep === undefined) return undefined;
    return readStats(pipeline, slots, lanes.restarts, this.#alerts?.counts() ?? {}, upkeep.stats);
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
    await this.#upkeep?.stop();
    ingest.order({ type: "stop" });
    await within(ingest.quiet, graceMs / 4);
    const wakeLanes = () => {
      for (const lane of LANE_NAMES) pipeline.parker(`lane.${lane}`).unpark();
    };
    pipeline.modes.lanes.value = "drain";
    const lanes = this.#lanes as Lanes;
    lanes.stopping();
    wakeLanes();
    const lanesDone = lanes.done;
    if (!(await within(lanesDone, graceMs / 2))) {
      pipeline.modes.lanes.value = "stop";
      wakeLanes();
      const inTime = await within(lanesDone, graceMs / 4);
      this.#logger.warn(
        "the grace was too short to process all; the rest is in the log and is taken up after the next start",
      );
      if (!inTime) await lanes.terminate();
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
    withdrawHttp(this.#config.storage.path);
    this.#book?.[Symbol.dispose]();
    this.#lock?.[Symbol.dispose]();
    this.#phase = "stopped";
  }

  #admin(): AdminParts | undefined {
    if (this.#phase !== "ready" || this.#book === undefined || this.#reentry === undefined) return undefined;
    const lanes = this.#lanes as Lanes;
    return {
      book: this.#book,
      reentry: this.#reentry,
      delayed: {
        list: async (lane, limit) => (await lanes.ask(lane, { type: "list-delayed", limit }))?.delayed,
        cancel: async (lane, eventId) => (await lanes.ask(lane, { type: "cancel-delayed", eventId }))?.cancelled,
      },
    };
  }

  async #startHttp(): Promise<number> {
    const { host, port } = this.#config.http;
    const http = new HttpServer({
      host,
      port,
      appName: this.#config.app_name,
      readiness: () => this.readiness(),
      stats: () => this.stats(),
      admin: () => this.#admin(),
    });
    this.#http = http;
    return await http.listen();
  }

  #recover(): Record<string, Recovery> {
    const recoveries: Record<string, Recovery> = {};
    for (const name of LOGGED) {
      const recovery = recoverLog(logDirectory(this.#config.storage.path, name));
      recoveries[name] = recovery;
      const { tornTail, damage, missing, rebuiltIndexes } = recovery;
      if (tornTail !== undefined)
        this.#logger.warn({ lane: name, tornTail }, "cut what a crash had left unfinished at the log's end");
      for (const place of damage)
        this.#logger.error(
          { lane: name, damage: place },
          "the log is damaged in the middle; nothing was cut, its segment is quarantined, see esc log verify",
        );
      for (const range of missing)
        this.#logger.error(
          { lane: name, missing: range },
          "events are missing from the log: segments, or their ends, are gone",
        );
      if (rebuiltIndexes > 0)
        this.#logger.warn(
          { lane: name, segments: rebuiltIndexes },
          "made indexes anew that were missing or did not fit",
        );
    }
    return recoveries;
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
    } else if (message.type === "log-state") {
      const { lane, state } = message;
      this.#upkeep?.setState(lane, state, message.message);
      if (state === "writing") this.#logger.info({ lane }, "the log is written again");
      else this.#logger.error({ lane, state }, message.message);
    }
  }

  /** A start that failed half-way leaves nothing running. */
  async #abandon(): Promise<void> {
    const threads = [this.#log, this.#ingest].filter((thread) => thread !== undefined);
    // Some may reject once more on their way out: their first failure is being reported already.
    for (const thread of threads) thread.ready.catch(() => undefined);
    await this.#upkeep?.stop();
    await Promise.all([...threads.map((thread) => thread.terminate()), this.#lanes?.terminate()]);
    await this.#http?.close();
    this.#lock?.[Symbol.dispose]();
  }
}

/** What the last start found wrong with a log. */
function damageText({ damagedPlaces, missingEvents }: LogStats): string | undefined {
  const parts = [
    ...(damagedPlaces > 0 ? [`${damagedPlaces} damaged places, quarantined`] : []),
    ...(missingEvents > 0 ? [`${missingEvents} events missing`] : []),
  ];
  return parts.length === 0 ? undefined : `${parts.join(", ")}; see esc log verify, appending goes on behind`;
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
