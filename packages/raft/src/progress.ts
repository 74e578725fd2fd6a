/**
 * What the leader knows of a follower's log, and how it sends to it.
 *
 * | state     | sends                                                   | leaves by                                   |
 * | --------- | ------------------------------------------------------- | ------------------------------------------- |
 * | probe     | one append at a time, until it is known where logs meet | an accepted append: replicate               |
 * | replicate | appends back to back, as far as the window allows       | a rejection or a lost connection: probe     |
 * | snapshot  | nothing                                                 | the log reaches the follower's end again    |
 */
import type { Inflights } from "./inflights.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  /** Everything up to here is known to be durable on the follower. */
  match = 0;
  /** The next entry to be sent; always beyond `match`. */
  next: number;
  state: ProgressState = "probe";
  /** The snapshot's index in state snapshot, else 0. */
  pendingSnapshot = 0;
  /** Whether it has answered since the last check of the quorum. */
  recentActive = false;
  /** An append is out that has to be answered, or a heartbeat be, before the next one. */
  paused = false;
  isLearner: boolean;
  readonly inflights: Inflights;
  /** The highest commit that it has been told, as far as that is worth anything to it. */
  #sentCommit = 0;

  constructor(next: number, isLearner: boolean, inflights: Inflights) {
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = inflights;
  }

  /** A copy for a changed configuration: it shares the window, since the one replaces the other. */
  copy(isLearner: boolean): Progress {
    const copy = new Progress(this.next, isLearner, this.inflights);
    copy.match = this.match;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.paused = this.paused;
    copy.#sentCommit = this.#sentCommit;
    return copy;
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.paused;
  }

  becomeProbe(): void {
    // Where a snapshot was sent, the follower may have it without having said so: probing begins behind it.
    const from = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#become("probe");
    this.next = from + 1;
    this.#forgetCommitBeyondNext();
  }

  becomeReplicate(): void {
    this.#become("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#become("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** Accounts for an append that was just sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      // With a full window this append is a probe: no other one before an answer.
      this.paused = this.inflights.full;
    } else if (count > 0) {
      this.paused = true;
    }
  }

  sentCommit(commit: number): void {
    this.#sentCommit = commit;
  }

  /** Whether telling the commit index would tell the follower anything new about entries that it was sent. */
  canBumpCommit(commit: number): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** An append up to `index` was accepted. Returns whether that was news. */
  update(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
  }

  /**
   * An append behind `rejected` was refused, and the logs may meet at `hint`. Returns false when the rejection is an old one that
   * later answers have overtaken.
   */
  decrease(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      if (rejected !== this.next - 1) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.paused = false;
    }
    this.#forgetCommitBeyondNext();
    return true;
  }

  #become(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }

  #forgetCommitBeyondNext(): void {
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }
}
