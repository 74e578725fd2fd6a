/** Everything a node knows, and the changes of its role. What it does with messages is in the files beside this one. */
import { toConfState } from "../config.ts";
import { RaftLog } from "../log.ts";
import { restoreMembers } from "../membership.ts";
import { type ConfState, type HardState, type Message, message, NONE } from "../message.ts";
import { type RaftOptions, type ResolvedOptions, resolveOptions } from "../options.ts";
import { Tracker } from "../tracker.ts";
import { PendingReads } from "./pending-reads.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** What is worth knowing of a node and need not be persisted. */
export interface SoftState {
  /** The leader as far as this node knows, or 0. */
  readonly lead: number;
  readonly role: Role;
}

/** A read may be served once the state machine has applied `index`. */
export interface ReadState {
  readonly context: number;
  readonly index: number;
}

export class RaftState {
  readonly id: number;
  readonly options: ResolvedOptions;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly reads = new PendingReads();

  term: number;
  vote: number;
  lead = NONE;
  role: Role = "follower";
  electionElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTicks = 0;
  /** Whom leadership is being handed to, or 0. */
  transferee = NONE;
  /** Whether this leader has told anybody in its term to take over: its lease is worth nothing from then on. */
  handedOver = false;
  /** No change of members may be proposed before this index is applied: a change may be at it or before it. */
  pendingConfIndex = 0;
  uncommittedBytes = 0;
  /** What may be sent at once. */
  messages: Message[] = [];
  /** What may be sent once all that is unstable now is durable: votes and acknowledgements are promises. */
  afterAppend: Message[] = [];
  readStates: ReadState[] = [];

  constructor(given: RaftOptions) {
    const options = resolveOptions(given);
    this.options = options;
    this.id = options.id;
    this.tracker = new Tracker(options.maxInflightMessages, options.maxInflightBytes);
    this.log = new RaftLog(options.storage, options.maxApplyingBytes);
    const { hardState, confState } = options.storage.initialState();
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.useMembers(restoreMembers(this.tracker, this.log.lastIndex(), confState));
    // What is applied was committed, even if the word of it was lost with an unsynced write.
    this.log.commitTo(Math.max(hardState.commit, options.applied));
    if (options.applied > 0) this.log.appliedTo(options.applied, 0);
    this.becomeFollower(this.term, NONE);
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  confState(): ConfState {
    return toConfState(this.tracker.config);
  }

  useMembers({ config, progress }: ReturnType<typeof restoreMembers>): void {
    this.tracker.use(config, progress);
  }

  /** Whether it may become a leader: a voter, and with its log in order. */
  get promotable(): boolean {
    const progress = this.tracker.progress.get(this.id);
    return progress !== undefined && !progress.isLearner && !this.log.awaitsSnapshot;
  }

  /** Whether a leader was heard of within the least election timeout, which is when an election would only disturb. */
  get hasLease(): boolean {
    return this.options.checkQuorum && this.lead !== NONE && this.electionElapsed < this.options.electionTicks;
  }

  becomeFollower(term: number, lead: number): void {
    this.#reset(term);
    this.lead = lead;
    this.role = "follower";
  }

  /** Neither term nor vote change: an election that isn't won leaves no trace. */
  becomePreCandidate(): void {
    this.tracker.resetVotes();
    this.lead = NONE;
    this.role = "preCandidate";
  }

  becomeCandidate(): void {
    this.#reset(this.term + 1);
    this.vote = this.id;
    this.role = "candidate";
  }

  becomeLeader(): void {
    this.#reset(this.term);
    this.lead = this.id;
    this.role = "leader";
    const own = this.tracker.progress.get(this.id);
    if (own !== undefined) {
      own.becomeReplicate();
      own.recentActive = true;
    }
    // A change may be anywhere in what isn't committed yet; looking would cost more than waiting until all of it is applied.
    this.pendingConfIndex = this.log.lastIndex();
  }

  /** Sends a request for a vote, or the answer to one; these say themselves which term they are of. */
  sendVote(vote: Message): void {
    const sent = { ...vote, from: this.id };
    if (vote.type === "voteResponse" || vote.type === "preVoteResponse") this.afterAppend.push(sent);
    else this.messages.push(sent);
  }

  /** Sends anything else in the present term; proposals and reads, which are bound to none, without. */
  send(sent: Message): void {
    const unbound = sent.type === "propose" || sent.type === "readIndex";
    const from = sent.from === NONE ? this.id : sent.from;
    const bound = { ...sent, from, term: unbound ? 0 : this.term };
    if (sent.type === "appendResponse") this.afterAppend.push(bound);
    else this.messages.push(bound);
  }

  /** Tells itself, once all that is unstable now is durable, that it has it. */
  acknowledgeOwn(lastIndex: number): void {
    this.send(message("appendResponse", this.id, { index: lastIndex }));
  }

  #reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTicks, random } = this.options;
    this.randomizedElectionTicks = electionTicks + Math.floor(random() * electionTicks);
    this.transferee = NONE;
    this.handedOver = false;
    this.tracker.reset(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads.reset();
  }
}
