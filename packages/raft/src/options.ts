/** How a node is set up, and what is wrong with a set-up. */
import { EscError } from "@esc/events";
import type { RaftStorage } from "./storage.ts";

/** `safe` asks a quorum for every batch of reads; `lease` trusts that clocks of members run at about the same speed. */
export type ReadMode = "safe" | "lease";

export interface RaftOptions {
  /** This node, 1 to 2^53 - 1; never given to another one, not even after this one was removed. */
  readonly id: number;
  readonly storage: RaftStorage;
  /** Numbers from 0 to below 1, as `Math.random` gives them; election timeouts are spread by it. */
  readonly random: () => number;
  /** Ticks without a word from the leader after which an election begins, once to twice that; 10 unless given. */
  readonly electionTicks?: number;
  /** Ticks between heartbeats, less than `electionTicks`; 1 unless given. */
  readonly heartbeatTicks?: number;
  /** What the state machine had applied when `storage` was opened; the storage's first index - 1 unless given. */
  readonly applied?: number;
  /** Asks before an election whether it could be won, so that a node that was cut off disturbs nobody; true unless given. */
  readonly preVote?: boolean;
  /** A leader that hears no quorum steps down, and nobody votes while a leader is heard of; true unless given. */
  readonly checkQuorum?: boolean;
  /** `safe` unless given. `lease` needs `checkQuorum`. */
  readonly readMode?: ReadMode;
  /** Whether storage writes are messages of their own in `Ready.messages`; false unless given. */
  readonly asyncStorageWrites?: boolean;
  /** Whether followers pass proposals on to the leader; if not, they answer `NotLeader`. False unless given. */
  readonly forwardProposals?: boolean;
  /** Whether a leader that was removed or became a learner steps down at once; true unless given. */
  readonly stepDownOnRemoval?: boolean;
  /** Takes changes of members without looking whether they fit the configuration; false unless given. For replaying foreign logs. */
  readonly disableConfChangeValidation?: boolean;
  /** Bytes of entries in one message, 1 MiB unless given; one entry always fits. */
  readonly maxMessageBytes?: number;
  /** Appends that a follower may not have answered, 256 unless given. */
  readonly maxInflightMessages?: number;
  /** Their bytes, 16 MiB unless given; 0 is no limit. */
  readonly maxInflightBytes?: number;
  /** Bytes of proposals that wait for their commit, 64 MiB unless given. A proposal larger than that passes alone. */
  readonly maxUncommittedBytes?: number;
  /** Bytes of entries handed out and not applied, 16 MiB unless given; one entry always fits. */
  readonly maxApplyingBytes?: number;
  /** Reads that wait for a quorum, 4,096 unless given. */
  readonly maxPendingReads?: number;
}

export type ResolvedOptions = Required<RaftOptions>;

/** @throws ESC_RAFT_OPTIONS */
export function resolveOptions(options: RaftOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    electionTicks: 10,
    heartbeatTicks: 1,
    applied: 0,
    preVote: true,
    checkQuorum: true,
    readMode: "safe",
    asyncStorageWrites: false,
    forwardProposals: false,
    stepDownOnRemoval: true,
    disableConfChangeValidation: false,
    maxMessageBytes: 1 << 20,
    maxInflightMessages: 256,
    maxInflightBytes: 16 << 20,
    maxUncommittedBytes: 64 << 20,
    maxApplyingBytes: 16 << 20,
    maxPendingReads: 4_096,
    ...options,
  };
  const whole = (name: keyof RaftOptions, least: number) => {
    const value = resolved[name];
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw refused(`${name} must be a whole number from ${least} to 2^53 - 1, not ${String(value)}`);
    }
  };
  whole("id", 1);
  whole("heartbeatTicks", 1);
  whole("electionTicks", resolved.heartbeatTicks + 1);
  whole("applied", 0);
  whole("maxMessageBytes", 0);
  whole("maxInflightMessages", 1);
  whole("maxInflightBytes", 0);
  whole("maxUncommittedBytes", 1);
  whole("maxApplyingBytes", 1);
  whole("maxPendingReads", 1);
  if (resolved.readMode === "lease" && !resolved.checkQuorum) {
    throw refused(
      "readMode lease needs checkQuorum: without it a leader that was cut off never learns that it is none",
    );
  }
  return resolved;
}

function refused(message: string): EscError {
  return new EscError("ESC_RAFT_OPTIONS", message);
}
