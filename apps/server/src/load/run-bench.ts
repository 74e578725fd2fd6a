/** One run of `esc bench`: counts before, load, counts after, verdict. */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { EscError } from "@esc/events";
import { latencyOf } from "../latency-figures.ts";
import type { LoadStart } from "../workers/load.ts";
import type { BenchOptions, Target } from "./bench-options.ts";
import { type BenchReport, type Outcome, reportedOptions } from "./bench-report.ts";
import { BenchServer } from "./bench-server.ts";
import { type InsideLatency, insideLatency } from "./inside-latency.ts";
import { createLoadArea, type LoadArea } from "./load-area.ts";
import type { LoadSummary } from "./load-run.ts";
import { thisMachine } from "./machine.ts";
import { isLoss, judge, readCounts, settledCounts, total, type Verdict } from "./referee.ts";

export interface BenchSurroundings {
  /** Ends the run: what was sent is still counted. */
  readonly signal: AbortSignal;
  /** The server is there and the load begins. */
  readonly onStart?: (target: Target, ownPid: number | undefined) => void;
  /** Several times a second. */
  readonly onProgress?: (seconds: number, sent: number, p99Ns: number) => void;
}

const PROGRESS_MS = 200;
/** How long the end of a process may take to be told after its sockets are gone. */
const EXIT_MS = 1_000;

/**
 * Runs the load against a server and judges by its counts.
 * @returns a report in every case but that there is nothing to measure.
 * @throws EscError `ESC_BENCH_SERVER`, `ESC_BENCH_STATS`, before the load has begun.
 */
export async function runBench(options: BenchOptions, surroundings: BenchSurroundings): Promise<BenchReport> {
  const machine = thisMachine();
  await using own = options.target === undefined ? await BenchServer.start() : undefined;
  const target = options.target ?? targetOf(own as BenchServer, options.udp);
  const before = await readCounts(target.http);
  surroundings.onStart?.(target, own?.pid);
  const area = createLoadArea();
  const startMs = performance.now();
  const load = await runThread({ handle: area.handle, options, target }, area, surroundings);
  const sent = area.counters.value("sent");
  let error = load.failure?.message;
  let verdict: Verdict | null = null;
  let inside: InsideLatency | undefined;
  let drainedSeconds = 0;
  try {
    const { counts, sinceMs } = await settledCounts({
      ...{ http: target.http, before, sent, udp: options.udp, timeoutMs: options.timeoutMs },
      // After a failure nothing is on its way any more that would be worth waiting for.
      signal: load.failure === undefined ? surroundings.signal : AbortSignal.abort(),
    });
    drainedSeconds = (sinceMs - startMs) / 1_000;
    verdict = judge(before, counts, sent);
    inside = await insideLatency(target.http, before, counts);
  } catch (cause) {
    error = await reasonOf(own, error ?? (cause as Error).message);
  }
  const interrupted = surroundings.signal.aborted;
  const incomplete = interrupted || (options.frames.ack && load.acked + total(load.refused) < sent);
  const { acknowledged, sent: handedOver } = area;
  return {
    version: 1,
    outcome: outcomeOf(verdict, error, incomplete, options.udp),
    ...(error !== undefined && { error }),
    ...(interrupted && { interrupted }),
    machine,
    options: reportedOptions(options, `${target.host}:${target.port}`),
    sent: {
      ...{ events: sent, bytes: area.counters.value("bytes"), seconds: load.seconds },
      eventsPerSecond: load.seconds > 0 ? sent / load.seconds : 0,
    },
    drained: verdict === null ? null : { seconds: drainedSeconds, eventsPerSecond: verdict.accepted / drainedSeconds },
    ...(options.frames.ack && { acknowledged: { events: load.acked, refused: load.refused } }),
    server: verdict,
    latency: {
      unit: "ns",
      sent: latencyOf(handedOver.snapshot()),
      ...(options.frames.ack && { acknowledged: latencyOf(acknowledged.snapshot()) }),
      ...(inside !== undefined && { inside }),
    },
    generator: { cpuPercent: Number(load.cpuPercent.toFixed(1)) },
  };
}

function targetOf({ tcp, udp, http }: BenchServer, useUdp: boolean): Target {
  const [host = "", port] = (useUdp ? udp : tcp).split(":");
  return { host, port: Number(port), http: `http://${http}` };
}

/** A connection that was lost says little; that the server has ended says why. */
async function reasonOf(own: BenchServer | undefined, otherwise: string): Promise<string> {
  if (own === undefined) return otherwise;
  const gone = await Promise.race([own.ended, sleep(EXIT_MS, undefined, { ref: false })]);
  return gone?.message ?? otherwise;
}

function outcomeOf(verdict: Verdict | null, error: string | undefined, incomplete: boolean, udp: boolean): Outcome {
  if (error !== undefined || verdict === null) return "failed";
  // A run that was cut short may have been counted before all of it was read.
  if (isLoss(incomplete ? { ...verdict, notReceived: 0 } : verdict, udp)) return "loss";
  return incomplete || verdict.inLanes > 0 ? "incomplete" : "ok";
}

/** Runs the load thread to its end. Never rejects for what happens on the wire. */
async function runThread(start: LoadStart, area: LoadArea, surroundings: BenchSurroundings): Promise<LoadSummary> {
  const { signal, onProgress } = surroundings;
  const worker = new Worker(new URL("./workers/load.js", import.meta.url), { workerData: start, name: "load" });
  const stop = () => worker.postMessage("stop");
  signal.addEventListener("abort", stop);
  const startMs = performance.now();
  const { frames } = start.options;
  const timer = setInterval(() => {
    const latency = (frames.ack ? area.acknowledged : area.sent).snapshot();
    onProgress?.((performance.now() - startMs) / 1_000, area.counters.value("sent"), latency.percentile(99));
  }, PROGRESS_MS);
  try {
    return await new Promise<LoadSummary>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => reject(new EscError("ESC_BENCH_FAILED", "The load thread ended without a word.")));
    });
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}
