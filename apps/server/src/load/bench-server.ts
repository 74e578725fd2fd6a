/** The server that `esc bench` starts for itself: `esc start` as a process of its own, with a data directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
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
/** As pino numbers its levels. */
const LEVEL_ERROR = 50;

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

  /** Starts on free ports, with the configuration's defaults. @throws EscError `ESC_BENCH_SERVER` with why it doesn't start. */
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
    const said = listenTo(child);
    const ended = new Promise<EscError>((resolve) => {
      child.once("error", (cause) => resolve(new EscError("ESC_BENCH_SERVER", `${cause.message}.`, { cause })));
      child.once("exit", (code, signal) => {
        const how = signal === null ? `with code ${code}` : `by ${signal}`;
        resolve(new EscError("ESC_BENCH_SERVER", `The server for this run ended ${how}. ${said.last}`.trim()));
      });
    });
    const ready = await Promise.race([said.ready, ended]);
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

/** Reads what the server says: where it listens, and the last thing that went wrong. */
function listenTo({ stdout, stderr }: ChildProcess): { readonly ready: Promise<Ready>; readonly last: string } {
  const { promise: ready, resolve } = Promise.withResolvers<Ready>();
  const heard = { ready, last: "" };
  // Read to the end: a pipe that fills would make the server wait for us.
  createInterface({ input: stdout as Readable }).on("line", (line) => {
    const entry = JSON.parse(line) as Ready & { readonly msg: string; readonly level: number };
    if (entry.msg === "ready") resolve(entry);
    else if (entry.level >= LEVEL_ERROR) heard.last = entry.msg;
  });
  // What is in the way of a start; a server that runs says there no more than that it does.
  createInterface({ input: stderr as Readable }).on("line", (line) => {
    if (line.startsWith("esc: ")) heard.last = line.slice("esc: ".length);
  });
  return heard;
}

/** Embedded defaults means that: not what this shell happens to override. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ESC_") && name !== "INIT_CWD"));
}
