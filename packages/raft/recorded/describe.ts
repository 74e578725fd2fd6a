/** Prints messages, entries and Readys in the words of the recordings. */
import { confChangeOf, type SingleChange } from "../src/conf-change.ts";
import type { Entry } from "../src/entry.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type HardState,
  type Message,
  type MessageType,
  NONE,
  type Snapshot,
} from "../src/message.ts";
import type { Progress, ProgressState } from "../src/progress.ts";
import type { Role } from "../src/raft/state.ts";
import type { Ready } from "../src/ready.ts";

export const MESSAGE_NAMES: Record<MessageType, string> = {
  propose: "MsgProp",
  append: "MsgApp",
  appendResponse: "MsgAppResp",
  vote: "MsgVote",
  voteResponse: "MsgVoteResp",
  preVote: "MsgPreVote",
  preVoteResponse: "MsgPreVoteResp",
  snapshot: "MsgSnap",
  heartbeat: "MsgHeartbeat",
  heartbeatResponse: "MsgHeartbeatResp",
  timeoutNow: "MsgTimeoutNow",
  transferLeader: "MsgTransferLeader",
  readIndex: "MsgReadIndex",
  readIndexResponse: "MsgReadIndexResp",
  storageAppend: "MsgStorageAppend",
  storageAppendResponse: "MsgStorageAppendResp",
  storageApply: "MsgStorageApply",
  storageApplyResponse: "MsgStorageApplyResp",
};

export const ROLE_NAMES: Record<Role, string> = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};

const PROGRESS_NAMES: Record<ProgressState, string> = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
};

const ENTRY_NAMES = { normal: "EntryNormal", confChange: "EntryConfChangeV2", confChangeSingle: "EntryConfChange" };
const CHANGE_LETTERS = { addVoter: "v", addLearner: "l", remove: "r", update: "u" } as const;

export function parseChanges(text: string): readonly SingleChange[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const kind = (Object.keys(CHANGE_LETTERS) as SingleChange["kind"][]).find(
        (each) => CHANGE_LETTERS[each] === word[0],
      );
      if (kind === undefined) throw new Error(`not a change: ${word}`);
      return { kind, node: Number(word.slice(1)) };
    });
}

export function describeEntry(entry: Entry): string {
  const head = `${entry.term}/${entry.index} ${ENTRY_NAMES[entry.type]}`;
  const change = confChangeOf(entry);
  if (change === undefined) return `${head} ${JSON.stringify(new TextDecoder().decode(entry.data))}`;
  const changes = change.changes.map(({ kind, node }) => `${CHANGE_LETTERS[kind]}${node}`);
  return [head, ...changes].join(" ");
}

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join("");
}

function describeConfState(state: ConfState): string {
  const list = (ids: readonly number[]) => `[${ids.join(" ")}]`;
  return `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave}`;
}

function describeSnapshot({ index, term, confState }: Snapshot): string {
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === 0 ? "" : ` Vote:${vote}`} Commit:${commit}`;
}

function describeTarget(id: number): string {
  if (id === NONE) return "None";
  if (id === APPEND_THREAD) return "AppendThread";
  return id === APPLY_THREAD ? "ApplyThread" : id.toString(16);
}

export function describeMessage(sent: Message, indent = ""): string {
  const { from, to, type, term, logTerm, index, entries, snapshot, responses } = sent;
  let text = `${indent}${describeTarget(from)}->${describeTarget(to)} ${MESSAGE_NAMES[type]} Term:${term} Log:${logTerm}/${index}`;
  if (sent.reject) text += ` Rejected (Hint: ${sent.rejectHint})`;
  if (sent.commit !== 0) text += ` Commit:${sent.commit}`;
  if (sent.vote !== 0) text += ` Vote:${sent.vote}`;
  if (entries.length === 1) text += ` Entries:[${describeEntry(entries[0] as Entry)}]`;
  else if (entries.length > 1) {
    text += ` Entries:[${entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`).join("")}\n${indent}]`;
  }
  if (snapshot !== undefined) text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`;
  if (responses.length > 0) {
    text += ` Responses:[${responses.map((each) => `\n${describeMessage(each, `${indent}  `)}`).join("")}\n${indent}]`;
  }
  return text;
}

export function describeReady(ready: Ready): string {
  let text = "";
  if (ready.softState !== undefined) text += `Lead:${ready.softState.lead} State:${ROLE_NAMES[ready.softState.role]}\n`;
  if (ready.hardState !== undefined) text += `HardState ${describeHardState(ready.hardState)}\n`;
  if (ready.readStates.length > 0) {
    text += `ReadStates [${ready.readStates.map(({ index, context }) => `{${index} [${context}]}`).join(" ")}]\n`;
  }
  if (ready.entries.length > 0) text += `Entries:\n${describeEntries(ready.entries)}`;
  if (ready.snapshot !== undefined) text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`;
  if (ready.committedEntries.length > 0) text += `CommittedEntries:\n${describeEntries(ready.committedEntries)}`;
  if (ready.messages.length > 0) {
    text += `Messages:\n${ready.messages.map((sent) => `${describeMessage(sent)}\n`).join("")}`;
  }
  return text === "" ? "<empty Ready>" : `Ready MustSync=${ready.mustSync}:\n${text}`;
}

export function describeProgress(progress: Progress): string {
  let text = `${PROGRESS_NAMES[progress.state]} match=${progress.match} next=${progress.next}`;
  if (progress.isLearner) text += " learner";
  if (progress.isPaused) text += " paused";
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`;
  if (!progress.recentActive) text += " inactive";
  if (progress.inflights.count > 0)
    text += ` inflight=${progress.inflights.count}${progress.inflights.full ? "[full]" : ""}`;
  return text;
}

export function describeProgressMap(progress: ReadonlyMap<number, Progress>): string {
  const ids = [...progress.keys()].sort((a, b) => a - b);
  return ids.map((id) => `${id}: ${describeProgress(progress.get(id) as Progress)}\n`).join("");
}
