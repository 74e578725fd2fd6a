/**
 * The referee: asks the server for its counts before and after, and says whether every event is somewhere. What the load
 * generator counts is compared with them, never taken for them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EscError } from "@esc/events";
import type { Stats } from "../stats.ts";

/** A server's counts, with those that not every version has: 0 where they are missing. */
export type Counts = Omit<Stats, "latency"> & {
  readonly latency?: Stats["latency"];
  /** Ends of an event's way beside those that all have. */
  readonly duplicates?: number;
  readonly cancelled?: number;
  /** Accepted from within: from handlers, and dead letters once more. */
  readonly emitted?: number;
  readonly retried?: number;
};

/** What became of the events, by the server's counts; of this run where not said otherwise. */
export interface Verdict {
  readonly accepted: number;
  readonly processed: number;
  readonly deadLettered: number;
  /** By reason; reasons without any are left out. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Not handled, since an event of the same id was; and taken out of the schedule. */
  readonly duplicates: number;
  readonly cancelled: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly stored: number;
  /** In the lanes at the end, held and delayed ones included. */
  readonly inLanes: number;
  /**
   * Since the server's start: accepted + replayed - processed - dead-lettered - dropped - duplicates - cancelled - in lanes.
   * Anything but 0 is a loss.
   */
  readonly unaccounted: number;
  /** Sent but neither accepted nor refused. Over UDP the network's doing; over TCP a loss. */
  readonly notReceived: number;
  /** Accepted or refused but not ours: somebody else's. */
  readonly others: number;
}

const POLL_MS = 20;
const ANSWER_MS = 5_000;
/** Datagrams that have not come by then were dropped on the way. */
const DATAGRAM_MS = 1_000;

/** The server's counts now. @throws EscError `ESC_BENCH_STATS` when it doesn't tell. */
export async function readCounts(http: string): Promise<Counts> {
  const url = `${http}/api/v1/stats`;
  const none = (why: string, cause?: unknown) =>
    new EscError(
      "ESC_BENCH_STATS",
      `No counts from ${url} (${why}). Give the server's HTTP address with --http; without it nobody can say whether events were lost.`,
      { cause },
    );
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    const { message, cause } = error as Error;
    throw none(cause instanceof Error ? cause.message : message, error);
  }
  const body = (await response.json().catch(() => undefined)) as Partial<Counts> | undefined;
  if (!response.ok || typeof body?.accepted !== "number" || body.lanes === undefined) {
    throw none(`the answer is ${response.status} and no counts`);
  }
  return body as Counts;
}

export interface SettleOptions {
  readonly http: string;
  readonly before: Counts;
  /** Events that were sent. */
  readonly sent: number;
  readonly udp: boolean;
  /** Without a change for this long, waiting ends. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Settled {
  readonly counts: Counts;
  /** When they were first as they are, by `performance.now()`. */
  readonly sinceMs: number;
}

/** Waits until what was sent is received and nothing is in the lanes, or nothing changes any more. */
export async function settledCounts(options: SettleOptions): Promise<Settled> {
  const { http, before, sent, udp, timeoutMs, signal } = options;
  let counts = await readCounts(http);
  let sinceMs = performance.now();
  for (;;) {
    const { notReceived } = judge(before, counts, sent);
    const drained = !anyWaits(counts) && balance(counts) === 0;
    const patience = drained && udp ? DATAGRAM_MS : timeoutMs;
    const done = drained && notReceived === 0;
    if (done || signal.aborted || performance.now() - sinceMs > patience) return { counts, sinceMs };
    await sleep(POLL_MS);
    const now = await readCounts(http);
    if (fingerprint(now) !== fingerprint(counts)) sinceMs = performance.now();
    counts = now;
  }
}

/** What became of `sent` events between two looks at the counts. */
export function judge(before: Counts, after: Counts, sent: number): Verdict {
  if (after.accepted < before.accepted || after.processed < before.processed) {
    throw new EscError("ESC_BENCH_RESTARTED", "The server's counts went back: it was started again during the run.");
  }
  const missing = balance(after);
  const inLanes = anyWaits(after) ? Math.max(0, missing) : 0;
  const accepted = after.accepted - before.accepted;
  const refused = difference(after.refused, before.refused);
  const received = accepted + total(refused) - (fromWithin(after) - fromWithin(before));
  return {
    accepted,
    processed: after.processed - before.processed,
    deadLettered: after.deadLettered - before.deadLettered,
    dropped: difference(after.dropped, before.dropped),
    duplicates: (after.duplicates ?? 0) - (before.duplicates ?? 0),
    cancelled: (after.cancelled ?? 0) - (before.cancelled ?? 0),
    refused,
    stored: after.stored - before.stored,
    inLanes,
    unaccounted: missing - inLanes,
    notReceived: Math.max(0, sent - received),
    others: Math.max(0, received - sent),
  };
}

/** Whether events are gone without a word. */
export function isLoss({ unaccounted, notReceived }: Verdict, udp: boolean): boolean {
  return unaccounted !== 0 || (!udp && notReceived !== 0);
}

export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Events that were taken and have not come out anywhere. */
function balance({
  accepted,
  replayed,
  processed,
  deadLettered,
  dropped,
  duplicates = 0,
  cancelled = 0,
}: Counts): number {
  return accepted + replayed - processed - deadLettered - total(dropped) - duplicates - cancelled;
}

/** Whether the lanes themselves say that they have something. How many are missing is not asked here: that would prove nothing. */
function anyWaits({ lanes }: Counts): boolean {
  return Object.values(lanes as Readonly<Record<string, LaneCounts>>).some(
    ({ depthBytes, held = 0, delayed = 0 }) => depthBytes + held + delayed > 0,
  );
}

interface LaneCounts {
  readonly depthBytes: number;
  readonly held?: number;
  readonly delayed?: number;
}

function fromWithin({ emitted = 0, retried = 0 }: Counts): number {
  return emitted + retried;
}

/** Changes as long as anything moves. */
function fingerprint(counts: Counts): string {
  const depths = Object.values(counts.lanes).map(({ depthBytes }) => depthBytes);
  return [counts.accepted, balance(counts), counts.processed, total(counts.refused), counts.stored, ...depths].join();
}

function difference(
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  const pairs = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(pairs.filter(([, count]) => count !== 0));
}
