/** `esc bench` against a server that runs already, as a process of its own: the load, and the verdict by the server's counts. */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { BenchReport } from "@esc/server";
import { CLI, type ServerProcess } from "./server-process.ts";

/** What {@link load} is told. */
export interface LoadOptions {
  readonly server: Pick<ServerProcess, "http" | "tcpPort">;
  readonly seconds: number;
  /** More options of `esc bench`: `--max`, `--rate 1000`, `--ack`, … */
  readonly options: readonly string[];
}

/** Runs it to its end. Rejects when it says no report. */
export async function load({ server, seconds, options }: LoadOptions): Promise<BenchReport> {
  const target = ["--target", `127.0.0.1:${server.tcpPort}`, "--http", `http://${server.http}`];
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
  return JSON.parse(out.slice(out.indexOf("{"), end + 1)) as BenchReport;
}

async function textOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk as string;
  return text;
}
