/** Threads as the kernel knows them: their ids (tid), names and affinity, from `/proc`. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { parseCpuList } from "./cpu-list.ts";

/** The kernel keeps 15 bytes of a thread's name. */
const COMM_BYTES = 15;

/**
 * The kernel's id of the calling thread; undefined where there is no Linux `/proc`. The link is read synchronously on
 * purpose: an asynchronous read happens on a thread of libuv's pool, and would give that one's. Any thread; some µs.
 */
export function currentTid(): number | undefined {
  try {
    const match = /^\d+\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}

export interface Thread {
  readonly tid: number;
  /** Cut to 15 bytes. */
  readonly name: string;
}

/** This process's threads, those of Node's own included; none where there is no Linux `/proc`. Any thread. */
export function threads(): Thread[] {
  try {
    return readdirSync("/proc/self/task").flatMap((entry) => {
      const name = readOr(`/proc/self/task/${entry}/comm`);
      // It may have ended since.
      return name === undefined ? [] : [{ tid: Number(entry), name: name.replace(/\n$/, "") }];
    });
  } catch {
    return [];
  }
}

/** The threads that a worker of this name may be: its `name` is its thread's once it runs, as far as the kernel keeps it. */
export function threadsNamed(name: string): Thread[] {
  const kept = Buffer.from(name).subarray(0, COMM_BYTES).toString();
  return threads().filter((thread) => thread.name === kept);
}

/** The CPUs that a thread of this process may run on; undefined when it is gone, or where there is no Linux `/proc`. */
export function affinityOf(tid: number): readonly number[] | undefined {
  const status = readOr(`/proc/self/task/${tid}/status`);
  const list = status === undefined ? undefined : /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1];
  return list === undefined ? undefined : parseCpuList(list);
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
