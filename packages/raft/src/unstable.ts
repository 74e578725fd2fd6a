/**
 * The end of the log that isn't known to be durable yet, and a received snapshot that isn't.
 *
 * ```
 *  storage           │ in progress: handed out to be written │ next: to be handed out
 *  … offset - 1      │ offset … inProgressEnd - 1            │ inProgressEnd … last
 * ```
 */
import type { Entry } from "./entry.ts";
import { InvariantBroken } from "./errors.ts";
import type { Snapshot } from "./message.ts";

export class Unstable {
  #snapshot: Snapshot | undefined;
  #snapshotInProgress = false;
  #entries: Entry[] = [];
  #offset: number;
  #inProgressEnd: number;

  constructor(offset: number) {
    this.#offset = offset;
    this.#inProgressEnd = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get hasEntries(): boolean {
    return this.#entries.length > 0;
  }

  /** Index of the last entry or else of the snapshot, or undefined when there is neither. */
  lastIndex(): number | undefined {
    return this.#entries.length > 0 ? this.#offset + this.#entries.length - 1 : this.#snapshot?.index;
  }

  /** The term of `index`, or undefined when it isn't here. */
  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term;
    return this.#snapshot?.index === index ? this.#snapshot.term : undefined;
  }

  /** Entries from `from` to before `to`, all of which have to be here. */
  slice(from: number, to: number): readonly Entry[] {
    if (from < this.#offset || to > this.#offset + this.#entries.length) {
      throw new InvariantBroken(`entries ${from} to ${to - 1} are not in the unstable log`);
    }
    return this.#entries.slice(from - this.#offset, to - this.#offset);
  }

  /** What is to be handed out to be written. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#inProgressEnd - this.#offset);
  }

  get hasNextEntries(): boolean {
    return this.#inProgressEnd < this.#offset + this.#entries.length;
  }

  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.#snapshot;
  }

  /** Everything here has been handed out. */
  accept(): void {
    this.#inProgressEnd = this.#offset + this.#entries.length;
    if (this.#snapshot !== undefined) this.#snapshotInProgress = true;
  }

  /**
   * The log up to `index` is durable, as it was when it ended in an entry of `term`. If that entry has been replaced since, the
   * word is an old one and says nothing about what is here now.
   */
  stableTo(index: number, term: number): void {
    if (index < this.#offset || this.term(index) !== term) return;
    this.#entries = this.#entries.slice(index + 1 - this.#offset);
    this.#offset = index + 1;
    this.#inProgressEnd = Math.max(this.#inProgressEnd, this.#offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  /** Everything is replaced by a received snapshot. */
  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.index + 1;
    this.#inProgressEnd = this.#offset;
    this.#entries = [];
    this.#snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Puts entries at their indexes; what was there and behind goes. Entries before the first one stay in progress if they were. */
  append(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    if (from > this.#offset + this.#entries.length) throw new InvariantBroken(`a gap before entry ${from}`);
    if (from <= this.#offset) {
      this.#offset = from;
      this.#entries = [...entries];
    } else {
      this.#entries.length = from - this.#offset;
      for (const entry of entries) this.#entries.push(entry);
    }
    this.#inProgressEnd = Math.min(Math.max(this.#inProgressEnd, this.#offset), from);
  }
}
