/** Elections: who asks for votes, who gives them, and what they come to. */

import { isConfChange } from "../conf-change.ts";
import { votersOf } from "../config.ts";
import { InvariantBroken } from "../errors.ts";
import { type Message, message, NONE } from "../message.ts";
import type { VoteResult } from "../quorum/majority.ts";
import { EMPTY_PROPOSAL } from "./proposals.ts";
import { appendOwn, broadcastAppend } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** `preElection` asks whether an election could be won; `transfer` is one that the leader asked for. */
export type Campaign = "preElection" | "election" | "transfer";

/** Begins an election, unless this node leads, may not lead, or has a change of members to apply first. */
export function startElection(raft: RaftState, transfer: boolean): void {
  if (raft.role === "leader" || !raft.promotable || hasUnappliedConfChange(raft)) return;
  campaign(raft, transfer ? "transfer" : raft.options.preVote ? "preElection" : "election");
}

/** Asks every voter, itself as well: its own vote counts once it is durable, like any other. */
export function campaign(raft: RaftState, kind: Campaign): void {
  if (!raft.promotable) return;
  const pre = kind === "preElection";
  if (pre) raft.becomePreCandidate();
  else raft.becomeCandidate();
  const term = pre ? raft.term + 1 : raft.term;
  const index = raft.log.lastIndex();
  const logTerm = raft.log.lastTerm();
  for (const id of votersOf(raft.tracker.config)) {
    if (id === raft.id) raft.sendVote(message(pre ? "preVoteResponse" : "voteResponse", id, { term }));
    else raft.sendVote(message(pre ? "preVote" : "vote", id, { term, index, logTerm, transfer: kind === "transfer" }));
  }
}

/** Answers a request for a vote, by what was promised before and by whose log has more. */
export function answerVote(raft: RaftState, request: Message): void {
  const pre = request.type === "preVote";
  const free =
    raft.vote === request.from ||
    (raft.vote === NONE && raft.lead === NONE) ||
    // A vote asked for a later term: nothing is promised by saying what would be.
    (pre && request.term > raft.term);
  const type = pre ? "preVoteResponse" : "voteResponse";
  if (!free || !raft.log.isUpToDate(request.logTerm, request.index)) {
    raft.sendVote(message(type, request.from, { term: raft.term, reject: true, ...whatIsCommitted(raft) }));
    return;
  }
  // The term of the request, which of a pre-vote is not ours: the candidate has to see which of its questions this answers.
  raft.sendVote(message(type, request.from, { term: request.term }));
  if (pre) return;
  raft.electionElapsed = 0;
  raft.vote = request.from;
}

/**
 * A leader that removed itself may be the only one who knows that the change is committed. Its log may be longer than any other, so
 * it votes for nobody, and in the old configuration, which the others still go by, they may not do without its vote. So one that
 * isn't a voter says with its refusal what is committed. (Others need not: they can be elected themselves.)
 */
function whatIsCommitted(raft: RaftState): Partial<Message> {
  if (raft.tracker.isVoter(raft.id)) return {};
  const { committed } = raft.log;
  return { commit: committed, logTerm: raft.log.term(committed) };
}

/** Takes in what a refusal says is committed: if our log has that very entry, all before it is committed, too. */
export function learnCommit(raft: RaftState, { reject, commit, logTerm }: Message): void {
  if (reject && commit > 0 && raft.log.hasEntry(commit, logTerm)) raft.log.commitTo(commit);
}

/** Counts an answer, and acts when the count is decided. */
export function countVote(raft: RaftState, response: Message): void {
  raft.tracker.recordVote(response.from, !response.reject);
  const result: VoteResult = raft.tracker.tally().result;
  if (result === "pending") return;
  // Others' votes may be enough without its own, and come before its own term is durable. A leader that forgot its term in a crash
  // could be elected once more in it, and then append other entries at the same places. So it waits for itself.
  if (result === "won" && raft.role === "candidate" && !raft.tracker.hasGranted(raft.id)) return;
  if (result === "lost") {
    // Also for a lost pre-election, whose term lies ahead of ours: ours it is that goes on.
    raft.becomeFollower(raft.term, NONE);
  } else if (raft.role === "preCandidate") {
    campaign(raft, "election");
  } else {
    takeOffice(raft);
  }
}

/** Becomes leader and appends an empty entry: only by committing an entry of its own term does it commit earlier ones. */
function takeOffice(raft: RaftState): void {
  raft.becomeLeader();
  if (!appendOwn(raft, [EMPTY_PROPOSAL])) throw new InvariantBroken("an empty entry was refused");
  broadcastAppend(raft);
}

/** A node that doesn't know yet who votes must not ask for votes. */
function hasUnappliedConfChange(raft: RaftState): boolean {
  const { committed, applied } = raft.log;
  for (let from = applied + 1; from <= committed; ) {
    const entries = raft.log.slice(from, committed + 1, raft.options.maxApplyingBytes);
    if (entries === undefined || entries.length === 0) return false;
    if (entries.some(({ type }) => isConfChange(type))) return true;
    from += entries.length;
  }
  return false;
}
