/**
 * What is done to the logs beside writing them: retention, and a look at how they are and how far consumers have come,
 * for stats and metrics. On the main thread, now and then; the log's thread is not held up by it.
 */
import {
  applyRetention,
  ConsumerGroups,
  CursorFile,
  type CursorState,
  cursorFile,
  earliest,
  type LogState,
  lagOf,
  logDirectory,
  type Recovery,
} from "@esc/storage";
import type { Logger } from "pino";
import type { Config } from "./config/schema.ts";
import { configName, LOGGED } from "./pipeline.ts";

/** How far a consumer group has come. */
export interface GroupStats {
  readonly group: string;
  /** Sequence of its next event; undefined when its cursor is broken. */
  readonly nextSequence: number | undefined;
  /** Events that it has still to come to. */
  readonly lag: number;
}

/** A log now: as of the last upkeep, but for its state. */
export interface LogStats {
  readonly state: LogState["kind"];
  /** What is the matter, unless it is being written. */
  readonly error: string | undefined;
  readonly segments: number;
  readonly bytes: number;
  readonly firstSequence: number;
  /** Places that the last start found damaged, and events that it found missing between segments. */
  readonly damagedPlaces: number;
  readonly missingEvents: number;
  /** Events in the ring that the log could not take before the server stopped: lost, whether they were handled or not. */
  readonly lostAtStop: number;
  /** What retention deleted since the start. */
  readonly deletedSegments: number;
  readonly deletedEvents: number;
  readonly deletedBytes: number;
  /** A limit is exceeded, and a cursor that hasn't come so far keeps what would go. */
  readonly heldBack: boolean;
  readonly groups: readonly GroupStats[];
}

export interface LogUpkeepOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly recoveries: Readonly<Record<string, Recovery>>;
  /** Names of the cursor files of a log's processor: none where it has none. */
  readonly cursorNames: (log: string) => readonly string[];
  /** Sequence of a log's next durable event. */
  readonly durableSequence: (log: string) => number;
}

export class LogUpkeep {
  readonly #options: LogUpkeepOptions;
  readonly #logs: Record<string, LogStats>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LogUpkeepOptions) {
    this.#options = options;
    this.#logs = Object.fromEntries(LOGGED.map((log) => [log, atStart(options.recoveries[log] as Recovery)] as const));
  }

  /** Begins; the first round is at once. */
  start(): void {
    const { check_interval_ms: intervalMs } = this.#options.config.storage.retention;
    this.#timer = setInterval(() => this.#round(), intervalMs);
    this.#round();
  }

  /** Ends; resolves once a round that is under way is over. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  get stats(): Readonly<Record<string, LogStats>> {
    return this.#logs;
  }

  /** What the log's thread says of a log. */
  setState(log: string, state: LogState["kind"], error: string): void {
    this.#logs[log] = { ...(this.#logs[log] as LogStats), state, error: state === "writing" ? undefined : error };
  }

  /** Events that a log's ring still held when its thread had ended. */
  setLost(log: string, events: number): void {
    this.#logs[log] = { ...(this.#logs[log] as LogStats), lostAtStop: events };
  }

  #round(): void {
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined;
    });
  }

  async #all(): Promise<void> {
    for (const log of LOGGED) {
      try {
        await this.#one(log);
      } catch (error) {
        this.#options.logger.error(
          { log, error: (error as Error).message },
          "the upkeep of a log failed; it is tried again",
        );
      }
    }
  }

  async #one(log: string): Promise<void> {
    const { config, durableSequence, logger } = this.#options;
    const { path, retention, max_groups: maxGroups } = config.storage;
    const limits = retention[configName(log)];
    const groups = await new ConsumerGroups({ dataDir: path, lane: log, maxGroups }).list();
    const cursors: CursorState[] = groups.map(({ cursor }) => cursor);
    for (const name of this.#options.cursorNames(log))
      cursors.push(await new CursorFile(cursorFile(path, name)).read());
    const nextSequence = durableSequence(log);
    const result = await applyRetention({
      dir: logDirectory(path, log),
      policy: {
        maxBytes: limits.max_bytes || undefined,
        maxAgeMs: limits.max_age_ms || undefined,
        maxRecords: limits.max_events || undefined,
        force: limits.force,
      },
      nextSequence,
      cursor: earliest(cursors),
      nowMs: Date.now(),
    });
    const before = this.#logs[log] as LogStats;
    const { segments, records: events, bytes, reasons, firstSequence, heldBack } = result;
    if (segments > 0) logger.info({ log, segments, events, bytes, reasons, firstSequence }, "deleted old segments");
    if (heldBack && !before.heldBack) {
      logger.warn(
        { log, firstSequence },
        "a log exceeds its limit, and is kept for a consumer that has not come so far; see storage.retention",
      );
    }
    this.#logs[log] = {
      ...before,
      segments: result.segmentsLeft,
      bytes: result.bytesLeft,
      firstSequence,
      deletedSegments: before.deletedSegments + segments,
      deletedEvents: before.deletedEvents + events,
      deletedBytes: before.deletedBytes + bytes,
      heldBack,
      groups: groups.map(({ group, cursor }) => ({
        group,
        nextSequence: cursor.kind === "known" ? cursor.nextSequence : undefined,
        lag: lagOf(cursor, firstSequence, nextSequence),
      })),
    };
  }
}

function atStart({ segments, bytes, firstSequence, damage, missing }: Recovery): LogStats {
  return {
    state: "writing",
    error: undefined,
    segments,
    bytes,
    firstSequence,
    damagedPlaces: damage.length,
    missingEvents: missing.reduce((sum, { from, to }) => sum + to - from + 1, 0),
    lostAtStop: 0,
    deletedSegments: 0,
    deletedEvents: 0,
    deletedBytes: 0,
    heldBack: false,
    groups: [],
  };
}
