/**
 * Pins threads through `taskset`: Node has no call for it, and a native addon is more than it is worth. What counts is
 * not that the tool ended well but what the kernel says afterwards, so the affinity is read back.
 */
import { execFile } from "node:child_process";
import { formatCpuList } from "./cpu-list.ts";
import { affinityOf } from "./threads.ts";

export interface PinOptions {
  /** Default `taskset`, looked for in PATH. */
  readonly taskset?: string;
  /** Ends a tool that hangs. Default 2,000 ms. */
  readonly timeoutMs?: number;
}

export interface PinResult {
  readonly tid: number;
  readonly wanted: readonly number[];
  /** As read back; undefined when the thread is gone, or without a Linux `/proc`. */
  readonly affinity: readonly number[] | undefined;
  /** The affinity is what was wanted. */
  readonly pinned: boolean;
  /** Why not, and what to do about it. */
  readonly problem?: string;
}

/**
 * Pins a thread of this process to CPUs, and reads back whether it is. Never rejects: without the tool or the right, the
 * thread stays where it was, and `problem` says why. Costs a child process, some ms, unless the thread is there already; the
 * event loop goes on.
 * @param tid from {@link currentTid} on that thread, or {@link threadsNamed}.
 */
export async function pinThread(tid: number, cpus: readonly number[], options: PinOptions = {}): Promise<PinResult> {
  const { taskset = "taskset", timeoutMs = 2_000 } = options;
  const wanted = [...new Set(cpus)].sort((a, b) => a - b);
  const list = formatCpuList(wanted);
  // Never a thread of somebody else, whose id this has become.
  const before = affinityOf(tid);
  if (before === undefined) return failed(tid, wanted, `this process has no thread ${tid} (any more)`);
  if (formatCpuList(before) === list) return { tid, wanted, affinity: before, pinned: true };
  const trouble = await run(taskset, ["-p", "-c", list, String(tid)], timeoutMs);
  const affinity = affinityOf(tid);
  if (affinity !== undefined && formatCpuList(affinity) === list) return { tid, wanted, affinity, pinned: true };
  if (trouble !== undefined) return failed(tid, wanted, trouble);
  if (affinity === undefined) return failed(tid, wanted, `thread ${tid} has ended`);
  return failed(tid, wanted, `asked for CPU ${list}, but the kernel says ${formatCpuList(affinity)}; see the cpuset`);
}

function failed(tid: number, wanted: readonly number[], problem: string): PinResult {
  return { tid, wanted, affinity: affinityOf(tid), pinned: false, problem };
}

function run(tool: string, args: readonly string[], timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: "C" };
    execFile(tool, args, { timeout: timeoutMs, killSignal: "SIGKILL", env }, (error, _, stderr) => {
      if (error === null) resolve(undefined);
      else if (error.code === "ENOENT") {
        resolve(`there is no ${tool}; install it (Debian, Alpine: util-linux) to have threads placed`);
      } else if (error.killed === true) resolve(`${tool} did not end within ${timeoutMs} ms`);
      else resolve(`${tool} failed: ${stderr.trim().split("\n")[0] || error.message}`);
    });
  });
}
