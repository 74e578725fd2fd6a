/** What the main thread and its workers tell each other. Events never go this way. */
import type { ArenaHandle } from "@esc/arena";
import type { LaneName } from "@esc/events";
import type { LogState, Recovery } from "@esc/storage";
import type { Config } from "../config/schema.ts";

/** What every worker starts with. */
export interface WorkerStart {
  readonly handle: ArenaHandle;
  readonly config: Config;
}

export interface LogStart extends WorkerStart {
  /** What recovery found, by ring. */
  readonly recoveries: Readonly<Record<string, Recovery>>;
}

export interface LaneStart extends WorkerStart {
  readonly lane: LaneName;
  /** First sequence that may not have been processed, and the first that comes through the ring. */
  readonly backlog: { readonly from: number; readonly to: number };
}

export type LogLevel = "info" | "warn" | "error";

/** From a worker. */
export type WorkerMessage =
  | {
      readonly type: "ready";
      readonly ports?: { readonly tcp?: number; readonly udp?: number };
      readonly slots?: readonly number[];
    }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "line"; readonly level: LogLevel; readonly message: string }
  | {
      readonly type: "log-state";
      readonly lane: string;
      readonly state: LogState["kind"];
      readonly message: string;
    }
  | { readonly type: "quiet" }
  | { readonly type: "done" };

/** To the ingest worker. */
export type IngestOrder =
  /** Accept and read no more; say "quiet" once nothing is owed to anybody. */
  | { readonly type: "stop" }
  /** End all connections; say "done". */
  | { readonly type: "close"; readonly graceMs: number };
