/** The server that `esc bench` starts for itself: `esc start` as a process of its own, with a data directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EscError } from "@esc/events";

interface Ready {
  readonly tcp: string;
  readonly udp: string;
  readonly http: string;
}

/** The command line's entry, beside whichever file of the bundle this is in. */
const CLI = fileURLToPath(new URL("./cli.js", import.meta.url));
/** Longer than the server's own grace. */
const STOP_MS = 15_000;
const MAX_SAID = 2_000;

export class BenchServer implements AsyncDisposable {
  readonly pid: number;
  readonly tcp: string;
  readonly udp: string;
  readonly http: string;
  /** Resolves with what to tell once the process has ended, whoever ended it. */
  readonly ended: Promise<EscError>;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #killWithUs: () => void;

  private constructor(child: ChildProcess, directory: string, ready: Ready, ended: Promise<EscError>) {
    this.#child = child;
    this.#directory = directory;
    this.ended = ended;
    this.pid = child.pid as number;
    this.tcp = ready.tcp;
    this.udp = ready.udp;
    this.http = ready.http;
    this.#killWithUs = () => {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    };
    process.on("exit", this.#killWithUs);
  }

  /** Starts on free ports, with the configuration's defaults. @throws EscError `ESC_BENCH_SERVER` when it doesn't start. */
  static async start(): Promise<BenchServer> {
    const directory = mkdtempSync(join(tmpdir(), "esc-bench-"));
    const child = spawn(process.execPath, [CLI, "start"], {
      // Nothing is found here: no configuration, no topics file.
      cwd: directory,
      env: {
        ...withoutOurs(process.env),
        ESC_STORAGE_PATH: join(directory, "data"),
        ESC_INGESTION_TCP_PORT: "0",
        ESC_INGESTION_UDP_PORT: "0",
        ESC_HTTP_PORT: "0",
        ESC_LOGGING_FORMAT: "json",
      },
      stdio: ["ignore", "pipe", "pipe"],
      // A process group of its own: Ctrl-C is ours, and the server stops when the run is summed up.
      detached: true,
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-MAX_SAID);
    });
    const ended = new Promise<EscError>((resolve) => {
      child.once("error", (cause) => resolve(new EscError("ESC_BENCH_SERVER", `${cause.message}.`, { cause })));
      child.once("exit", (code, signal) => {
        const how = signal === null ? `with code ${code}` : `by ${signal}`;
        resolve(new EscError("ESC_BENCH_SERVER", `The server ended ${how} during the run. ${said.trim()}`.trim()));
      });
    });
    const ready = await Promise.race([readyLine(child), ended]);
    if (ready instanceof EscError) {
      rmSync(directory, { recursive: true, force: true });
      throw ready;
    }
    return new BenchServer(child, directory, ready, ended);
  }

  /** Stops it in order, in the end by force, and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(timer);
    process.off("exit", this.#killWithUs);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function readyLine(child: ChildProcess): Promise<Ready> {
  return new Promise((resolve) => {
    let output = "";
    const hear = (chunk: Buffer) => {
      output += chunk;
      for (const line of output.split("\n").slice(0, -1)) {
        const parsed = JSON.parse(line) as Ready & { msg: string };
        if (parsed.msg !== "ready") continue;
        child.stdout?.off("data", hear);
        // Read on, or the pipe fills and the server waits for us.
        child.stdout?.resume();
        resolve(parsed);
        return;
      }
    };
    child.stdout?.on("data", hear);
  });
}

/** Embedded defaults means that: not what this shell happens to override. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ESC_") && name !== "INIT_CWD"));
}
