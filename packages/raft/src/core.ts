/** A node of the group, as a program holds it: calls go in, `Ready` comes out. */
import { type ConfChange, encodeConfChange, modeOf } from "./conf-change.ts";
import { bytesOf } from "./entry.ts";
import { ConfChangeRefused, InvariantBroken, LocalMessage, type ReadDropped, UnknownPeer } from "./errors.ts";
import {
  type ConfState,
  type HardState,
  isResponse,
  isStorageMessage,
  isStorageTarget,
  type Message,
  message,
  NONE,
} from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { startElection } from "./raft/election.ts";
import { snapshotReported, unreachable } from "./raft/leader.ts";
import { applyConfChange } from "./raft/membership-change.ts";
import type { Refusal } from "./raft/proposals.ts";
import type { Proposal } from "./raft/replication.ts";
import { RaftState, type SoftState } from "./raft/state.ts";
import { step } from "./raft/step.ts";
import { tick } from "./raft/tick.ts";
import {
  appendAcknowledgement,
  applyAcknowledgement,
  hardStateEquals,
  type Ready,
  storageAppend,
  storageApply,
} from "./ready.ts";
import { type RaftStatus, statusOf } from "./status.ts";

/**
 * One member's consensus, with no clock, randomness, disk or socket inside. Not for several threads.
 *
 * @example
 * const core = new RaftCore({ id: 1, storage, random: Math.random });
 * core.tick();
 * while (core.hasReady) { const ready = core.ready(); … write, send, apply …; core.advance(); }
 */
export class RaftCore {
  /** @internal For tests and simulators. */
  readonly state: RaftState;
  #softState: SoftState;
  #hardState: HardState;
  /** What the last Ready's work is answered by, when storage is synchronous. */
  #onAdvance: Message[] | undefined;

  /** Takes up where `options.storage` left off. @throws ESC_RAFT_OPTIONS, ESC_RAFT_INVARIANT */
  constructor(options: RaftOptions) {
    this.state = new RaftState(options);
    this.#softState = this.#currentSoftState();
    this.#hardState = this.state.hardState();
  }

  /** Time has passed by one tick, whatever that is in seconds. */
  tick(): void {
    tick(this.state);
  }

  /**
   * A message has come. Returns why it was refused, or undefined. A refusal of a peer's message is for counting, not for the peer.
   *
   * @returns ESC_RAFT_NOT_LEADER, ESC_RAFT_PROPOSAL_DROPPED, ESC_RAFT_READ_DROPPED, ESC_RAFT_UNKNOWN_PEER, ESC_RAFT_LOCAL_MESSAGE
   * @throws ESC_RAFT_INVARIANT when the log isn't what it was said to be
   */
  step(received: Message): Refusal | ReadDropped | UnknownPeer | LocalMessage | undefined {
    const own = isStorageTarget(received.from);
    if (isStorageMessage(received.type) && !own) return new LocalMessage(received.type);
    if (isResponse(received.type) && !own && !this.state.tracker.progress.has(received.from)) {
      return new UnknownPeer(received.from);
    }
    return step(this.state, received);
  }

  /**
   * Proposes entries for the state machine, all of them or none. Accepted is not committed: watch `committedEntries`. The bytes are
   * kept, not copied.
   *
   * @returns ESC_RAFT_NOT_LEADER or ESC_RAFT_PROPOSAL_DROPPED, or undefined when it was taken or forwarded
   */
  propose(...data: Uint8Array[]): Refusal | undefined {
    return this.#propose(data.map((bytes) => ({ type: "normal", data: bytes })));
  }

  /**
   * Proposes a change of members. One that doesn't fit the configuration becomes an empty entry. `single` makes it an entry that can't
   * go through a joint configuration.
   *
   * @returns as `propose`
   * @throws ESC_RAFT_CONF_CHANGE for a `single` change of another number of nodes than one, or ids that are no whole numbers
   */
  proposeConfChange(change: ConfChange, { single = false }: { readonly single?: boolean } = {}): Refusal | undefined {
    if (single && modeOf(change) !== "simple") throw new ConfChangeRefused("a single change has exactly one node");
    return this.#propose([{ type: single ? "confChangeSingle" : "confChange", data: encodeConfChange(change) }]);
  }

  /**
   * A committed change of members is being applied; call it for each, before `advance()` or the apply thread's answer.
   *
   * @returns the members from now on, to be kept in snapshots
   * @throws ESC_RAFT_CONF_CHANGE when the configuration doesn't allow it
   */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.state, change);
  }

  /**
   * Asks from which index on the state machine shows everything that was committed before now; the answer is a read state. No answer
   * may come at all, when leadership changes: ask again after a while.
   *
   * @param context yours, 1 to 2^53 - 1
   * @returns ESC_RAFT_NOT_LEADER when none is known, ESC_RAFT_READ_DROPPED
   */
  readIndex(context: number): Refusal | ReadDropped | undefined {
    return step(this.state, message("readIndex", NONE, { context }));
  }

  /** Begins an election now, if this node may lead. */
  campaign(): void {
    startElection(this.state, false);
  }

  /** Asks the leader to hand over to `to`. Until that has come about, for one election timeout, it takes no proposals. */
  transferLeadership(to: number): void {
    step(this.state, message("transferLeader", NONE, { from: to }));
  }

  /** A follower forgets its leader, and so may vote for another one inside the lease. Nothing where reads rely on the lease. */
  forgetLeader(): void {
    if (this.state.role === "follower" && this.state.options.readMode !== "lease") this.state.lead = NONE;
  }

  /** Messages to a node could not be delivered. */
  reportUnreachable(id: number): void {
    unreachable(this.state, id);
  }

  /** What became of a snapshot that was sent. Without a report, nothing is sent to that node until it answers. */
  reportSnapshot(id: number, delivered: boolean): void {
    snapshotReported(this.state, id, delivered);
  }

  /** Whether `ready()` has anything to say. */
  get hasReady(): boolean {
    const { log, messages, afterAppend, readStates } = this.state;
    const soft = this.#currentSoftState();
    return (
      messages.length > 0 ||
      afterAppend.length > 0 ||
      readStates.length > 0 ||
      log.unstable.hasNextEntries ||
      log.unstable.nextSnapshot() !== undefined ||
      log.hasNextCommitted(this.#appliesUnstable) ||
      soft.lead !== this.#softState.lead ||
      soft.role !== this.#softState.role ||
      !hardStateEquals(this.state.hardState(), this.#hardState)
    );
  }

  /**
   * What is to be done now. It counts as taken: do it, then call `advance()` before the next `ready()`; with asynchronous storage
   * writes there is no `advance()`, and any number of Readys may be under way.
   *
   * @throws ESC_RAFT_INVARIANT when the last Ready wasn't advanced
   */
  ready(): Ready {
    if (this.#onAdvance !== undefined) throw new InvariantBroken("ready() was called twice without advance()");
    const { state } = this;
    const soft = this.#currentSoftState();
    const hard = state.hardState();
    const before = this.#hardState;
    const entries = state.log.unstable.nextEntries();
    const committedEntries = state.log.nextCommitted(this.#appliesUnstable);
    const snapshot = state.log.unstable.nextSnapshot();
    const hardState = hardStateEquals(hard, before) ? undefined : hard;
    const ready: Ready = {
      softState: soft.lead === this.#softState.lead && soft.role === this.#softState.role ? undefined : soft,
      hardState,
      readStates: state.readStates,
      entries,
      snapshot,
      committedEntries,
      messages: this.#outgoing(hardState, entries, snapshot, committedEntries),
      mustSync: entries.length > 0 || hard.vote !== before.vote || hard.term !== before.term,
    };
    this.#accept(ready, soft, hard);
    return ready;
  }

  /** The last Ready's work is done: written, sent and applied. @throws ESC_RAFT_INVARIANT without one, or with asynchronous writes */
  advance(): void {
    const answers = this.#onAdvance;
    if (answers === undefined) throw new InvariantBroken("advance() was called without a Ready to advance from");
    this.#onAdvance = undefined;
    for (const answer of answers) step(this.state, answer);
  }

  /** How things stand, as plain data. Cost: a copy of what is known of each member. */
  status(): RaftStatus {
    return statusOf(this.state);
  }

  /** A synchronous caller has written a Ready's entries before it applies its committed ones; a thread of its own may be behind. */
  get #appliesUnstable(): boolean {
    return !this.state.options.asyncStorageWrites;
  }

  #currentSoftState(): SoftState {
    return { lead: this.state.lead, role: this.state.role };
  }

  #propose(proposals: readonly Proposal[]): Refusal | undefined {
    if (proposals.length === 0) return undefined;
    const entries = proposals.map(({ type, data }) => ({ term: 0, index: 0, type, data }));
    return step(this.state, message("propose", NONE, { entries })) as Refusal | undefined;
  }

  #outgoing(
    hardState: Ready["hardState"],
    entries: Ready["entries"],
    snapshot: Ready["snapshot"],
    committed: Ready["committedEntries"],
  ): readonly Message[] {
    const { state } = this;
    if (!state.options.asyncStorageWrites) {
      return [...state.messages, ...state.afterAppend.filter(({ to }) => to !== state.id)];
    }
    const storage = [storageAppend(state, { hardState, entries, snapshot }), storageApply(state, committed)];
    return [...state.messages, ...storage.filter((sent) => sent !== undefined)];
  }

  #accept(ready: Ready, soft: SoftState, hard: HardState): void {
    const { state } = this;
    this.#softState = soft;
    this.#hardState = hard;
    if (!state.options.asyncStorageWrites) {
      const answers = state.afterAppend.filter(({ to }) => to === state.id);
      const appended = appendAcknowledgement(state, ready.snapshot);
      if (appended !== undefined) answers.push(appended);
      if (ready.committedEntries.length > 0) answers.push(applyAcknowledgement(state, ready.committedEntries));
      this.#onAdvance = answers;
    }
    state.readStates = [];
    state.messages = [];
    state.afterAppend = [];
    state.log.unstable.accept();
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) {
      state.log.acceptApplying(last.index, bytesOf(ready.committedEntries), this.#appliesUnstable);
    }
  }
}
