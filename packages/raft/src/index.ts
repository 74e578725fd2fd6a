export type { ChangeKind, ConfChange, SingleChange, Transition } from "./conf-change.ts";
export { confChangeOf, decodeConfChange, encodeConfChange, LEAVE_JOINT } from "./conf-change.ts";
export { RaftCore } from "./core.ts";
export type { Entry, EntryType } from "./entry.ts";
export type { DropReason } from "./errors.ts";
export {
  ConfChangeRefused,
  InvariantBroken,
  LocalMessage,
  NotLeader,
  ProposalDropped,
  ReadDropped,
  UnknownPeer,
} from "./errors.ts";
export type { ConfState, HardState, Message, MessageType, Snapshot, StorageMessageType } from "./message.ts";
export { APPEND_THREAD, APPLY_THREAD, isStorageTarget } from "./message.ts";
export type { RaftOptions, ReadMode } from "./options.ts";
export type { ProgressState } from "./progress.ts";
export type { Refusal } from "./raft/proposals.ts";
export type { ReadState, Role, SoftState } from "./raft/state.ts";
export type { Ready } from "./ready.ts";
export type { ProgressStatus, RaftStatus } from "./status.ts";
export { MemoryStorage, type RaftStorage } from "./storage.ts";
