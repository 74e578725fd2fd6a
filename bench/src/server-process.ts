/**
 * A server to measure, as a process of its own: `esc start`.
 * What it costs is read from `/proc`, what it counts from its HTTP address.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Stats } from "@esc/server";

/** The built command line. */
export const CLI = fileURLToPath(new URL("../../apps/server/dist/cli.js", import.meta.url));

export interface ServerProcessOptions {
  /** Where it runs and keeps its data. */
  readonly dir: string;
  /** Configuration: `ESC_…` variables beside free ports and the data's path. */
  readonly env?: Readonly<Record<string, string>>;
  /** For Node, before the program. */
  readonly nodeOptions?: readonly string[];
}

/** What a server says when it is ready. */
interface Ready {
  readonly msg: string;
  readonly tcp: string;
  readonly http: string;
}

export class ServerProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #ready: Ready;
  readonly #child: ChildProcess;
  readonly #output: () => string;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess, ready: Ready, output: () => string, ended: Promise<void>) {
    this.pid = child.pid as number;
    this.#child = child;
    this.#ready = ready;
    this.#output = output;
    this.#ended = ended;
  }

  /** Starts it on free ports. Rejects with what it said when it ends before it is ready. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const { dir, env = {}, nodeOptions = [] } = options;
    const child = spawn(process.execPath, [...nodeOptions, CLI, "start"], {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        ESC_STORAGE_PATH: `${dir}/data`,
        ESC_INGESTION_TCP_PORT: "0",
        ESC_INGESTION_UDP_PORT: "0",
        ESC_HTTP_PORT: "0",
        ESC_LOGGING_FORMAT: "json",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: string[] = [];
    const output = () => chunks.join("");
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const ready = new Promise<Ready>((resolve) => {
      let found = false;
      const read = (stream: Readable) =>
        stream.setEncoding("utf8").on("data", (text: string) => {
          chunks.push(text);
          if (found) return;
          const line = output()
            .split("\n")
            .find((one) => one.startsWith("{") && one.endsWith("}") && one.includes('"msg":"ready"'));
          if (line === undefined) return;
          found = true;
          resolve(JSON.parse(line) as Ready);
        });
      read(child.stdout as Readable);
      read(child.stderr as Readable);
    });
    const begun = await Promise.race([ready, ended]);
    if (begun === undefined) throw new Error(`the server ended before it was ready:\n${output()}`);
    return new ServerProcess(child, begun, output, ended);
  }

  get tcpPort(): number {
    return portOf(this.#ready.tcp);
  }

  /** `host:port`. */
  get http(): string {
    return this.#ready.http;
  }

  async stats(): Promise<Stats> {
    return (await (await fetch(`http://${this.http}/api/v1/stats`)).json()) as Stats;
  }

  /** Resident memory now and at its highest, bytes. */
  memory(): { readonly now: number; readonly highest: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? Number.NaN);
    return { now: kib("VmRSS") * 1_024, highest: kib("VmHWM") * 1_024 };
  }

  /** Bytes that it has had written to disks since its start, by the kernel's count. */
  bytesToDisk(): number {
    return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${this.pid}/io`, "utf8"))?.[1] ?? Number.NaN);
  }

  /** Stops it in order; resolves with everything it has printed. */
  async stop(): Promise<string> {
    this.#child.kill("SIGTERM");
    await this.#ended;
    return this.#output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
