/**
 * The composition root: the one place that knows every package. Recovers the logs, makes the shared memory, starts the
 * threads in the order in which they need each other, and stops them in the order in which events flow.
 */
import { availableParallelism } from "node:os";
import { EscError, LANE_NAMES, type LaneName } from "@esc/events";
import type { PublisherHandle } from "@esc/ingest";
import { type Alert, type AlertDispatcher, DeadLetterBook } from "@esc/processors";
import { DEAD_LETTERS, DirectoryLock, logDirectory, type Recovery, recoverLog } from "@esc/storage";
import type { Logger } from "pino";
import type { AdminParts } from "./admin-api.ts";
import { createAlerts } from "./alerts.ts";
import type { LoadedConfig } from "./config/load-config.ts";
import type { Config } from "./config/schema.ts";
import { readTopics } from "./config/topics-file.ts";
import { Grace } from "./grace.ts";
import { hostPort } from "./host-port.ts";
import { announceHttp, withdrawHttp } from "./http-address.ts";
import { HttpServer, type Readiness } from "./http-server.ts";
import { IngestThreads, ingestNames } from "./ingest-threads.ts";
import { ingestWorkers } from "./ingest-workers.ts";
import { LaneRings } from "./lane-rings.ts";
import { divideLanes, Lanes } from "./lanes.ts";
import { type LogStats, LogUpkeep } from "./log-upkeep.ts";
import { OnlineReentry } from "./online-reentry.ts";
import { LOGGED, Pipeline } from "./pipeline.ts";
import { ThreadPlacement } from "./placement.ts";
import { canSharePorts } from "./port-reservation.ts";
import { PublisherWatch } from "./publisher-watch.ts";
import { shardCount, shardNames } from "./shards.ts";
import { latencyFamilies } from "./stage-latency.ts";
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

/** Shares of the grace that are kept for what comes after a step of stopping; see {@link Server.stop}. */
const KEEP = { quiet: 0.75, drained: 0.4, lanes: 0.3, logDrained: 0.15, log: 0.1, cut: 0.05 } as const;

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
  #ingest: IngestThreads | undefined;
  #publishers: PublisherWatch | undefined;
  #upkeep: LogUpkeep | undefined;
  #placement: ThreadPlacement | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#config = options.loaded.config;
    this.#logger = options.logger;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /**
   * Starts everything; resolves once events are taken.
   * @param signal abandons the start; nothing is left running or locked then.
   * @throws EscError with what to change: `ESC_BIND_FAILED`, `ESC_DATA_DIR_LOCKED`, `ESC_HANDLER_LOAD`, `ESC_CONFIG_INVALID`, …;
   *   `ESC_START_ABANDONED`.
   */
  async start(signal?: AbortSignal): Promise<Addresses> {
    for (const warning of this.#options.loaded.warnings) this.#logger.warn(warning);
    const abandoned = Promise.withResolvers<never>();
    abandoned.promise.catch(() => undefined);
    const onAbort = () => abandoned.reject(new EscError("ESC_START_ABANDONED", "The start was abandoned."));
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      const addresses = await Promise.race([this.#start(), abandoned.promise]);
      this.#phase = "ready";
      this.#pipeline?.publishers.open();
      this.#upkeep?.start();
      return addresses;
    } catch (error) {
      // What of the start is still under way makes nothing new from now on.
      this.#phase = "stopped";
      await this.#abandon();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
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
    const shards = shardCount(config, availableParallelism());
    const workers = await this.#workers();
    const divided = await divideLanes(config, shards, recoveries, this.#logger);
    const pipeline = Pipeline.create(
      config,
      overrides,
      Object.fromEntries(LOGGED.map((name) => [name, (recoveries[name] as Recovery).nextSequence])),
      Object.fromEntries(
        LANE_NAMES.flatMap((lane) =>
          shardNames(lane, shards).map((name, shard) => [name, divided[lane].resumes[shard]?.checkpoint.cursor ?? 1]),
        ),
      ),
      workers,
      shards,
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
      cursorNames: (log) => (log === DEAD_LETTERS ? [] : divided[log as LaneName].resumes.map(({ file }) => file)),
      durableSequence: (log) => (pipeline.rings[log] as (typeof pipeline.rings)[string]).durableSequence,
    });
    this.#upkeep = upkeep;
    const start: WorkerStart = { handle: pipeline.arena.handle, config };
    const log: LogStart = { ...start, recoveries };
    if (config.numa.enable) {
      this.#placement = new ThreadPlacement(config.numa, { ingest: ingestNames(workers), shards }, this.#logger);
    }
    this.#log = this.#thread("log", "log", log);
    for (const lane of LANE_NAMES) LaneRings.reserve(pipeline, lane);
    const lanes = new Lanes({
      ...{ config, pipeline, start, overrides, recoveries, divided, logger: this.#logger },
      raise: (alert) => this.#alerts?.raise(alert),
      onMessage: (message) => this.#heard(message),
      onThread: (thread) => this.#placement?.follow(thread),
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
    this.#publishers = new PublisherWatch({
      places: pipeline.publishers,
      reclaim: (endedThreadId) => LaneRings.reclaim(pipeline, endedThreadId),
      onReclaimed: (thread) => this.#logger.warn({ thread }, "a thread ended that had a publisher; its place is free"),
      onFailure: (thread, error) => {
        this.#logger.fatal(
          { thread, error: error.message },
          "what a publisher's thread left in a lane can't be closed",
        );
        this.#options.onCrash(error);
      },
    });
    const ingest = new IngestThreads({
      ...{ config, workers, start },
      thread: (name, ingestStart) => this.#thread("ingest", name, ingestStart),
    });
    this.#ingest = ingest;
    const ports = await ingest.start();
    await this.#placement?.complete();
    if (http !== undefined) announceHttp(config.storage.path, hostPort(config.http.host, http));
    const { tcp, udp } = config.ingestion;
    return {
      tcp: ports.tcp === undefined ? undefined : hostPort(tcp.host, ports.tcp),
      udp: ports.udp === undefined ? undefined : hostPort(udp.host, ports.udp),
      http: http === undefined ? undefined : hostPort(config.http.host, http),
    };
  }

  /**
   * What `Publisher.attach` takes, in this thread or another one: it crosses by `workerData` or `postMessage`.
   * @throws EscError `ESC_SERVER_NOT_READY` before the start is over, and once it stops.
   */
  publisherHandle(): PublisherHandle {
    const pipeline = this.#pipeline;
    if (this.#phase !== "ready" || pipeline === undefined) {
      throw new EscError(
        "ESC_SERVER_NOT_READY",
        `The server is ${this.#phase}: ask for a publisher's handle between start and stop.`,
      );
    }
    return { arena: pipeline.arena.handle };
  }

  /**
   * Says that a thread has ended which may have had a publisher. Only for workers that were made before {@link start} or by
   * another thread than this one: others are seen.
   */
  async publisherEnded(threadId: number): Promise<void> {
    await this.#publishers?.ended(threadId);
  }

  /** How many ingest threads there will be. */
  async #workers(): Promise<number> {
    const workers = ingestWorkers(this.#config.ingestion.workers, availableParallelism());
    if (workers === 1 || (await canSharePorts())) return workers;
    this.#logger.warn(
      `ingestion.workers: this system doesn't spread connections over several threads (SO_REUSEPORT); 1 instead of ${workers} reads them all`,
    );
    return 1;
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
    const counts = readStats(pipeline, slots, lanes, this.#alerts?.counts() ?? {}, upkeep.stats);
    return this.#placement === undefined ? counts : { ...counts, placement: this.#placement.stats };
  }

  /**
   * Stops: accept no more, drain the lanes, sync, close; all of it within `shutdown.grace_ms`. What the grace is too short
   * to process stays in the log and is taken up after the next start.
   * @returns by log, the events that it could not take any more, as on a full disk: they are lost.
   */
  async stop(): Promise<Readonly<Record<string, number>>> {
    if (this.#phase !== "ready") return {};
    this.#phase = "draining";
    const pipeline = this.#pipeline as Pipeline;
    const grace = new Grace(this.#config.shutdown.grace_ms);
    const ingest = this.#ingest as IngestThreads;
    pipeline.publishers.close();
    await publishersQuiet(pipeline, grace);
    await grace.within(this.#upkeep?.stop() ?? Promise.resolve(), KEEP.quiet);
    ingest.order({ type: "stop" });
    await grace.within(ingest.quiet, KEEP.quiet);
    const wakeLanes = () => {
      for (const name of Object.keys(pipeline.states)) pipeline.parker(`lane.${name}`).unpark();
    };
    pipeline.modes.lanes.value = "drain";
    const lanes = this.#lanes as Lanes;
    lanes.stopping();
    wakeLanes();
    const lanesDone = lanes.done;
    if (!(await grace.within(lanesDone, KEEP.drained))) {
      pipeline.modes.lanes.value = "stop";
      wakeLanes();
      const inTime = await grace.within(lanesDone, KEEP.lanes);
      this.#logger.warn("the grace was too short to process all; what is in the log is taken up after the next start");
      if (!inTime) await lanes.terminate();
    }
    await this.#stopLog(pipeline, grace);
    const lost = this.#lostEvents(pipeline);
    pipeline.publishers.end();
    this.#publishers?.[Symbol.dispose]();
    ingest.order({ type: "close", graceMs: grace.leftMs(KEEP.cut) });
    if (!(await grace.within(ingest.done, 0))) await ingest.terminate();
    await ingest.release();
    await this.#alerts?.close(grace.leftMs(0));
    await this.#http?.close();
    withdrawHttp(this.#config.storage.path);
    this.#book?.[Symbol.dispose]();
    this.#lock?.[Symbol.dispose]();
    await this.#placement?.release();
    this.#phase = "stopped";
    return lost;
  }

  async #stopLog(pipeline: Pipeline, grace: Grace): Promise<void> {
    const log = this.#log as WorkerThread;
    pipeline.modes.log.value = "drain";
    pipeline.parker("log").unpark();
    if (await grace.within(log.done, KEEP.logDrained)) return;
    pipeline.modes.log.value = "stop";
    pipeline.parker("log").unpark();
    if (!(await grace.within(log.done, KEEP.log))) await log.terminate();
  }

  /** What is in the rings and will be gone with them. Once the log's thread has ended. */
  #lostEvents(pipeline: Pipeline): Record<string, number> {
    const lost: Record<string, number> = {};
    for (const [name, ring] of Object.entries(pipeline.rings)) {
      const from = ring.durableSequence;
      const events = ring.publishedSequence - from;
      if (events <= 0) continue;
      lost[name] = events;
      this.#upkeep?.setLost(name, events);
      const why = this.#upkeep?.stats[name]?.error ?? "the log could not be written to its end in time";
      this.#logger.error(
        { lane: name, lostAtStop: events, firstSequence: from, reason: why },
        "lost at stop: these events were accepted, not acknowledged, and could not be made durable",
      );
    }
    return lost;
  }

  #goOnUnlessAbandoned(): void {
    if (this.#phase === "stopped") throw new EscError("ESC_START_ABANDONED", "The start was abandoned.");
  }

  #admin(): AdminParts | undefined {
    if (this.#phase !== "ready" || this.#book === undefined || this.#reentry === undefined) return undefined;
    const lanes = this.#lanes as Lanes;
    return {
      book: this.#book,
      reentry: this.#reentry,
      delayed: {
        shards: (lane) => shardNames(lane, (this.#pipeline as Pipeline).shards),
        list: async (shard, limit) => (await lanes.ask(shard, { type: "list-delayed", limit }))?.delayed,
        cancel: async (shard, eventId) => (await lanes.ask(shard, { type: "cancel-delayed", eventId }))?.cancelled,
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
      moreMetrics: () => (this.#pipeline === undefined ? [] : latencyFamilies(this.#pipeline.latency)),
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
    this.#goOnUnlessAbandoned();
    const thread = new WorkerThread({
      entry,
      name,
      start,
      onMessage: (message) => this.#heard(message),
      onCrash: (thread, error) => {
        this.#logger.fatal({ thread, error: error.message }, "a thread ended by itself");
        this.#options.onCrash(error);
      },
    });
    this.#placement?.follow(thread);
    return thread;
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
    // It may reject once more on its way out: its first failure is being reported already.
    this.#log?.ready.catch(() => undefined);
    this.#publishers?.[Symbol.dispose]();
    await this.#upkeep?.stop();
    await Promise.all([this.#log?.terminate(), this.#ingest?.terminate(), this.#lanes?.terminate()]);
    await this.#http?.close();
    this.#lock?.[Symbol.dispose]();
    await this.#placement?.release();
  }
}

/** Resolves once no publisher is in the middle of publishing: microseconds, unless its thread has just ended. */
async function publishersQuiet({ publishers }: Pipeline, grace: Grace): Promise<void> {
  while (publishers.busy && grace.leftMs(KEEP.quiet) > 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** What the last start found wrong with a log. */
function damageText({ damagedPlaces, missingEvents }: LogStats): string | undefined {
  const parts = [
    ...(damagedPlaces > 0 ? [`${damagedPlaces} damaged places, quarantined`] : []),
    ...(missingEvents > 0 ? [`${missingEvents} events missing`] : []),
  ];
  return parts.length === 0 ? undefined : `${parts.join(", ")}; see esc log verify, appending goes on behind`;
}
