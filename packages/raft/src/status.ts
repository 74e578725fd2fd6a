/** How a node stands, as plain data that `JSON.stringify` takes. */
import type { ConfState, HardState } from "./message.ts";
import type { ProgressState } from "./progress.ts";
import type { RaftState, Role } from "./raft/state.ts";

export interface ProgressStatus {
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly learner: boolean;
  readonly paused: boolean;
  readonly recentActive: boolean;
  readonly pendingSnapshot: number;
  readonly inflight: number;
  readonly inflightBytes: number;
  readonly inflightFull: boolean;
}

export interface RaftStatus {
  readonly id: number;
  readonly role: Role;
  readonly lead: number;
  readonly hardState: HardState;
  readonly applied: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Whom leadership is being handed to, or 0. */
  readonly transferee: number;
  readonly uncommittedBytes: number;
  readonly pendingReads: number;
  readonly members: ConfState;
  /** Of a leader: each member by its id. Else empty. */
  readonly progress: Readonly<Record<string, ProgressStatus>>;
}

export function statusOf(raft: RaftState): RaftStatus {
  const progress: Record<string, ProgressStatus> = {};
  if (raft.role === "leader") {
    for (const [id, known] of raft.tracker.progress) {
      progress[id] = {
        match: known.match,
        next: known.next,
        state: known.state,
        learner: known.isLearner,
        paused: known.isPaused,
        recentActive: known.recentActive,
        pendingSnapshot: known.pendingSnapshot,
        inflight: known.inflights.count,
        inflightBytes: known.inflights.bytes,
        inflightFull: known.inflights.full,
      };
    }
  }
  return {
    id: raft.id,
    role: raft.role,
    lead: raft.lead,
    hardState: raft.hardState(),
    applied: raft.log.applied,
    firstIndex: raft.log.firstIndex(),
    lastIndex: raft.log.lastIndex(),
    transferee: raft.transferee,
    uncommittedBytes: raft.uncommittedBytes,
    pendingReads: raft.reads.count,
    members: raft.confState(),
    progress,
  };
}
