/** What the core reads of the log that is durable. It never writes: `Ready` says what is to be written. */
import type { Entry } from "./entry.ts";
import { countWithin } from "./entry.ts";
import { InvariantBroken } from "./errors.ts";
import {
  type ConfState,
  EMPTY_CONF_STATE,
  EMPTY_HARD_STATE,
  EMPTY_SNAPSHOT,
  type HardState,
  type Snapshot,
} from "./message.ts";

/** Synchronous: keep the log's recent end, or an index of it, in memory. */
export interface RaftStorage {
  /** What was persisted last, and the members as of the state machine's applied index. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** The first entry that isn't compacted away; `lastIndex() + 1` when there is none. */
  firstIndex(): number;
  lastIndex(): number;
  /** The term of an index from `firstIndex() - 1` to `lastIndex()`; the core asks for no other. */
  term(index: number): number;
  /**
   * Entries from `from` to before `to`, both within the log, as many as fit into `maxBytes` and at least one. Undefined when they
   * have been compacted away in the meantime.
   */
  entries(from: number, to: number, maxBytes: number): readonly Entry[] | undefined;
  /**
   * The newest snapshot, or undefined while none is at hand: the core asks again later. A new member can only use one that names it
   * in its `confState`, so take one soon after each change of members, or here as of what is applied.
   */
  snapshot(): Snapshot | undefined;
}

/** A `RaftStorage` in memory: for tests, examples, and as the index of a log on disk. */
export class MemoryStorage implements RaftStorage {
  #hardState = EMPTY_HARD_STATE;
  #snapshot = EMPTY_SNAPSHOT;
  /** Index and term of the entry before the first one. */
  #base = { index: 0, term: 0 };
  #entries: Entry[] = [];

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.confState ?? EMPTY_CONF_STATE };
  }

  firstIndex(): number {
    return this.#base.index + 1;
  }

  lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  term(index: number): number {
    if (index === this.#base.index) return this.#base.term;
    const entry = this.#entries[index - this.firstIndex()];
    if (entry === undefined) throw new InvariantBroken(`storage has no entry ${index}`);
    return entry.term;
  }

  entries(from: number, to: number, maxBytes: number): readonly Entry[] | undefined {
    if (from < this.firstIndex()) return undefined;
    const entries = this.#entries.slice(from - this.firstIndex(), to - this.firstIndex());
    const count = countWithin(entries, maxBytes);
    return count === entries.length ? entries : entries.slice(0, count);
  }

  snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  /** Replaces everything by a snapshot that was received; an older one than is here changes nothing. */
  applySnapshot(snapshot: Snapshot): void {
    if (snapshot.index <= this.#snapshot.index) return;
    this.#snapshot = snapshot;
    this.#base = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
  }

  /** Keeps a snapshot of the own state machine; the log is cut by `compact`. */
  saveSnapshot(snapshot: Snapshot): void {
    if (snapshot.index > this.#snapshot.index) this.#snapshot = snapshot;
  }

  /** Drops entries up to and with `index`, which has to be in the log. @throws ESC_RAFT_INVARIANT */
  compact(index: number): void {
    if (index <= this.#base.index) return;
    const term = this.term(index);
    this.#entries = this.#entries.slice(index - this.#base.index);
    this.#base = { index, term };
  }

  /** Writes entries; from the first one's index on they replace what was there. @throws ESC_RAFT_INVARIANT at a gap. */
  append(entries: readonly Entry[]): void {
    const first = this.firstIndex();
    const fresh = entries.filter((entry) => entry.index >= first);
    const start = fresh[0]?.index;
    if (start === undefined) return;
    if (start > this.lastIndex() + 1)
      throw new InvariantBroken(`entries ${this.lastIndex() + 1} to ${start} are missing`);
    this.#entries.length = start - first;
    for (const entry of fresh) this.#entries.push(entry);
  }
}
