/** `esc bench` against a server that runs already, as a process of its own: the load, and the verdict by the server's counts. */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { CLI, type ServerProcess } from "./server-process.ts";

/** Percentiles in nanoseconds. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The parts of `esc bench --json` that benches use. */
export interface LoadReport {
  readonly outcome: "ok" | "loss" | "incomplete" | "failed";
  readonly error?: string;
  readonly sent: {
    readonly events: number;
    readonly bytes: number;
    readonly seconds: number;
    readonly eventsPerSecond: number;
  };
  readonly drained: { readonly seconds: number; readonly eventsPerSecond: number } | null;
  readonly server: {
    readonly accepted: number;
    readonly processed: number;
    readonly deadLettered: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly refused: Readonly<Record<string, number>>;
    readonly stored: number;
    readonly inLanes: number;
    readonly unaccounted: number;
    readonly notReceived: number;
  } | null;
  readonly latency: {
    readonly sent: Quantiles;
    readonly acknowledged?: Quantiles;
    readonly inside?: { readonly stages: Readonly<Record<string, Readonly<Record<string, Quantiles>>>> };
  };
  readonly generator: { readonly cpuPercent: number };
}

/** What {@link load} is told. */
export interface LoadOptions {
  readonly server: Pick<ServerProcess, "http" | "tcpPort" | "udpPort">;
  readonly seconds: number;
  /** More options of `esc bench`: `--max`, `--rate 1000`, `--ack`, `--udp`, … */
  readonly options: readonly string[];
}

/** Runs it to its end. Rejects when it says no report. */
export async function load({ server, seconds, options }: LoadOptions): Promise<LoadReport> {
  const port = options.includes("--udp") ? server.udpPort : server.tcpPort;
  const target = ["--target", `127.0.0.1:${port}`, "--http", `http://${server.http}`];
  const child = spawn(
    process.execPath,
    [CLI, "bench", ...target, "--duration", String(seconds), "--json", ...options],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  const end = out.lastIndexOf("}");
  if (end === -1) throw new Error(`esc bench said no report: ${err.trim() || "nothing at all"}`);
  return JSON.parse(out.slice(out.indexOf("{"), end + 1)) as LoadReport;
}

async function textOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk as string;
  return text;
}
