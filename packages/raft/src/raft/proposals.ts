/** What a leader takes into its log, and what it makes of changes of members that don't fit. */

import { type ConfChange, confChangeOf, modeOf } from "../conf-change.ts";
import { isJoint } from "../config.ts";
import { NO_DATA } from "../entry.ts";
import { ConfChangeRefused, type NotLeader, ProposalDropped } from "../errors.ts";
import { changeMembers } from "../membership.ts";
import { NONE } from "../message.ts";
import { appendOwn, broadcastAppend, type Proposal } from "./replication.ts";
import type { RaftState } from "./state.ts";

export type Refusal = NotLeader | ProposalDropped;

/** The entry that a new leader begins with, and that stands for a change that was refused. */
export const EMPTY_PROPOSAL: Proposal = { type: "normal", data: NO_DATA };

/** Takes proposals in as leader: all of them or none. */
export function proposeAsLeader(raft: RaftState, proposals: readonly Proposal[]): Refusal | undefined {
  if (!raft.tracker.progress.has(raft.id)) return new ProposalDropped("removed");
  if (raft.transferee !== NONE) return new ProposalDropped("transfer");
  const last = raft.log.lastIndex();
  const pendingBefore = raft.pendingConfIndex;
  const taken = proposals.map((proposal, n) => {
    if (proposal.type === "normal") return proposal;
    const allowed = raft.options.disableConfChangeValidation || fits(raft, proposal);
    if (!allowed) return EMPTY_PROPOSAL;
    raft.pendingConfIndex = last + n + 1;
    return proposal;
  });
  if (!appendOwn(raft, taken)) {
    raft.pendingConfIndex = pendingBefore;
    return new ProposalDropped("uncommitted");
  }
  broadcastAppend(raft);
  return undefined;
}

/**
 * Whether a change may be appended: none may be under way, a joint configuration may only be left, and the change must be one that
 * the configuration allows. Members apply what is committed, so one that can't be applied must not get so far.
 */
function fits(raft: RaftState, proposal: Proposal): boolean {
  if (raft.pendingConfIndex > raft.log.applied) return false;
  let change: ConfChange | undefined;
  try {
    change = confChangeOf(proposal);
    if (change === undefined) return false;
    if (isJoint(raft.tracker.config) !== (modeOf(change) === "leaveJoint")) return false;
    changeMembers(raft.tracker, raft.log.lastIndex(), change);
    return true;
  } catch (error) {
    if (error instanceof ConfChangeRefused) return false;
    throw error;
  }
}
