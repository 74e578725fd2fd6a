/** Committed changes of members take effect here, and so do those that come inside a snapshot. */
import { type ConfChange, encodeConfChange, LEAVE_JOINT } from "../conf-change.ts";
import { changeMembers, type Membership, restoreMembers } from "../membership.ts";
import { type ConfState, isMember, NONE, type Snapshot } from "../message.ts";
import { proposeAsLeader } from "./proposals.ts";
import { answerConfirmed } from "./reads.ts";
import { broadcastAppend, commitByQuorum, sendAppend } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** @throws ESC_RAFT_CONF_CHANGE when the configuration doesn't allow it; nothing has changed then. */
export function applyConfChange(raft: RaftState, change: ConfChange): ConfState {
  return switchTo(raft, changeMembers(raft.tracker, raft.log.lastIndex(), change));
}

/** Takes a snapshot's members and log. Returns false when there is nothing in it that this node lacks, or it isn't meant for it. */
export function restoreSnapshot(raft: RaftState, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot;
  if (index <= raft.log.committed || raft.role !== "follower") return false;
  if (!isMember(confState, raft.id)) return false;
  if (raft.log.hasEntry(index, term)) {
    // All of it is here already; that it is committed is the news.
    raft.log.commitTo(index);
    return false;
  }
  raft.log.restore(snapshot);
  switchTo(raft, restoreMembers(raft.tracker, raft.log.lastIndex(), confState));
  return true;
}

/** The state machine has entries up to `index`. A leader leaves a joint configuration by itself where that was asked for. */
export function appliedTo(raft: RaftState, index: number, bytes: number): void {
  const applied = Math.max(index, raft.log.applied);
  raft.log.appliedTo(applied, bytes);
  const due = raft.tracker.config.autoLeave && applied >= raft.pendingConfIndex && raft.role === "leader";
  // While leadership is handed over it is refused; the next applied entry, or the next leader, tries again.
  if (due) proposeAsLeader(raft, [{ type: "confChange", data: encodeConfChange(LEAVE_JOINT) }]);
}

function switchTo(raft: RaftState, members: Membership): ConfState {
  raft.useMembers(members);
  const confState = raft.confState();
  const own = raft.tracker.progress.get(raft.id);
  if (raft.role !== "leader") return confState;
  if (own === undefined || own.isLearner) {
    if (raft.options.stepDownOnRemoval) raft.becomeFollower(raft.term, NONE);
    return confState;
  }
  if (commitByQuorum(raft)) {
    broadcastAppend(raft);
  } else {
    // New members needn't wait for a heartbeat.
    for (const id of raft.tracker.ids) {
      if (id !== raft.id) sendAppend(raft, id, false);
    }
  }
  answerConfirmed(raft);
  if (raft.transferee !== NONE && !raft.tracker.isVoter(raft.transferee)) raft.transferee = NONE;
  return confState;
}
