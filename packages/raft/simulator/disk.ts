/** A disk that forgets what wasn't synced: after a crash, any number of the last writes may be gone, each of them whole. */
import type { Entry } from "../src/entry.ts";
import type { HardState, Snapshot } from "../src/message.ts";
import { MemoryStorage } from "../src/storage.ts";
import type { Random } from "./random.ts";

type Write = (storage: MemoryStorage) => void;

export class Disk {
  #durable = new MemoryStorage();
  #unsynced: Write[] = [];
  /** What the running node sees: all that was written. */
  storage = new MemoryStorage();

  write(hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    this.#do((storage) => {
      if (snapshot !== undefined) storage.applySnapshot(snapshot);
      storage.append(entries);
      if (hardState !== undefined) storage.setHardState(hardState);
    });
  }

  /** Keeps a snapshot of the state machine and drops the log up to `compactTo`. */
  keep(snapshot: Snapshot, compactTo: number): void {
    this.#do((storage) => {
      storage.saveSnapshot(snapshot);
      storage.compact(compactTo);
    });
  }

  sync(): void {
    for (const write of this.#unsynced) write(this.#durable);
    this.#unsynced = [];
  }

  crash(random: Random): void {
    for (const write of this.#unsynced.slice(0, random.below(this.#unsynced.length + 1))) write(this.#durable);
    this.#unsynced = [];
    this.storage = copyOf(this.#durable);
  }

  #do(write: Write): void {
    write(this.storage);
    this.#unsynced.push(write);
  }
}

function copyOf(original: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  const first = original.firstIndex();
  const snapshot = original.snapshot();
  if (snapshot !== undefined) {
    const base = { ...snapshot, index: first - 1, term: original.term(first - 1) };
    copy.applySnapshot(base);
    copy.append(original.entries(first, original.lastIndex() + 1, Number.MAX_SAFE_INTEGER) ?? []);
    copy.saveSnapshot(snapshot);
  }
  copy.setHardState(original.initialState().hardState);
  return copy;
}
