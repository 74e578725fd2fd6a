/**
 * What of a lane's state must survive the process: a cursor, and what is not in order behind it. One file, written beside
 * and renamed, so that all of it is of one moment. `docs/processing.md` says how it is used at the start.
 *
 * The lane's cursor file (`CursorFile`) goes on telling the first sequence that is still needed: that is what retention
 * keeps, and where a lane without a checkpoint begins.
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { Pending } from "../delay/delay-schedule.ts";
import type { WindowResult } from "../windows/window-definition.ts";
import type { WindowSetState } from "../windows/window-set.ts";

export interface Checkpoint {
  /** Everything below is finished, or in {@link delayed}. */
  readonly cursor: number;
  /** Finished ones above it, both ends included. */
  readonly finished: readonly (readonly [from: number, to: number])[];
  /** Events that wait for their time. */
  readonly delayed: readonly Pending[];
  /** Windows hold the events below this sequence. */
  readonly windowsNext: number;
  /** Open windows, by name. */
  readonly windows: Readonly<Record<string, WindowSetState>>;
  /** Closed ones that their handler isn't done with. */
  readonly closed: readonly WindowResult[];
}

export type CheckpointState<Value = Checkpoint> =
  | { readonly kind: "known"; readonly checkpoint: Value }
  | { readonly kind: "new" }
  | { readonly kind: "broken"; readonly reason: string };

/** Whether it says no more than its cursor. */
export function isPlain({ finished, delayed, windows, closed }: Checkpoint): boolean {
  return finished.length === 0 && delayed.length === 0 && closed.length === 0 && Object.keys(windows).length === 0;
}

/** The first sequence that is still needed, for its delayed events too. */
export function neededFrom({ cursor, delayed }: Checkpoint): number {
  return Math.min(cursor, delayed[0]?.[0] ?? cursor);
}

/**
 * Where a lane goes on. A checkpoint that holds more than a cursor is the newest word: the cursor file is written after
 * it. A plain one was the last of its kind; since then only the cursor file was written.
 * @param file the cursor file's sequence; undefined when there is none.
 */
export function resumeFrom(state: CheckpointState, file: number | undefined): Checkpoint {
  if (state.kind === "known" && !isPlain(state.checkpoint)) return state.checkpoint;
  const known = state.kind === "known" ? state.checkpoint.cursor : 1;
  const cursor = state.kind === "broken" ? (file ?? 1) : Math.max(known, file ?? 1);
  return { cursor, finished: [], delayed: [], windowsNext: cursor, windows: {}, closed: [] };
}

/** A file of one value: a checkpoint unless another is said. */
export class CheckpointFile<Value = Checkpoint> {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Where a lane's lies in a data directory. */
  static pathIn(dataDir: string, lane: string): string {
    return `${dataDir}/checkpoints/${lane}`;
  }

  async read(): Promise<CheckpointState<Value>> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return { kind: "new" };
      throw error;
    }
    const match = /^([0-9a-f]{8}) (.*)\n$/.exec(text);
    if (match === null) return { kind: "broken", reason: "it isn't a CRC-32 and a line" };
    if (checksum(match[2] as string) !== match[1]) return { kind: "broken", reason: "the CRC-32 doesn't fit" };
    return { kind: "known", checkpoint: JSON.parse(match[2] as string) as Value };
  }

  /**
   * Writes it durably. One call at a time.
   * @param text what {@link encode} made.
   */
  async write(text: string): Promise<void> {
    const dir = dirname(this.#path);
    await mkdir(dir, { recursive: true });
    const beside = `${this.#path}.new`;
    const file = await open(beside, "w", 0o640);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
    const folder = await open(dir, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

/** The file's text. */
export function encodeCheckpoint(checkpoint: object): string {
  const json = JSON.stringify(checkpoint);
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
