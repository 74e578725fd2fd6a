/** What a follower or candidate does with messages of its term. */
import { NotLeader, type ReadDropped } from "../errors.ts";
import { type Message, message, NONE } from "../message.ts";
import { countVote, startElection } from "./election.ts";
import { restoreSnapshot } from "./membership-change.ts";
import type { Refusal } from "./proposals.ts";
import type { RaftState } from "./state.ts";

export function stepFollower(raft: RaftState, received: Message): Refusal | ReadDropped | undefined {
  switch (received.type) {
    case "propose":
      if (raft.lead === NONE || !raft.options.forwardProposals) return new NotLeader(raft.lead);
      raft.send({ ...received, from: received.from === NONE ? raft.id : received.from, to: raft.lead });
      return undefined;
    case "readIndex":
      if (raft.lead === NONE) return new NotLeader(NONE);
      raft.send({ ...received, from: received.from === NONE ? raft.id : received.from, to: raft.lead });
      return undefined;
    case "append":
    case "heartbeat":
    case "snapshot":
      hearLeader(raft, received);
      return undefined;
    case "transferLeader":
      if (raft.lead !== NONE) raft.send({ ...received, to: raft.lead });
      return undefined;
    case "timeoutNow":
      // The leader itself asks: no pre-vote, and voters needn't wait for its lease.
      startElection(raft, true);
      return undefined;
    case "readIndexResponse":
      raft.readStates.push({ context: received.context, index: received.index });
      return undefined;
    default:
      return undefined;
  }
}

export function stepCandidate(raft: RaftState, received: Message): Refusal | undefined {
  switch (received.type) {
    case "propose":
    case "readIndex":
      return new NotLeader(NONE);
    case "append":
    case "heartbeat":
    case "snapshot":
      // Of our own term: it was elected, we were not.
      raft.becomeFollower(received.term, received.from);
      hearLeader(raft, received);
      return undefined;
    case "preVoteResponse":
      if (raft.role === "preCandidate") countVote(raft, received);
      return undefined;
    case "voteResponse":
      if (raft.role === "candidate") countVote(raft, received);
      return undefined;
    default:
      return undefined;
  }
}

function hearLeader(raft: RaftState, received: Message): void {
  raft.electionElapsed = 0;
  raft.lead = received.from;
  if (received.type === "append") takeEntries(raft, received);
  else if (received.type === "heartbeat") takeHeartbeat(raft, received);
  else takeSnapshot(raft, received);
}

function takeEntries(raft: RaftState, { from, index, logTerm, entries, commit }: Message): void {
  const { log } = raft;
  if (index < log.committed) {
    // What is committed is agreed on; the leader may go on from there.
    raft.send(message("appendResponse", from, { index: log.committed }));
    return;
  }
  const last = log.tryAppend(index, logTerm, entries, commit);
  if (last >= 0) {
    raft.send(message("appendResponse", from, { index: last }));
    return;
  }
  // The logs differ at `index`. The best guess where they meet skips all our entries of terms after the leader's there: one
  // round trip for a term, not for an entry.
  const guess = log.lastNotAbove(Math.min(index, log.lastIndex()), logTerm);
  const hint = { index, reject: true, rejectHint: guess.index, logTerm: guess.term };
  raft.send(message("appendResponse", from, hint));
}

function takeHeartbeat(raft: RaftState, { from, commit, context }: Message): void {
  raft.log.commitTo(commit);
  raft.send(message("heartbeatResponse", from, { context }));
}

function takeSnapshot(raft: RaftState, { from, snapshot }: Message): void {
  if (snapshot === undefined) return;
  const restored = restoreSnapshot(raft, snapshot);
  const index = restored ? raft.log.lastIndex() : raft.log.committed;
  raft.send(message("appendResponse", from, { index }));
}
