/** What the main thread and its workers tell each other. Events never go this way. */
import type { ArenaHandle } from "@esc/arena";
import type { TopicOverride } from "@esc/dispatcher";
import type { LaneName } from "@esc/events";
import type { Alert, BuiltIn, Checkpoint, LeftWindows, PastLayouts, Sharding } from "@esc/processors";
import type { LogState, Recovery } from "@esc/storage";
import type { Config } from "../config/schema.ts";

/** What every worker starts with. */
export interface WorkerStart {
  readonly handle: ArenaHandle;
  readonly config: Config;
}

export interface IngestStart extends WorkerStart {
  /** Which of the ingest threads this is, from 0; how many there are. */
  readonly worker: number;
  readonly workers: number;
  /** The ports that several threads share; without, the thread binds the configuration's, alone. */
  readonly shared?: { readonly tcp: number; readonly udp: number };
}

export interface LogStart extends WorkerStart {
  /** What recovery found, by ring. */
  readonly recoveries: Readonly<Record<string, Recovery>>;
}

export interface LaneStart extends WorkerStart {
  readonly lane: LaneName;
  /** Which of the lane's shards this is, what it is called, and the name of its files. */
  readonly shard: number;
  readonly name: string;
  readonly file: string;
  readonly sharding: Sharding;
  /** What shards before did, and windows that they left: see `LaneStartPoint`. */
  readonly past: PastLayouts["layouts"];
  readonly inherited: readonly LeftWindows[];
  /** First sequence that comes through the ring. */
  readonly to: number;
  /** Whether this is the lane's first thread of the process. */
  readonly fresh: boolean;
  /** What the lane's checkpoint says. */
  readonly checkpoint: Checkpoint;
  /** What the thread before this one died of; "" for the first. */
  readonly deathOf: string;
  /** Topics' priorities, for what handlers publish. */
  readonly overrides: readonly TopicOverride[];
}

/** An event that waits for its time, for people. */
export interface DelayedEvent {
  readonly sequence: number;
  readonly topic: string;
  readonly deliverAt: number;
  /** In hex, where it has one. */
  readonly id?: string;
}

/** A built-in of a lane, as far as its results need to be read. */
export type BuiltInShape = Pick<BuiltIn, "name" | "kind" | "bounds">;

export type LogLevel = "info" | "warn" | "error";

/** From a worker. */
export type WorkerMessage =
  | {
      readonly type: "ready";
      readonly ports?: { readonly tcp?: number; readonly udp?: number };
      readonly slots?: readonly number[];
      readonly builtIns?: readonly BuiltInShape[];
      /** The kernel's id of the thread, where there is one. */
      readonly tid?: number | undefined;
    }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "line"; readonly level: LogLevel; readonly message: string }
  | {
      readonly type: "log-state";
      readonly lane: string;
      readonly state: LogState["kind"];
      readonly message: string;
    }
  | { readonly type: "alert"; readonly alert: Alert }
  /** The answer to a lane's order. */
  | {
      readonly type: "answer";
      readonly id: number;
      readonly delayed: readonly DelayedEvent[];
      readonly cancelled: number;
    }
  | { readonly type: "quiet" }
  | { readonly type: "done" };

/** To a lane's worker; answered under the id. */
export type LaneOrder =
  | { readonly type: "list-delayed"; readonly id: number; readonly limit: number }
  /** Take the events of an id (hex) out of the schedule; answered when that is durable. */
  | { readonly type: "cancel-delayed"; readonly id: number; readonly eventId: string };

/** To an ingest worker. */
export type IngestOrder =
  /** Accept and read no more; say "quiet" once nothing is owed to anybody. */
  | { readonly type: "stop" }
  /** End all connections; say "done". */
  | { readonly type: "close"; readonly graceMs: number };
