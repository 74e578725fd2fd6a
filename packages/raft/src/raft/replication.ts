/** A leader's way to its followers: appends, snapshots, heartbeats, and what their answers add up to. */
import { type Entry, type EntryType, payloadBytesOf } from "../entry.ts";
import { NO_TERM } from "../log.ts";
import { isMember, message } from "../message.ts";
import type { Progress } from "../progress.ts";
import { servePostponedReads } from "./reads.ts";
import type { RaftState } from "./state.ts";

/** An entry before it has its place in the log. */
export interface Proposal {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** Appends to the own log. Returns false, and takes nothing, when too much waits for its commit. */
export function appendOwn(raft: RaftState, proposals: readonly Proposal[]): boolean {
  const last = raft.log.lastIndex();
  const entries: Entry[] = [];
  for (const { type, data } of proposals)
    entries.push({ term: raft.term, index: last + 1 + entries.length, type, data });
  const bytes = payloadBytesOf(entries);
  const limit = raft.options.maxUncommittedBytes;
  if (raft.uncommittedBytes > 0 && bytes > 0 && raft.uncommittedBytes + bytes > limit) return false;
  raft.uncommittedBytes += bytes;
  raft.log.append(entries);
  raft.acknowledgeOwn(last + entries.length);
  return true;
}

/** Entries were applied, and so don't count as uncommitted. What another leader's were is not in the count. */
export function releaseUncommitted(raft: RaftState, bytes: number): void {
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - bytes);
}

/** Sends each follower what it hasn't got, and the commit index in any case. */
export function broadcastAppend(raft: RaftState): void {
  for (const id of raft.tracker.ids) {
    if (id !== raft.id) sendAppend(raft, id, true);
  }
}

/**
 * Sends the next entries, or a snapshot when they are compacted away. Returns whether anything was sent; an append without
 * entries only where `evenEmpty`.
 */
export function sendAppend(raft: RaftState, to: number, evenEmpty: boolean): boolean {
  const progress = raft.tracker.progress.get(to);
  if (progress === undefined || progress.isPaused) return false;
  const previous = progress.next - 1;
  const previousTerm = raft.log.term(previous);
  if (previousTerm === NO_TERM) return sendSnapshot(raft, to, progress);
  // With a full window an empty append is all that may go: if everything in the window was lost, its answer is what frees it.
  const throttled = progress.state === "replicate" && progress.inflights.full;
  const entries = throttled ? [] : raft.log.entriesFrom(progress.next, raft.options.maxMessageBytes);
  if (entries === undefined) return sendSnapshot(raft, to, progress);
  if (entries.length === 0 && !evenEmpty) return false;
  const commit = raft.log.committed;
  raft.send(message("append", to, { index: previous, logTerm: previousTerm, entries, commit }));
  progress.sentEntries(entries.length, payloadBytesOf(entries));
  progress.sentCommit(commit);
  return true;
}

function sendSnapshot(raft: RaftState, to: number, progress: Progress): boolean {
  // To one that doesn't answer, a snapshot is a lot of bytes for nothing.
  if (!progress.recentActive) return false;
  const snapshot = raft.log.snapshot();
  if (snapshot === undefined || snapshot.index === 0) return false;
  // A node takes no snapshot that it isn't a member in; storage has to make one of a later state first.
  if (!isMember(snapshot.confState, to)) return false;
  progress.becomeSnapshot(snapshot.index);
  raft.send(message("snapshot", to, { snapshot }));
  return true;
}

/** Heartbeats, which also ask whether the given round of reads is confirmed. */
export function broadcastHeartbeat(raft: RaftState, round: number): void {
  for (const id of raft.tracker.ids) {
    const progress = raft.tracker.progress.get(id);
    if (id === raft.id || progress === undefined) continue;
    // No more than what it is known to have: beyond that its log may still differ from ours.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send(message("heartbeat", id, { commit, context: round }));
    progress.sentCommit(commit);
  }
}

/** Commits what a quorum has. Returns whether that is more than before; reads that waited for the first commit go on. */
export function commitByQuorum(raft: RaftState): boolean {
  if (!raft.log.commitOfTerm(raft.tracker.committed(), raft.term)) return false;
  servePostponedReads(raft);
  return true;
}
