/**
 * The replicated log as the state machine sees it: what storage has, and behind it what isn't durable yet.
 *
 * ```
 *  compacted │ applied      │ applying          │ committed, to apply │ not committed
 *            └─ firstIndex     └─ handed out                                        └─ lastIndex
 * ```
 */
import { bytesOf, countWithin, type Entry, NO_ENTRIES } from "./entry.ts";
import { InvariantBroken } from "./errors.ts";
import type { Snapshot } from "./message.ts";
import type { RaftStorage } from "./storage.ts";
import { Unstable } from "./unstable.ts";

/** The term of an index that is compacted away or not there yet. No entry has it. */
export const NO_TERM = -1;

export class RaftLog {
  readonly #storage: RaftStorage;
  readonly unstable: Unstable;
  readonly #maxApplyingBytes: number;
  /** The highest index known to be on a quorum. */
  committed: number;
  /** The highest index that the state machine has said it has. */
  applied: number;
  #applying: number;
  #applyingBytes = 0;
  #applyingPaused = false;

  /** @param maxApplyingBytes of entries handed out to be applied and not applied yet. */
  constructor(storage: RaftStorage, maxApplyingBytes: number) {
    this.#storage = storage;
    this.#maxApplyingBytes = maxApplyingBytes;
    const first = storage.firstIndex();
    this.unstable = new Unstable(storage.lastIndex() + 1);
    this.committed = first - 1;
    this.applied = first - 1;
    this.#applying = first - 1;
  }

  firstIndex(): number {
    const snapshot = this.unstable.snapshot;
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex();
  }

  lastTerm(): number {
    return this.term(this.lastIndex());
  }

  /** The term of an entry, or `NO_TERM`. The entry before the first one has a term still. */
  term(index: number): number {
    const term = this.unstable.term(index);
    if (term !== undefined) return term;
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return NO_TERM;
    return this.#storage.term(index);
  }

  hasEntry(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends like this has all that ours may have had committed: no vote for any other. */
  isUpToDate(lastTerm: number, lastIndex: number): boolean {
    const ours = this.lastTerm();
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex());
  }

  /** Entries from `from` to the end, as many as fit into a message. Undefined when they are compacted away. */
  entriesFrom(from: number, maxBytes: number): readonly Entry[] | undefined {
    const end = this.lastIndex() + 1;
    return from >= end ? NO_ENTRIES : this.slice(from, end, maxBytes);
  }

  slice(from: number, to: number, maxBytes: number): readonly Entry[] | undefined {
    if (from < this.firstIndex()) return undefined;
    if (to > this.lastIndex() + 1) throw new InvariantBroken(`entry ${to - 1} is beyond the log's end`);
    const { offset } = this.unstable;
    if (from >= to) return NO_ENTRIES;
    if (from >= offset) return limited(this.unstable.slice(from, to), maxBytes);
    const stored = this.#storage.entries(from, Math.min(to, offset), maxBytes);
    if (stored === undefined || to <= offset || from + stored.length < offset) return stored;
    const left = maxBytes - bytesOf(stored);
    const rest = left > 0 ? limited(this.unstable.slice(offset, to), left) : NO_ENTRIES;
    // The first of the rest is there whatever its size: one entry must be, and that is the stored one.
    return bytesOf(rest) > left ? stored : [...stored, ...rest];
  }

  /** Adds a leader's own entries at the end. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index <= this.committed) throw new InvariantBroken(`entry ${first.index} would replace a committed one`);
    this.unstable.append(entries);
  }

  /**
   * Adds a leader's entries behind (`prevIndex`, `prevTerm`), replacing what conflicts with them. Returns the index of the last
   * one, or -1 when our log has another entry, or none, in front of them.
   */
  tryAppend(prevIndex: number, prevTerm: number, entries: readonly Entry[], leaderCommit: number): number {
    if (!this.hasEntry(prevIndex, prevTerm)) return -1;
    const last = prevIndex + entries.length;
    const conflict = entries.findIndex((entry) => !this.hasEntry(entry.index, entry.term));
    if (conflict >= 0) this.append(conflict === 0 ? entries : entries.slice(conflict));
    this.commitTo(Math.min(leaderCommit, last));
    return last;
  }

  /** From `index` downwards, the first entry with a term not above `term`: before it, a log ending in `term` can't agree with ours. */
  lastNotAbove(index: number, term: number): { index: number; term: number } {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === NO_TERM) return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    if (index > this.lastIndex()) {
      throw new InvariantBroken(
        `entry ${index} is committed, and the log ends at ${this.lastIndex()}: it was cut or lost`,
      );
    }
    this.committed = index;
  }

  /**
   * Commits up to an index that a quorum has, if its entry is of `term`. An older one isn't safe by being on a quorum: a leader of
   * another term may still replace it (section 5.4.2 of the paper).
   */
  commitOfTerm(index: number, term: number): boolean {
    if (index <= this.committed || !this.hasEntry(index, term)) return false;
    this.commitTo(index);
    return true;
  }

  /** A snapshot that is received and not yet durable: nothing can be applied before it. */
  get awaitsSnapshot(): boolean {
    return this.unstable.snapshot !== undefined;
  }

  /** What is to be applied next. @param allowUnstable whether entries may be applied that this node hasn't on disk. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return NO_ENTRIES;
    const from = this.#applying + 1;
    const to = this.#maxAppliable(allowUnstable) + 1;
    const entries = this.slice(from, to, this.#maxApplyingBytes - this.#applyingBytes);
    if (entries === undefined) throw new InvariantBroken(`entry ${from} was compacted away before it was applied`);
    return entries;
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#applyingPaused || this.awaitsSnapshot) return false;
    return this.#applying < this.#maxAppliable(allowUnstable);
  }

  /** Entries up to `index` were handed out. No more are, beyond the limit, until some are applied. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    this.#applying = index;
    this.#applyingBytes += bytes;
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes || index < this.#maxAppliable(allowUnstable);
  }

  appliedTo(index: number, bytes: number): void {
    if (index > this.committed || index < this.applied) {
      throw new InvariantBroken(`applied ${index} is not between ${this.applied} and the committed ${this.committed}`);
    }
    this.applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  #maxAppliable(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }
}

function limited(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  const count = countWithin(entries, maxBytes);
  return count === entries.length ? entries : entries.slice(0, count);
}
