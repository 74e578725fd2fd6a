/**
 * A change of members, and the bytes that an entry carries it in (little-endian):
 *
 * | offset | size   | field                                      |
 * | ------ | ------ | ------------------------------------------ |
 * | 0      | u8     | version, 1                                 |
 * | 1      | u8     | transition: 0 auto, 1 implicit, 2 explicit |
 * | 2      | u16    | number of changes                          |
 * | 4      | 12 × n | kind (u32), node (f64, a whole number)     |
 * | …      |        | context                                    |
 *
 * The change that leaves a joint configuration is no bytes at all: a leader can always append it, whatever the limits.
 */
import { type Entry, type EntryType, NO_DATA } from "./entry.ts";
import { ConfChangeRefused } from "./errors.ts";

/** `update` changes no membership; it carries a context past the log's readers. */
export type ChangeKind = "addVoter" | "addLearner" | "remove" | "update";

export interface SingleChange {
  readonly kind: ChangeKind;
  /** 1 to 2^53 - 1; a change of node 0 is passed over. */
  readonly node: number;
}

/**
 * `auto`: one change goes through at once, several through a joint configuration that the leader leaves by itself.
 * `implicit`: always joint, left by the leader. `explicit`: always joint, left by an empty change that you propose.
 */
export type Transition = "auto" | "implicit" | "explicit";

export interface ConfChange {
  readonly changes: readonly SingleChange[];
  readonly transition: Transition;
  /** Yours; the core doesn't look at it. */
  readonly context: Uint8Array;
}

/** The change that leaves a joint configuration. */
export const LEAVE_JOINT: ConfChange = { changes: [], transition: "auto", context: NO_DATA };

/** What a change does to a configuration. */
export type ChangeMode = "simple" | "enterJoint" | "leaveJoint";

const VERSION = 1;
const HEADER_BYTES = 4;
const CHANGE_BYTES = 12;
const MAX_CHANGES = 1_024;
const KINDS: readonly ChangeKind[] = ["addVoter", "addLearner", "remove", "update"];
const TRANSITIONS: readonly Transition[] = ["auto", "implicit", "explicit"];

export function modeOf(change: ConfChange): ChangeMode {
  if (change.transition === "auto") {
    if (change.changes.length === 0) return "leaveJoint";
    if (change.changes.length === 1) return "simple";
  }
  return "enterJoint";
}

/** The bytes of a change. @throws ESC_RAFT_CONF_CHANGE for more than 1,024 changes or a node that is no whole number. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  if (modeOf(change) === "leaveJoint" && change.context.length === 0) return NO_DATA;
  const { changes } = change;
  if (changes.length > MAX_CHANGES) throw new ConfChangeRefused(`at most ${MAX_CHANGES} changes may be made at once`);
  const bytes = new Uint8Array(HEADER_BYTES + changes.length * CHANGE_BYTES + change.context.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, TRANSITIONS.indexOf(change.transition));
  view.setUint16(2, changes.length, true);
  let at = HEADER_BYTES;
  for (const { kind, node } of changes) {
    if (!Number.isSafeInteger(node) || node < 0) {
      throw new ConfChangeRefused(`a node's id is a whole number from 1 to 2^53 - 1, not ${node}`);
    }
    view.setUint32(at, KINDS.indexOf(kind), true);
    view.setFloat64(at + 4, node, true);
    at += CHANGE_BYTES;
  }
  bytes.set(change.context, at);
  return bytes;
}

/** @throws ESC_RAFT_CONF_CHANGE for bytes that no change is written as. */
export function decodeConfChange(data: Uint8Array): ConfChange {
  if (data.length === 0) return LEAVE_JOINT;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const transition = data.length >= HEADER_BYTES ? TRANSITIONS[view.getUint8(1)] : undefined;
  const count = data.length >= HEADER_BYTES ? view.getUint16(2, true) : 0;
  const end = HEADER_BYTES + count * CHANGE_BYTES;
  if (transition === undefined || view.getUint8(0) !== VERSION || count > MAX_CHANGES || end > data.length) {
    throw new ConfChangeRefused("an entry's data is not a change of members of a known version");
  }
  const changes: SingleChange[] = [];
  for (let at = HEADER_BYTES; at < end; at += CHANGE_BYTES) {
    const kind = KINDS[view.getUint32(at, true)];
    const node = view.getFloat64(at + 4, true);
    if (kind === undefined || !Number.isSafeInteger(node) || node < 0) {
      throw new ConfChangeRefused("an entry's data has a change of an unknown kind or node");
    }
    changes.push({ kind, node });
  }
  return { changes, transition, context: data.slice(end) };
}

export function isConfChange(type: EntryType): boolean {
  return type !== "normal";
}

/** The change that an entry holds, or undefined for an entry of the state machine. */
export function confChangeOf(entry: Pick<Entry, "type" | "data">): ConfChange | undefined {
  return isConfChange(entry.type) ? decodeConfChange(entry.data) : undefined;
}
