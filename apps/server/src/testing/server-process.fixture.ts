/** A real server as a child process, for tests: free ports, a data directory of its own, gone at the end. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stats } from "../stats.ts";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface ServerProcessOptions {
  /** Reuse a directory, as after a crash. */
  readonly dataDir?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gets the process before it is ready. */
  readonly onSpawn?: (child: ChildProcess) => void;
}

export class ServerProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly dataDir: string;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly httpPort: number;
  /** As its ready line says them. */
  readonly addresses: { readonly tcp: string; readonly udp: string; readonly http: string };
  readonly exited: Promise<number | null>;
  /** What it has written to standard output: its log, a line of JSON each. */
  readonly #output: string[] = [];

  private constructor(
    child: ChildProcess,
    dataDir: string,
    ready: { tcp: string; udp: string; http: string },
    exited: Promise<number | null>,
  ) {
    this.child = child;
    this.dataDir = dataDir;
    child.stdout?.on("data", (chunk) => this.#output.push(String(chunk)));
    this.addresses = { tcp: ready.tcp, udp: ready.udp, http: ready.http };
    this.tcpPort = portOf(ready.tcp);
    this.udpPort = portOf(ready.udp);
    this.httpPort = portOf(ready.http);
    this.exited = exited;
  }

  static async start(options: ServerProcessOptions = {}): Promise<ServerProcess> {
    const dataDir = options.dataDir ?? temporaryDirectory();
    const child = spawn(process.execPath, [CLI, "start", ...(options.args ?? [])], {
      cwd: dataDir,
      env: {
        ...withoutOurs(process.env),
        ESC_STORAGE_PATH: dataDir,
        ESC_INGESTION_TCP_PORT: "0",
        ESC_INGESTION_UDP_PORT: "0",
        ESC_HTTP_PORT: "0",
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
    options.onSpawn?.(child);
    const ready = await readyLine(child);
    return new ServerProcess(child, dataDir, ready, exited);
  }

  /** Waits for a line of the log, as long as the process lives. */
  async line(text: string): Promise<void> {
    let ended = false;
    void this.exited.then(() => {
      ended = true;
    });
    while (!ended && !this.lines.some(({ msg }) => String(msg).includes(text))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The lines logged since it was ready. */
  get lines(): Readonly<Record<string, unknown>>[] {
    return this.#output
      .join("")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async stats(): Promise<Stats> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}/api/v1/stats`);
    return (await response.json()) as Stats;
  }

  /** Asks for the counts until they satisfy, and gives them back as they are then (or after the time is over). */
  async statsWhen(satisfied: (stats: Stats) => boolean, timeoutMs = 30_000): Promise<Stats> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const stats = await this.stats();
      if (satisfied(stats) || Date.now() > deadline) return stats;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resident memory in bytes. */
  async residentBytes(): Promise<number> {
    const { readFile } = await import("node:fs/promises");
    const status = await readFile(`/proc/${this.child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(): Promise<number | null> {
    this.child.kill("SIGTERM");
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** Every event is somewhere: processed, dead, dropped and counted, or still in a lane. */
export function accountedFor(stats: Stats): number {
  const dropped = Object.values(stats.dropped).reduce((sum, count) => sum + count, 0);
  return stats.processed + stats.deadLettered + stats.duplicates + stats.cancelled + dropped - stats.replayed;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "esc-test-"));
}

/** Runs `esc` to its end. */
export async function esc(
  ...args: readonly string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: withoutOurs(process.env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ESC_") && name !== "INIT_CWD"));
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

function readyLine(child: ChildProcess): Promise<{ tcp: string; udp: string; http: string }> {
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    child.stderr?.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      for (const line of output.split("\n").slice(0, -1)) {
        const parsed = JSON.parse(line) as { msg: string; tcp: string; udp: string; http: string };
        if (parsed.msg === "ready") resolve(parsed);
      }
    });
    child.once("exit", (code) =>
      reject(new Error(`the server ended with ${code} before it was ready: ${output}${errors}`)),
    );
  });
}
