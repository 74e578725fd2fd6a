/** The members and how far each is: what the leader decides commits by, and a candidate counts votes with. */
import { ascending, type Config, EMPTY_CONFIG, isVoter, votersOf } from "./config.ts";
import { Inflights } from "./inflights.ts";
import { Progress } from "./progress.ts";
import { jointCommittedIndex, jointVoteResult } from "./quorum/joint.ts";
import type { Acked, VoteResult } from "./quorum/majority.ts";

export type ProgressMap = ReadonlyMap<number, Progress>;

export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export class Tracker implements Acked {
  readonly #maxInflightMessages: number;
  readonly #maxInflightBytes: number;
  #config: Config = EMPTY_CONFIG;
  #progress: ProgressMap = new Map();
  /** Members in ascending order, kept because every broadcast walks them. */
  #ids: readonly number[] = [];
  readonly #votes = new Map<number, boolean>();

  constructor(maxInflightMessages: number, maxInflightBytes: number) {
    this.#maxInflightMessages = maxInflightMessages;
    this.#maxInflightBytes = maxInflightBytes;
  }

  get config(): Config {
    return this.#config;
  }

  get progress(): ProgressMap {
    return this.#progress;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  /** Takes what a change of members came to. */
  use(config: Config, progress: ProgressMap): void {
    this.#config = config;
    this.#progress = progress;
    this.#ids = ascending(progress.keys());
  }

  /** A member that nothing is known of. It counts as active, or a new one could cost the leader its quorum at once. */
  fresh(lastIndex: number, isLearner: boolean): Progress {
    const progress = new Progress(Math.max(lastIndex, 1), isLearner, this.#inflights());
    progress.recentActive = true;
    return progress;
  }

  /** All forgotten, as at the start of a term; `self` alone is known to have everything up to `lastIndex`. */
  reset(self: number, lastIndex: number): void {
    const progress = new Map<number, Progress>();
    for (const [id, old] of this.#progress) {
      const begun = new Progress(lastIndex + 1, old.isLearner, this.#inflights());
      if (id === self) begun.match = lastIndex;
      progress.set(id, begun);
    }
    this.#progress = progress;
    this.#votes.clear();
  }

  acked(id: number): number {
    return this.#progress.get(id)?.match ?? 0;
  }

  /** The highest index that a quorum has made durable. */
  committed(): number {
    return this.quorumOf(this);
  }

  /** The highest number that a quorum has acknowledged, by whatever measure. */
  quorumOf(acked: Acked): number {
    return jointCommittedIndex(this.#config.incoming, this.#config.outgoing, acked);
  }

  /** Whether a quorum has answered since `recentActive` was last cleared. */
  quorumActive(): boolean {
    const active = new Map<number, boolean>();
    for (const [id, progress] of this.#progress) {
      if (!progress.isLearner) active.set(id, progress.recentActive);
    }
    return jointVoteResult(this.#config.incoming, this.#config.outgoing, active) === "won";
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** Notes a vote; the first one of a node counts. */
  recordVote(id: number, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  hasGranted(id: number): boolean {
    return this.#votes.get(id) === true;
  }

  tally(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const id of votersOf(this.#config)) {
      const vote = this.#votes.get(id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: jointVoteResult(this.#config.incoming, this.#config.outgoing, this.#votes) };
  }

  isVoter(id: number): boolean {
    return isVoter(this.#config, id);
  }

  #inflights(): Inflights {
    return new Inflights(this.#maxInflightMessages, this.#maxInflightBytes);
  }
}
