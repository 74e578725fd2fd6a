/**
 * Reads without a log entry. A leader notes what is committed, makes sure that it still leads, and then answers with the index:
 * a state machine that has applied so far shows everything that was committed before the read came.
 */
import { ReadDropped } from "../errors.ts";
import { type Message, message, NONE } from "../message.ts";
import { broadcastHeartbeat } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** Takes a read in as leader. */
export function readAsLeader(raft: RaftState, request: Message): ReadDropped | undefined {
  if (raft.reads.count >= raft.options.maxPendingReads) return new ReadDropped(raft.options.maxPendingReads);
  // Before its first commit a leader doesn't know what those before it had committed.
  if (raft.log.term(raft.log.committed) !== raft.term) raft.reads.postpone(request);
  else begin(raft, request);
  return undefined;
}

/** The leader has committed in its term: what was postponed begins. */
export function servePostponedReads(raft: RaftState): void {
  if (raft.log.term(raft.log.committed) !== raft.term) return;
  for (const request of raft.reads.takePostponed()) begin(raft, request);
}

/** A follower has answered a heartbeat that asked for `round`. */
export function confirmReads(raft: RaftState, from: number, round: number): void {
  raft.reads.acknowledge(from, round);
  answerConfirmed(raft);
}

/** Answers what a quorum has confirmed by now; also when the quorum itself has changed. */
export function answerConfirmed(raft: RaftState): void {
  for (const { request, index } of raft.reads.confirm(raft.tracker.quorumOf(raft.reads))) answer(raft, request, index);
}

function begin(raft: RaftState, request: Message): void {
  const { committed } = raft.log;
  // The lease is what followers promised by answering since the last check, which is less than an election timeout ago. After a
  // hand-over a new leader may be elected inside of it, so then it proves nothing.
  if (raft.options.readMode === "lease" && !raft.handedOver && raft.tracker.quorumActive()) {
    answer(raft, request, committed);
    return;
  }
  raft.reads.add(request, committed);
  const round = raft.reads.lastRound;
  raft.reads.acknowledge(raft.id, round);
  broadcastHeartbeat(raft, round);
  // A group of one has its quorum already.
  answerConfirmed(raft);
}

function answer(raft: RaftState, request: Message, index: number): void {
  const { from, context } = request;
  if (from === NONE || from === raft.id) raft.readStates.push({ context, index });
  else raft.send(message("readIndexResponse", from, { index, context }));
}
