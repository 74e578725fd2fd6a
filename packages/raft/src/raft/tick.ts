/** Time, which comes in as ticks. */
import { NONE } from "../message.ts";
import { startElection } from "./election.ts";
import { checkQuorum } from "./leader.ts";
import { broadcastHeartbeat } from "./replication.ts";
import type { RaftState } from "./state.ts";

export function tick(raft: RaftState): void {
  if (raft.role === "leader") tickLeader(raft);
  else tickFollower(raft);
}

function tickFollower(raft: RaftState): void {
  raft.electionElapsed++;
  if (!raft.promotable || raft.electionElapsed < raft.randomizedElectionTicks) return;
  raft.electionElapsed = 0;
  startElection(raft, false);
}

function tickLeader(raft: RaftState): void {
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (raft.options.checkQuorum) checkQuorum(raft);
    // Whom leadership was to go to hasn't taken it in time: this one goes on.
    if (raft.role === "leader") raft.transferee = NONE;
  }
  if (raft.role !== "leader" || raft.heartbeatElapsed < raft.options.heartbeatTicks) return;
  raft.heartbeatElapsed = 0;
  broadcastHeartbeat(raft, raft.reads.lastRound);
}
