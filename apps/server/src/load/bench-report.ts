/** What a run of `esc bench` came to: the object that `--json` prints, and the same for people. */
import { ExitCode } from "../commands/usage-error.ts";
import type { Latency } from "../latency-figures.ts";
import type { BenchOptions } from "./bench-options.ts";
import type { InsideLatency } from "./inside-latency.ts";
import { type Machine, machineLine } from "./machine.ts";
import { total, type Verdict } from "./referee.ts";

/**
 * - `ok`: every event is accounted for.
 * - `loss`: the counts don't add up.
 * - `incomplete`: interrupted, not all acknowledged, or not out of the lanes in time.
 * - `failed`: see `error`.
 */
export type Outcome = "ok" | "loss" | "incomplete" | "failed";

/** Stable: fields may be added, none changes its meaning while `version` is 1. */
export interface BenchReport {
  readonly version: 1;
  readonly outcome: Outcome;
  readonly error?: string;
  readonly interrupted?: true;
  readonly machine: Machine;
  readonly options: {
    readonly target: string;
    readonly ownServer: boolean;
    readonly transport: "tcp" | "udp";
    readonly connections: number;
    readonly topic: string;
    /** `mix`, a name, or a turn of names. */
    readonly priority: string | readonly string[];
    readonly sizeBytes: number;
    /** Events a second; null for as many as the server takes. */
    readonly rate: number | null;
    readonly durationSeconds: number;
    readonly ack: boolean;
    readonly mostFramesPerWrite: number;
  };
  readonly sent: {
    readonly events: number;
    readonly bytes: number;
    readonly seconds: number;
    readonly eventsPerSecond: number;
  };
  /** Until everything sent was out of the lanes and on disk; null when the counts could not be had. */
  readonly drained: { readonly seconds: number; readonly eventsPerSecond: number } | null;
  /** With `--ack`. */
  readonly acknowledged?: { readonly events: number; readonly refused: Readonly<Record<string, number>> };
  readonly server: Verdict | null;
  readonly latency: {
    readonly unit: "ns";
    readonly sent: Latency;
    readonly acknowledged?: Latency;
    /** Between the server's socket and its disk, by its own clock. */
    readonly inside?: InsideLatency;
  };
  /** Of one core; near 100 the generator, not the server, was the limit. */
  readonly generator: { readonly cpuPercent: number };
}

export function reportedOptions(options: BenchOptions, target: string): BenchReport["options"] {
  const { frames, rate } = options;
  return {
    target,
    ownServer: options.target === undefined,
    transport: options.udp ? "udp" : "tcp",
    connections: options.connections,
    topic: frames.topic,
    priority: frames.priority,
    sizeBytes: frames.sizeBytes,
    rate: Number.isFinite(rate) ? rate : null,
    durationSeconds: options.durationSeconds,
    ack: frames.ack,
    mostFramesPerWrite: options.mostFrames,
  };
}

export function exitCodeOf(outcome: Outcome): number {
  if (outcome === "ok") return ExitCode.ok;
  return outcome === "incomplete" ? ExitCode.incomplete : ExitCode.failed;
}

/** For people. */
export function reportText(report: BenchReport): string {
  const { options, sent, drained, acknowledged, server, latency, generator } = report;
  const frames = `${options.transport.toUpperCase()}, ${options.connections} connection${options.connections === 1 ? "" : "s"}`;
  const pace = options.rate === null ? "as fast as it goes" : `${options.rate} events/s`;
  const lines = [
    machineLine(report.machine),
    `${options.target}, ${frames}, ${options.sizeBytes}-byte payloads on ${options.topic}, ${pace}`,
    `sent       ${sent.events} events, ${sent.bytes} bytes in ${sent.seconds.toFixed(2)} s: ${perSecond(sent.eventsPerSecond)}`,
  ];
  if (drained !== null)
    lines.push(`drained    in ${drained.seconds.toFixed(2)} s: ${perSecond(drained.eventsPerSecond)}`);
  if (acknowledged !== undefined) {
    lines.push(`acked      ${acknowledged.events} as durable${reasons("refused", acknowledged.refused)}`);
  }
  if (server !== null) {
    const { accepted, processed, deadLettered, dropped, duplicates, cancelled, inLanes } = server;
    const rarely = (what: string, count: number) => (count === 0 ? "" : ` + ${what} ${count}`);
    const rest = `${rarely("duplicates", duplicates)}${rarely("cancelled", cancelled)} + in lanes ${inLanes}`;
    lines.push(
      `server     accepted ${accepted} = processed ${processed} + dead-lettered ${deadLettered} + dropped ${total(dropped)}${rest}`,
      `           stored ${server.stored}${reasons("refused", server.refused)}${reasons("dropped", dropped)}`,
    );
    if (server.others > 0) lines.push(`           ${server.others} events were not ours`);
    if (server.notReceived > 0 && options.transport === "udp") {
      lines.push(`           ${server.notReceived} sent events never came: datagrams dropped on the way`);
    }
  }
  const since = options.rate === null ? "from its turn" : "from when it was due";
  lines.push(latencyLine("latency", latency.sent, `${since} to handed over`));
  if (latency.acknowledged !== undefined) {
    lines.push(latencyLine("", latency.acknowledged, `${since} to acknowledged`));
  }
  if (latency.inside !== undefined) lines.push(...insideLines(latency.inside));
  lines.push(`generator  ${generator.cpuPercent.toFixed(0)}% of a core`);
  if (report.interrupted) lines.push("interrupted");
  if (report.error !== undefined) lines.push(`esc: ${report.error}`);
  if (report.outcome === "loss" && server !== null) {
    lines.push(`LOSS: ${server.unaccounted} events unaccounted for, ${server.notReceived} sent and never received`);
  }
  return `${lines.join("\n")}\n`;
}

function latencyLine(title: string, { count, p50, p99, p999, max }: Latency, what: string): string {
  const figures = count === 0 ? "none" : `p50 ${time(p50)}, p99 ${time(p99)}, p99.9 ${time(p999)}, max ${time(max)}`;
  return `${title.padEnd(10)} ${what}: ${figures}`;
}

function insideLines({ since, stages, unmeasured }: InsideLatency): string[] {
  const lines = Object.entries(stages).flatMap(([stage, lanes]) =>
    Object.entries(lanes).map(([lane, figures]) => latencyLine("", figures, `${lane}, received to ${stage}`)),
  );
  if (lines.length === 0) return lines;
  if (unmeasured > 0) lines.push(`${"".padEnd(10)} ${unmeasured} events unmeasured`);
  return [`inside     ${since === "run" ? "of this run" : "since the server's start"}`, ...lines];
}

function reasons(what: string, counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return all.length === 0 ? "" : `; ${what}: ${all.join(", ")}`;
}

function perSecond(rate: number): string {
  return rate >= 1e6 ? `${(rate / 1e6).toFixed(2)} M events/s` : `${Math.round(rate)} events/s`;
}

/** In the unit that leaves one to three digits before the point. */
export function time(ns: number): string {
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} µs`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
