/**
 * Commands that end with us: each runs in a process group of its own, and the whole group is killed when the command is
 * done, when its time is over and when the caller gives up. So nothing that a tool leaves behind outlives the rehearsal.
 */
import { spawn } from "node:child_process";

export interface CommandOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Then the command counts as failed; 180,000 unless given. */
  readonly timeoutMs?: number;
}

/** What is kept of a command's output, in characters from its end, and what of that is shown when it fails. */
const MAX_OUTPUT = 16_000_000;
const SHOWN_OUTPUT = 6_000;

/**
 * Runs a command to its end; resolves with what it wrote to stdout.
 * @throws Error with the end of its output when its exit code isn't 0, its time is over, or the caller gave up.
 */
export function run(file: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const { cwd, env, signal, timeoutMs = 180_000 } = options;
  signal.throwIfAborted();
  const ends = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let stdout = "";
    let output = "";
    const killGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // ESRCH: the group is empty already, which is what is wanted.
      }
    };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout = (stdout + chunk).slice(-MAX_OUTPUT);
      output = (output + chunk).slice(-MAX_OUTPUT);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(-MAX_OUTPUT);
    });
    ends.addEventListener("abort", killGroup);
    child.once("error", reject);
    // At its own end, not at that of its output: a child of its own that it left behind may hold that open.
    child.once("exit", killGroup);
    child.once("close", (code, killedBy) => {
      ends.removeEventListener("abort", killGroup);
      if (code === 0) return resolve(stdout);
      const why = signal.aborted
        ? "was stopped"
        : ends.aborted
          ? `took longer than ${timeoutMs} ms`
          : `ended with ${code ?? killedBy}`;
      reject(new Error(`${[file, ...args].join(" ")} ${why}\n${output.slice(-SHOWN_OUTPUT).trim()}`));
    });
  });
}
