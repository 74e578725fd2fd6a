/** What a node wants done: the one way anything comes out of the core. */
import type { Entry } from "./entry.ts";
import { APPEND_THREAD, APPLY_THREAD, type HardState, type Message, message, NONE, type Snapshot } from "./message.ts";
import type { RaftState, ReadState, SoftState } from "./raft/state.ts";

/**
 * In order: write `hardState`, `entries` and `snapshot` (durably where `mustSync`, a snapshot always), then send `messages`, apply
 * `committedEntries`, call `advance()`. With asynchronous storage writes, `messages` is all there is to do.
 */
export interface Ready {
  /** Only when it has changed. Not to be persisted. */
  readonly softState: SoftState | undefined;
  /** Only when it has changed. */
  readonly hardState: HardState | undefined;
  /** Reads that may be served once what they name is applied. */
  readonly readStates: readonly ReadState[];
  /** To be written; from the first one's index on they replace what the log had. */
  readonly entries: readonly Entry[];
  /** To replace the whole log and the state machine's state. */
  readonly snapshot: Snapshot | undefined;
  /** To be applied in order. `applyConfChange` is due for changes of members, also for those that you refuse. */
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** Whether term, vote or entries have to be durable before anything is sent. A commit index needs no sync. */
  readonly mustSync: boolean;
}

export function hardStateEquals(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

/** The message to the append thread, or undefined when it has nothing to do. */
export function storageAppend(
  raft: RaftState,
  { hardState, entries, snapshot }: Pick<Ready, "hardState" | "entries" | "snapshot">,
): Message | undefined {
  if (hardState === undefined && entries.length === 0 && snapshot === undefined && raft.afterAppend.length === 0) {
    return undefined;
  }
  const acknowledgement = appendAcknowledgement(raft, snapshot);
  return message("storageAppend", APPEND_THREAD, {
    from: raft.id,
    ...hardState,
    entries,
    snapshot,
    // The own acknowledgement goes last: those before it find their entries' terms in memory still.
    responses: acknowledgement === undefined ? raft.afterAppend : [...raft.afterAppend, acknowledgement],
  });
}

/**
 * What tells the core that its entries are durable: the log's end at the time of writing, and the term it was written in. Two things
 * are behind the term. Entries may be replaced, and replaced back, while a write is under way; in another term the word is void.
 * And since it may be void, every later write confirms the whole unstable log again, whether it adds entries or not.
 */
export function appendAcknowledgement(raft: RaftState, snapshot: Snapshot | undefined): Message | undefined {
  const { log } = raft;
  if (!log.unstable.hasEntries && snapshot === undefined) return undefined;
  const end = log.unstable.hasEntries ? { index: log.lastIndex(), logTerm: log.lastTerm() } : {};
  return message("storageAppendResponse", raft.id, { from: APPEND_THREAD, term: raft.term, snapshot, ...end });
}

/** The message to the apply thread, or undefined when there is nothing to apply. */
export function storageApply(raft: RaftState, entries: readonly Entry[]): Message | undefined {
  if (entries.length === 0) return undefined;
  const responses = [applyAcknowledgement(raft, entries)];
  return message("storageApply", APPLY_THREAD, { from: raft.id, entries, responses });
}

export function applyAcknowledgement(raft: RaftState, entries: readonly Entry[]): Message {
  return message("storageApplyResponse", raft.id, { from: APPLY_THREAD, term: NONE, entries });
}
