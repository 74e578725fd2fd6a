/**
 * Work that doesn't end with the call that begins it: an event whose handler returns a promise, failed and waits, or
 * waits behind its key; and a closed window. It outlives its place in the ring, so it has bytes of its own.
 */
import type { HandlerContext } from "../handler.ts";
import type { RetryPolicy } from "../retry/retry-policy.ts";
import type { Checked } from "./emitter.ts";

/** What is to be done next with held work. */
export type WorkPhase =
  /** Call its handlers. */
  | "handling"
  /** Its handlers are done; put what they published into rings. */
  | "emitting"
  /** Every attempt failed; make it a dead letter. */
  | "burying";

/** Why an event became a dead letter. */
export type DeadLetterReason =
  /** The handler threw or rejected. */
  | "handler_failed"
  /** The handler's promise did not settle in time. */
  | "handler_timeout"
  /** The lane was full, and its rule is to give up the oldest. */
  | "lane_overflow"
  /** The thread ended while the event was in hand: it ran out of memory, made no progress, or ended itself. */
  | "worker_died"
  /** What its handler published found no room in time. */
  | "emit_full"
  /** It is to be delivered later, and no more events may wait for their time. */
  | "schedule_full"
  /** A window's `key`, `value` or `time` threw; or, of a window's result, its handler failed. */
  | "window_failed";

/** How work ended. */
export type Outcome = "processed" | "deadLettered";

export abstract class HeldWork {
  /** What stands for it in shared memory: its sequence, or a negative number. */
  abstract readonly mark: number;
  abstract readonly retry: RetryPolicy;
  /** Bytes that it holds. */
  abstract readonly bytes: number;
  /** What its emissions' ids are made of. */
  abstract readonly origin: string;
  /** How many handlers there are to call, in order. */
  abstract readonly calls: number;

  phase: WorkPhase = "handling";
  /** From 1. */
  attempt = 1;
  /** The handler to call next; those before it are done and not called again. */
  next = 0;
  firstFailureMs: number | undefined;
  reason: DeadLetterReason = "handler_failed";
  error: unknown;
  /** What the present attempt has published. */
  emissions: Checked[] = [];
  /** How many of them are of handlers that are done. */
  kept = 0;
  emitted = 0;
  emitDeadlineMs = 0;

  abstract call(index: number, context: HandlerContext): void | Promise<void>;
  /** Makes it a dead letter. @returns false when there is no room now. */
  abstract bury(): boolean;
  /** It ended. */
  abstract finish(outcome: Outcome): void;
}
