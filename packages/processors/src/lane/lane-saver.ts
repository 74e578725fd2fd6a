/**
 * Writes a lane's cursor and checkpoint now and then, beside the work. A failure is the next write's to mend: what isn't
 * saved is handled again after a crash, and nothing is lost by it.
 */
import type { CursorFile } from "@esc/storage";
import { type Checkpoint, type CheckpointFile, encodeCheckpoint, isPlain, neededFrom } from "./checkpoint-file.ts";

export interface LaneSaverOptions {
  readonly cursor: Pick<CursorFile, "write">;
  readonly checkpoint: Pick<CheckpointFile, "write">;
  /** What is to be saved, of this moment. */
  readonly take: () => Checkpoint;
  /** Changes whenever there is something new to save. */
  readonly version: () => number;
  readonly onError: (error: Error) => void;
  /** Milliseconds from any start, never going back. */
  readonly now: () => number;
}

const INTERVAL_MS = 500;
/** Putting a large state together is done less often: it may take up to a twentieth of the thread's time. */
const SHARE = 20;

export class LaneSaver {
  readonly #options: LaneSaverOptions;
  #savedVersion: number;
  #dueMs = 0;
  #saving: Promise<void> | undefined;
  /** The file on disk says no more than a cursor, so the cursor file alone will do. */
  #plain: boolean;

  /** @param plain whether the checkpoint on disk holds no more than a cursor. */
  constructor(options: LaneSaverOptions, plain: boolean) {
    this.#options = options;
    this.#savedVersion = options.version();
    this.#plain = plain;
  }

  /** Whether there is something that isn't saved. */
  get dirty(): boolean {
    return this.#options.version() !== this.#savedVersion;
  }

  /** Saves if there is something to save and it is time. Returns at once. */
  saveInTime(): void {
    if (!this.dirty || this.#saving !== undefined || this.#options.now() < this.#dueMs) return;
    this.save().catch(this.#options.onError);
  }

  /** Saves what is now, behind a save that is under way. Resolves when it is durable. */
  async save(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving.catch(() => undefined);
    this.#saving = this.#save();
    try {
      await this.#saving;
    } finally {
      this.#saving = undefined;
    }
  }

  async #save(): Promise<void> {
    const { cursor, checkpoint, take, now, version } = this.#options;
    const started = now();
    const saved = version();
    const state = take();
    const plain = isPlain(state);
    const text = plain && this.#plain ? "" : encodeCheckpoint(state);
    const tookMs = now() - started;
    try {
      // First: where it holds more than a cursor, it is the newer word of the two.
      if (text !== "") {
        await checkpoint.write(text);
        this.#plain = plain;
      }
      await cursor.write(neededFrom(state));
      this.#savedVersion = saved;
    } finally {
      this.#dueMs = now() + Math.max(INTERVAL_MS, tookMs * SHARE);
    }
  }
}
