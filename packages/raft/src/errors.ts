/** What can be wrong, each with its code. What a running group may answer any time is returned; a caller's mistake is thrown. */
import { EscError } from "@esc/events";

/** `ESC_RAFT_NOT_LEADER`: this node doesn't lead and doesn't forward. Ask `leader`; when that is 0, wait for an election. */
export class NotLeader extends EscError {
  /** The node that leads as far as this one knows; 0 when it knows of none. */
  readonly leader: number;

  constructor(leader: number) {
    const advice = leader === 0 ? "no leader is known; try again after an election" : `node ${leader} leads; ask it`;
    super("ESC_RAFT_NOT_LEADER", `this node is not the leader: ${advice}`);
    this.leader = leader;
  }
}

/**
 * Why a proposal was dropped: `transfer` (leadership is being handed over), `uncommitted` (too many bytes wait for their commit),
 * `removed` (this leader isn't a member any more).
 */
export type DropReason = "transfer" | "uncommitted" | "removed";

const ADVICE: Record<DropReason, string> = {
  transfer: "leadership is being transferred; propose again to the new leader",
  uncommitted: "too many proposed bytes wait for their commit; hold back and propose again",
  removed: "this leader is not a member any more; propose to a member",
};

/** `ESC_RAFT_PROPOSAL_DROPPED`: the leader took nothing of the proposal. */
export class ProposalDropped extends EscError {
  readonly reason: DropReason;

  constructor(reason: DropReason) {
    super("ESC_RAFT_PROPOSAL_DROPPED", `the proposal was dropped: ${ADVICE[reason]}`);
    this.reason = reason;
  }
}

/** `ESC_RAFT_READ_DROPPED`: too many reads wait for their confirmation. */
export class ReadDropped extends EscError {
  constructor(limit: number) {
    super("ESC_RAFT_READ_DROPPED", `${limit} reads wait for a quorum already; hold back and read again`);
  }
}

/** `ESC_RAFT_UNKNOWN_PEER`: a response of a node that isn't in the configuration. Ignore it, or count it. */
export class UnknownPeer extends EscError {
  readonly peer: number;

  constructor(peer: number) {
    super("ESC_RAFT_UNKNOWN_PEER", `node ${peer} is not in this node's configuration; its response was ignored`);
    this.peer = peer;
  }
}

/** `ESC_RAFT_LOCAL_MESSAGE`: a message that only this node's own storage may send came from elsewhere. Drop the connection. */
export class LocalMessage extends EscError {
  constructor(type: string) {
    super("ESC_RAFT_LOCAL_MESSAGE", `a ${type} message must not come over a network; it was ignored`);
  }
}

/** `ESC_RAFT_CONF_CHANGE`: a change of members that the present configuration doesn't allow. Nothing was changed. */
export class ConfChangeRefused extends EscError {
  constructor(message: string) {
    super("ESC_RAFT_CONF_CHANGE", message);
  }
}

/** `ESC_RAFT_INVARIANT`: storage lost or changed what it had confirmed, or the API was used out of order. Stop this node. */
export class InvariantBroken extends EscError {
  constructor(message: string) {
    super("ESC_RAFT_INVARIANT", `${message}; stop this node, its state can't be trusted`);
  }
}
