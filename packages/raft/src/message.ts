/** What nodes, and a node and its storage, say to each other; and the records that are persisted. */
import { type Entry, NO_DATA, NO_ENTRIES } from "./entry.ts";

export type MessageType =
  | "propose"
  | "append"
  | "appendResponse"
  | "vote"
  | "voteResponse"
  | "preVote"
  | "preVoteResponse"
  | "snapshot"
  | "heartbeat"
  | "heartbeatResponse"
  | "timeoutNow"
  | "transferLeader"
  | "readIndex"
  | "readIndexResponse"
  | StorageMessageType;

/** Between a node and its own storage, when writes are asynchronous. These never cross a network. */
export type StorageMessageType = "storageAppend" | "storageAppendResponse" | "storageApply" | "storageApplyResponse";

/** Whom `storageAppend` is addressed to: whatever writes the log. */
export const APPEND_THREAD = -1;
/** Whom `storageApply` is addressed to: whatever runs the state machine. */
export const APPLY_THREAD = -2;
/** No node. */
export const NONE = 0;

export function isStorageTarget(id: number): boolean {
  return id === APPEND_THREAD || id === APPLY_THREAD;
}

/** One shape for all, so that the engine sees one hidden class; what a type doesn't use is 0, false or empty. */
export interface Message {
  readonly type: MessageType;
  readonly to: number;
  readonly from: number;
  /** The sender's term; 0 for what isn't bound to one (proposals, reads, local messages). */
  readonly term: number;
  /** Term of the log position `index`. */
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  /** Only of `storageAppend`: the vote to be persisted. */
  readonly vote: number;
  readonly reject: boolean;
  /** With a rejected `append`: the last position at which the logs may agree. */
  readonly rejectHint: number;
  /** A vote that the old leader itself asked for, granted in spite of its lease. */
  readonly transfer: boolean;
  /** A read's id, or the round of reads that a heartbeat confirms; 0 means none. */
  readonly context: number;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
  /** Only of storage messages: what to deliver once the work is done. */
  readonly responses: readonly Message[];
}

/** Which nodes are members, as snapshots and storage keep it. */
export interface ConfState {
  readonly voters: readonly number[];
  readonly votersOutgoing: readonly number[];
  readonly learners: readonly number[];
  readonly learnersNext: readonly number[];
  readonly autoLeave: boolean;
}

/** The state machine's whole state as of `index`. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
  readonly data: Uint8Array;
}

/** What must survive a crash beside the entries. A lost `commit` is only slow; a lost `term` or `vote` is unsafe. */
export interface HardState {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}

export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};
export const EMPTY_HARD_STATE: HardState = { term: 0, vote: NONE, commit: 0 };
export const EMPTY_SNAPSHOT: Snapshot = { index: 0, term: 0, confState: EMPTY_CONF_STATE, data: NO_DATA };

/** Whether a node is in there. Who is to become a learner is a voter of the old half until then. */
export function isMember({ voters, votersOutgoing, learners }: ConfState, id: number): boolean {
  return voters.includes(id) || votersOutgoing.includes(id) || learners.includes(id);
}

/** Builds a message; what isn't given is 0, false or empty. */
export function message(type: MessageType, to: number, fields: Partial<Message> = {}): Message {
  return {
    type,
    to,
    from: fields.from ?? NONE,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NONE,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    transfer: fields.transfer ?? false,
    context: fields.context ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    snapshot: fields.snapshot,
    responses: fields.responses ?? [],
  };
}

/** Whether a message answers one of ours; only a member's answer counts. */
export function isResponse(type: MessageType): boolean {
  return (
    type === "appendResponse" ||
    type === "voteResponse" ||
    type === "preVoteResponse" ||
    type === "heartbeatResponse" ||
    type === "storageAppendResponse" ||
    type === "storageApplyResponse"
  );
}

/** Whether only this node's own storage may say it. */
export function isStorageMessage(type: MessageType): type is StorageMessageType {
  return (
    type === "storageAppend" ||
    type === "storageAppendResponse" ||
    type === "storageApply" ||
    type === "storageApplyResponse"
  );
}
