/**
 * One process per data directory. The lock is a file with the owner's pid and start time: a pid that was given to
 * somebody else meanwhile doesn't pass for the owner. Node has no flock(2).
 */
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EscError } from "@esc/events";
import { makeDirectory } from "./log-fs.ts";

export class DirectoryLock {
  readonly #path: string;
  readonly #mark: string;

  private constructor(path: string, mark: string) {
    this.#path = path;
    this.#mark = mark;
  }

  /**
   * Takes the directory, which is made when missing.
   * @throws EscError `ESC_DATA_DIR_LOCKED` naming the pid of the process that has it.
   */
  static acquire(dir: string): DirectoryLock {
    makeDirectory(dir);
    const path = join(dir, "LOCK");
    const mark = `${process.pid} ${startTime(process.pid) ?? 0}\n`;
    const mine = `${path}.${process.pid}`;
    writeFileSync(mine, mark);
    try {
      // A link is made with its content or not at all, so no other process ever reads a half-written lock.
      for (let attempt = 0; attempt < 10; attempt++) {
        try {
          linkSync(mine, path);
          return new DirectoryLock(path, mark);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
        removeStale(dir, path);
      }
      throw new EscError(
        "ESC_DATA_DIR_LOCKED",
        `${dir}: other processes keep taking it. Give each server a directory of its own.`,
      );
    } finally {
      rmSync(mine, { force: true });
    }
  }

  /** Gives the directory back. */
  [Symbol.dispose](): void {
    if (readMark(this.#path) === this.#mark) rmSync(this.#path, { force: true });
  }
}

function removeStale(dir: string, path: string): void {
  const mark = readMark(path);
  if (mark === undefined) return;
  const [pid = 0, started = 0] = mark.trim().split(" ").map(Number);
  const running = pid > 0 ? startTime(pid) : undefined;
  if (running !== undefined && (started === 0 || running === started)) {
    throw new EscError(
      "ESC_DATA_DIR_LOCKED",
      `${dir} is in use by the process with pid ${pid}. Stop it, or give this one a directory of its own (storage.path).`,
    );
  }
  // Moved away under a name of ours before it is removed: of two processes that find it stale, one moves it.
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readMark(aside) === mark) unlinkSync(aside);
    else renameSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function readMark(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** When a process started, in clock ticks since boot; undefined when there is none of that pid; 0 where there's no /proc. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold anything; the start time is the 20th behind it.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    try {
      process.kill(pid, 0);
      return 0;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? 0 : undefined;
    }
  }
}
