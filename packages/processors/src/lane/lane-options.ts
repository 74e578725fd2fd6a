/** What a lane's processor is made of, and where it begins. */
import type { Arena } from "@esc/arena";
import type { CounterBlock } from "@esc/metrics";
import type { Parker, RecordRing, RingConsumer } from "@esc/queues";
import type { RecordShare } from "@esc/queues/kernel";
import type { CursorFile } from "@esc/storage";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { HandlerTable } from "../handler-table.ts";
import type { RetryPolicy } from "../retry/retry-policy.ts";
import type { PastLayouts } from "../shards/past-layouts.ts";
import type { LaneContext } from "./call-context.ts";
import type { Checkpoint, CheckpointFile } from "./checkpoint-file.ts";
import type { ProcessorCounter } from "./counters.ts";
import type { IdWindow } from "./duplicates.ts";
import type { LaneStages } from "./lane-stages.ts";
import type { LaneState } from "./lane-state.ts";
import type { Outlet } from "./outlet.ts";

export interface LaneProcessorOptions {
  readonly ring: RecordRing;
  /** The lane's consumer of the ring: its own, or that of a thread of the lane which died. */
  readonly consumer: RingConsumer;
  /** Which of the lane's events are this processor's; all of them unless given. */
  readonly share?: RecordShare | undefined;
  /** What its regions of the arena are called by, where it is one of a lane's shards: the lane's name unless given. */
  readonly name?: string;
  /** Where the ring lies. */
  readonly arena: Arena;
  /** The arena's bytes: what the ring's runs are offsets into. */
  readonly arenaBytes: Uint8Array;
  readonly parker: Parker;
  readonly handlers: HandlerTable;
  readonly context: LaneContext;
  readonly deadLetters: DeadLetters;
  /** What dead letters and published events go through: settled before a cursor is saved. */
  readonly outlets: readonly Pick<Outlet, "settle">[];
  readonly counters: CounterBlock<ProcessorCounter>;
  readonly state: LaneState;
  /** Told how far the lane has come; nobody is unless given. */
  readonly stages?: LaneStages;
  readonly cursor: Pick<CursorFile, "write">;
  readonly checkpoint: Pick<CheckpointFile, "write">;
  /** Handle an event only once it is durable. */
  readonly onlyDurable: boolean;
  /** Give up the oldest when producers ask: they become dead letters. */
  readonly skipOldest: boolean;
  /** Alert when events take longer than their topic's SLA. */
  readonly watchesSla: boolean;
  /** Ids that the lane takes once; every event is taken without. */
  readonly ids: IdWindow | undefined;
  /** A handler's promise that takes longer is a failed attempt. */
  readonly handlerTimeoutMs: number;
  /** Handlers that may wait for their promises at once. */
  readonly concurrency: number;
  /** Events held at once, and their bytes; then the lane takes no more. */
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
  /** Bytes of events that wait for their time. */
  readonly maxDelayedBytes: number;
  /** Of windows' handlers. */
  readonly retry: RetryPolicy;
  /** Views tell when they are used after their call. */
  readonly debug: boolean;
  /** What the last thread of the lane died of, for people. */
  readonly deathOf: string;
  /** Milliseconds from any start, never going back; milliseconds since the epoch; chance from 0 to 1. */
  readonly now: () => number;
  readonly clock: () => number;
  readonly random: () => number;
}

/** Where a lane begins. */
export interface LaneStartPoint {
  /** The lane's log. */
  readonly dir: string;
  /** First sequence that comes through the ring. */
  readonly to: number;
  /** Whether the process has just begun; else a thread of the lane has died. */
  readonly fresh: boolean;
  /** What the checkpoint on disk says. */
  readonly checkpoint: Checkpoint;
  /** What shards did that the lane was divided into before. */
  readonly past?: PastLayouts | undefined;
  /** Windows of such shards, which are closed at the start: none was there to put more into them. */
  readonly inherited?: readonly Pick<Checkpoint, "windows" | "closed">[];
}
