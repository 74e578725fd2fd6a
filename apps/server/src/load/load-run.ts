/** What the load thread does: connects, sends by plan on every connection, waits for the answers, and sums up. */
import type { Histogram } from "@esc/metrics";
import { PrebuiltFrames } from "../send/frame-batches.ts";
import type { Sender } from "../send/sender.ts";
import { TcpSender } from "../send/tcp-sender.ts";
import { UdpSender } from "../send/udp-sender.ts";
import type { BenchOptions } from "./bench-options.ts";
import type { LoadArea } from "./load-area.ts";
import { Flood, type LoadPlan, type RecordLatency, Schedule } from "./load-plan.ts";
import { Pacer } from "./pacer.ts";
import { type LoadClock, sendByPlan } from "./send-by-plan.ts";

/** What the load came to. */
export interface LoadSummary {
  /** From the start to the last event's hand-over. */
  readonly seconds: number;
  readonly acked: number;
  /** Events that the answers refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Of one core, by the load thread. */
  readonly cpuPercent: number;
  /** The first thing that went wrong. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
}

export interface LoadTarget {
  readonly host: string;
  readonly port: number;
}

/** What an interrupted run still waits for. */
const INTERRUPTED_MS = 1_000;

/** Never rejects: what goes wrong is in the summary. */
export async function runLoad(
  options: BenchOptions,
  target: LoadTarget,
  area: LoadArea,
  signal: AbortSignal,
): Promise<LoadSummary> {
  const clock = new Pacer();
  const plans: LoadPlan[] = [];
  const senders: Sender[] = [];
  const failed = new AbortController();
  let failure: LoadSummary["failure"];
  const fail = (error: unknown) => {
    const { code = "ESC_BENCH_FAILED", message } = error as NodeJS.ErrnoException;
    if (code !== "ESC_INTERRUPTED") failure ??= { code, message };
    // One connection that fails ends all: the rest of the run would measure something else.
    failed.abort();
  };
  let run = { seconds: 0, cpuPercent: 0 };
  try {
    const acknowledged = recordInto(area.acknowledged);
    for (let connection = 0; connection < options.connections; connection++) {
      const onAcknowledged = (first: number, last: number) =>
        plans[connection]?.latencies(clock.nowMs(), first - 1, last, acknowledged);
      senders.push(await connect(options, target, onAcknowledged));
    }
    const startMs = clock.nowMs();
    for (let connection = 0; connection < options.connections; connection++) {
      plans.push(planOf(options, startMs, connection));
    }
    run = await sendAll(options, plans, senders, clock, area, AbortSignal.any([signal, failed.signal]), fail);
    const timeoutMs = signal.aborted ? INTERRUPTED_MS : options.timeoutMs;
    if (failure === undefined) {
      await Promise.all(
        senders.map((sender) => sender.finish(timeoutMs).catch(signal.aborted ? () => undefined : fail)),
      );
    }
  } catch (error) {
    fail(error);
  }
  const counts = senders.map((sender) => sender.counts);
  for (const sender of senders) await sender[Symbol.asyncDispose]();
  return {
    ...run,
    acked: counts.reduce((sum, { acked }) => sum + acked, 0),
    refused: summed(counts.map(({ refused }) => refused)),
    failure,
  };
}

/** Runs every connection's plan. @returns how long that took, and how much of a core. */
async function sendAll(
  options: BenchOptions,
  plans: readonly LoadPlan[],
  senders: readonly Sender[],
  clock: LoadClock,
  area: LoadArea,
  signal: AbortSignal,
  fail: (error: unknown) => void,
): Promise<{ seconds: number; cpuPercent: number }> {
  const frames = new PrebuiltFrames(options.frames, options.mostFrames);
  const recordSent = recordInto(area.sent);
  const onSent = (events: number, bytes: number) => {
    area.counters.add("sent", events);
    area.counters.add("bytes", bytes);
  };
  signal.addEventListener("abort", () => {
    for (const sender of senders) sender.interrupt();
  });
  const startMs = clock.nowMs();
  const cpu = process.threadCpuUsage();
  await Promise.all(
    senders.map((sender, connection) => {
      const plan = plans[connection] as LoadPlan;
      return sendByPlan({ plan, frames, sender, clock, recordSent, onSent, signal }).catch(fail);
    }),
  );
  const { user, system } = process.threadCpuUsage(cpu);
  const ms = clock.nowMs() - startMs;
  return { seconds: ms / 1_000, cpuPercent: (user + system) / 10 / Math.max(1, ms) };
}

function recordInto(histogram: Histogram): RecordLatency {
  const recorder = histogram.recorder();
  return (valueNs, count) => recorder.recordMany(valueNs, count);
}

function connect(
  { udp, frames, window, timeoutMs }: BenchOptions,
  { host, port }: LoadTarget,
  onAcknowledged: (first: number, last: number) => void,
): Promise<Sender> {
  if (udp) return UdpSender.connect(host, port);
  return TcpSender.connect({ host, port, ack: frames.ack, window, timeoutMs, onAcknowledged });
}

function planOf(options: BenchOptions, startMs: number, connection: number): LoadPlan {
  return Number.isFinite(options.rate)
    ? new Schedule({ ...options, startMs, connection })
    : new Flood({ ...options, startMs });
}

function summed(all: readonly ReadonlyMap<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const counts of all) for (const [name, count] of counts) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
