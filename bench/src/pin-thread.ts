/**
 * Pins the calling thread to a CPU. Node has no call for it; `taskset` moves a thread by its kernel id, which Linux tells
 * the thread itself.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** The CPUs this process may use, in order. */
export function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * Pins the calling thread to the `wanted`-th CPU that the process may use, or the first where there are fewer. Call it in
 * the worker itself, on Linux, before the work. Throws where there is no `taskset` (package util-linux).
 */
export function pinThread(wanted: number): void {
  const cpus = allowedCpus();
  const thread = basename(readlinkSync("/proc/thread-self"));
  execFileSync("taskset", ["-p", "-c", String(cpus[wanted] ?? cpus[0]), thread], { stdio: "ignore" });
}
