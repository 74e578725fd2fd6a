/** What a leader does with messages of its term, and with what is reported of its followers. */
import type { ReadDropped } from "../errors.ts";
import { type Message, message, NONE } from "../message.ts";
import type { Progress } from "../progress.ts";
import { proposeAsLeader, type Refusal } from "./proposals.ts";
import { confirmReads, readAsLeader } from "./reads.ts";
import { broadcastAppend, commitByQuorum, sendAppend } from "./replication.ts";
import type { RaftState } from "./state.ts";

export function stepLeader(raft: RaftState, received: Message): Refusal | ReadDropped | undefined {
  if (received.type === "propose") return proposeAsLeader(raft, received.entries);
  if (received.type === "readIndex") return readAsLeader(raft, received);
  const progress = raft.tracker.progress.get(received.from);
  if (progress === undefined) return undefined;
  if (received.type === "appendResponse") {
    progress.recentActive = true;
    if (received.reject) appendRefused(raft, progress, received);
    else appendAccepted(raft, progress, received);
  } else if (received.type === "heartbeatResponse") {
    heartbeatAnswered(raft, progress, received);
  } else if (received.type === "transferLeader") {
    transferTo(raft, received.from, progress);
  }
  return undefined;
}

/** A follower could not be reached, so appends that were sent on trust may be lost: back to one at a time. */
export function unreachable(raft: RaftState, id: number): void {
  const progress = raft.tracker.progress.get(id);
  if (raft.role === "leader" && progress?.state === "replicate") progress.becomeProbe();
}

/** A snapshot was delivered, or was not. */
export function snapshotReported(raft: RaftState, id: number, delivered: boolean): void {
  const progress = raft.tracker.progress.get(id);
  if (raft.role !== "leader" || progress?.state !== "snapshot") return;
  // Not delivered, it is no place to go on from.
  if (!delivered) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Wait for its answer, or for a heartbeat's.
  progress.paused = true;
}

/** A leader whose quorum is silent steps down: another one may be leading by now. */
export function checkQuorum(raft: RaftState): void {
  if (!raft.tracker.quorumActive()) raft.becomeFollower(raft.term, NONE);
  for (const [id, progress] of raft.tracker.progress) {
    if (id !== raft.id) progress.recentActive = false;
  }
}

function appendRefused(raft: RaftState, progress: Progress, { from, index, logTerm, rejectHint }: Message): void {
  // What the follower has up to its hint is of term `logTerm` or before. So our entries of later terms can't be there, either.
  const meet = logTerm > 0 ? raft.log.lastNotAbove(rejectHint, logTerm).index : rejectHint;
  if (!progress.decrease(index, meet)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(raft, from, true);
}

function appendAccepted(raft: RaftState, progress: Progress, { from, index }: Message): void {
  // An answer that is no news in itself still tells a probe where the logs meet.
  const met = progress.match === index && progress.state === "probe";
  if (!progress.update(index) && !met) return;
  if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.state === "snapshot") {
    // Whatever it got its state from, our log goes on where it is. By way of probe: that looks at the snapshot's index, too.
    if (progress.match + 1 >= raft.log.firstIndex()) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
  } else {
    progress.inflights.freeThrough(index);
  }
  if (commitByQuorum(raft)) broadcastAppend(raft);
  else if (from !== raft.id && progress.canBumpCommit(raft.log.committed)) sendAppend(raft, from, true);
  if (from === raft.id) return;
  // The window has moved: as many messages as it takes now.
  while (sendAppend(raft, from, false));
  if (from === raft.transferee && progress.match === raft.log.lastIndex()) handOver(raft, from);
}

function heartbeatAnswered(raft: RaftState, progress: Progress, { from, context }: Message): void {
  progress.recentActive = true;
  progress.paused = false;
  if (progress.match < raft.log.lastIndex() || progress.state === "probe") sendAppend(raft, from, true);
  if (context > 0) confirmReads(raft, from, context);
}

function transferTo(raft: RaftState, to: number, progress: Progress): void {
  if (progress.isLearner || raft.transferee === to) return;
  raft.transferee = NONE;
  if (to === raft.id) return;
  // It has one election timeout for it.
  raft.electionElapsed = 0;
  raft.transferee = to;
  if (progress.match === raft.log.lastIndex()) handOver(raft, to);
  else sendAppend(raft, to, true);
}

function handOver(raft: RaftState, to: number): void {
  raft.handedOver = true;
  raft.send(message("timeoutNow", to));
}
