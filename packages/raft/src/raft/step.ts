/** Where every message goes in: first what its term means, then what its type means to this node's role. */
import { bytesOf, payloadBytesOf } from "../entry.ts";
import type { ReadDropped } from "../errors.ts";
import { type Message, type MessageType, message, NONE } from "../message.ts";
import { answerVote, learnCommit } from "./election.ts";
import { stepCandidate, stepFollower } from "./follower.ts";
import { stepLeader } from "./leader.ts";
import { appliedTo } from "./membership-change.ts";
import type { Refusal } from "./proposals.ts";
import { releaseUncommitted } from "./replication.ts";
import type { RaftState } from "./state.ts";

export function step(raft: RaftState, received: Message): Refusal | ReadDropped | undefined {
  if (received.term > raft.term) {
    if (!meetHigherTerm(raft, received)) return undefined;
  } else if (received.term > 0 && received.term < raft.term) {
    meetLowerTerm(raft, received);
    return undefined;
  }
  if (received.type === "voteResponse" || received.type === "preVoteResponse") learnCommit(raft, received);
  switch (received.type) {
    case "storageAppendResponse":
      if (received.index > 0) raft.log.unstable.stableTo(received.index, received.logTerm);
      snapshotDurable(raft, received);
      return undefined;
    case "storageApplyResponse":
      entriesApplied(raft, received);
      return undefined;
    case "vote":
    case "preVote":
      answerVote(raft, received);
      return undefined;
    default:
      if (raft.role === "leader") return stepLeader(raft, received);
      return raft.role === "follower" ? stepFollower(raft, received) : stepCandidate(raft, received);
  }
}

/** Returns whether the message is to be looked at further. */
function meetHigherTerm(raft: RaftState, received: Message): boolean {
  const { type, term, from } = received;
  // A candidate that only hasn't heard from the leader must not unseat it.
  if ((type === "vote" || type === "preVote") && !received.transfer && raft.hasLease) return false;
  if (type === "preVote") return true;
  // A pre-vote that was granted names the term that is to come; it is ours once a quorum grants it.
  if (type === "preVoteResponse" && !received.reject) return true;
  raft.becomeFollower(term, isFromLeader(type) ? from : NONE);
  return true;
}

function meetLowerTerm(raft: RaftState, received: Message): void {
  const { type, from } = received;
  const { checkQuorum, preVote } = raft.options;
  if ((type === "heartbeat" || type === "append") && (checkQuorum || preVote)) {
    // A leader of an earlier term that can't win us back by an election, as our vote would need one: tell it our term.
    raft.send(message("appendResponse", from));
  } else if (type === "preVote") {
    // Else a candidate with a lower term and a longer log, and one the other way round, could both wait for ever.
    raft.sendVote(message("preVoteResponse", from, { term: raft.term, reject: true }));
  } else if (type === "storageAppendResponse") {
    // Entries of an earlier term may have been replaced, and replaced back, in the meantime: that they are durable can't be
    // told from it. What a snapshot holds is committed, whatever the term.
    snapshotDurable(raft, received);
  }
}

function isFromLeader(type: MessageType): boolean {
  return type === "append" || type === "heartbeat" || type === "snapshot";
}

function snapshotDurable(raft: RaftState, { snapshot }: Message): void {
  if (snapshot === undefined) return;
  raft.log.unstable.stableSnapshotTo(snapshot.index);
  appliedTo(raft, snapshot.index, 0);
}

function entriesApplied(raft: RaftState, { entries }: Message): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  appliedTo(raft, last.index, bytesOf(entries));
  releaseUncommitted(raft, payloadBytesOf(entries));
}
