/**
 * One process per data directory. Node has no flock(2), so the lock is made of names: each process that wants the
 * directory makes an entry `LOCK/<pid>-<start time>-<boot>`, and only then looks who else is there. Of two that come at
 * once at least one sees the other (Dekker's algorithm, with a folder for the two flags), so there are never two owners;
 * an entry names one process for all time, so clearing away a dead one's never takes away a live one's.
 *
 * It holds between processes that see the same process ids: not across containers or machines that share a volume.
 */
import { closeSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { EscError } from "@esc/events";
import { makeDirectory } from "./log-fs.ts";

const ENTRY = /^(\d+)-(\d+)-\w+$/;
/** How long the first of several that came at once waits for the others to step back, ms. */
const WAIT_MS = 500;
const STEP_MS = 5;
const MOST_TRIES = 1_000;

export class DirectoryLock {
  readonly #folder: string;
  readonly #entry: string;

  private constructor(folder: string, entry: string) {
    this.#folder = folder;
    this.#entry = entry;
  }

  /**
   * Takes the directory, which is made when missing. May wait up to half a second for processes that start at once.
   * @throws EscError `ESC_DATA_DIR_LOCKED` naming the pid of the process that has it; the system's error when the
   *   directory can't be written.
   */
  static acquire(dir: string): DirectoryLock {
    const folder = join(dir, "LOCK");
    const entry = entryOf(process.pid) as string;
    announce(dir, folder, entry);
    const lock = new DirectoryLock(folder, entry);
    try {
      for (let waitedMs = 0; ; waitedMs += STEP_MS) {
        const others = liveEntries(folder).filter((other) => other !== entry);
        const [other] = others;
        if (other === undefined) return lock;
        // Who has it and who only wants it look the same. The first by name waits: those who want it step back.
        if (others.some((each) => each < entry) || waitedMs >= WAIT_MS) throw locked(dir, other);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STEP_MS);
      }
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Gives the directory back. */
  [Symbol.dispose](): void {
    rmSync(join(this.#folder, this.#entry), { force: true });
    try {
      rmdirSync(this.#folder);
    } catch (error) {
      // Not empty: somebody else wants it already. Gone: somebody else had it meanwhile.
      if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}

/** Makes the entry; the system allows it once. */
function announce(dir: string, folder: string, entry: string): void {
  for (let tries = 1; ; tries++) {
    try {
      makeDirectory(folder);
    } catch (error) {
      // A folder that stood in the way and that its owner gave back before it was looked at: once more. A file where the folder
      // should be says EEXIST too, and nobody has the directory then.
      const { code } = error as NodeJS.ErrnoException;
      const inTheWay = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false;
      if (code !== "EEXIST" || inTheWay || tries === MOST_TRIES) throw error;
      continue;
    }
    try {
      closeSync(openSync(join(folder, entry), "wx", 0o640));
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") throw locked(dir, entry);
      // The folder was given back by its owner in between, and again.
      if (code !== "ENOENT" || tries === MOST_TRIES) throw error;
    }
  }
}

/** Entries of processes that live; those of dead ones are cleared away. */
function liveEntries(folder: string): string[] {
  return readdirSync(folder).filter((entry) => {
    const pid = Number(ENTRY.exec(entry)?.[1]);
    if (pid > 0 && entryOf(pid) === entry) return true;
    rmSync(join(folder, entry), { force: true, recursive: true });
    return false;
  });
}

function locked(dir: string, entry: string): EscError {
  const pid = entry.split("-", 1)[0];
  return new EscError(
    "ESC_DATA_DIR_LOCKED",
    `${dir} is in use by the process with pid ${pid}. Stop it, or give this one a directory of its own (storage.path).`,
  );
}

/** The entry of a process that lives: its pid, when it started (clock ticks since boot), and which boot that was. */
function entryOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold anything; state and start time are the 1st and 20th
    // behind it. A zombie holds nothing open any more.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return `${pid}-${fields[19]}-${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8)}`;
  } catch {
    // No such process, or no /proc as on macOS: there the pid has to do.
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return undefined;
  }
  return `${pid}-0-none`;
}
