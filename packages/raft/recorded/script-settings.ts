/** How the nodes of a script are set up: short timeouts, and no limits but those that `add-nodes` names. */
import { EMPTY_CONF_STATE, type Snapshot } from "../src/message.ts";
import type { RaftOptions } from "../src/options.ts";
import { type Case, value, values } from "./datadriven.ts";

export type ScriptOptions = Omit<RaftOptions, "id" | "storage" | "random">;

export const ELECTION_TICKS = 3;

const FLAGS: Readonly<Record<string, keyof ScriptOptions>> = {
  prevote: "preVote",
  checkquorum: "checkQuorum",
  "async-storage-writes": "asyncStorageWrites",
  "step-down-on-removal": "stepDownOnRemoval",
  "disable-conf-change-validation": "disableConfChangeValidation",
};
const NUMBERS: Readonly<Record<string, keyof ScriptOptions>> = {
  inflight: "maxInflightMessages",
  "max-committed-size-per-ready": "maxApplyingBytes",
};
const OTHERS = new Set(["voters", "learners", "index", "content", "read-only"]);

export interface ScriptSettings {
  readonly options: ScriptOptions;
  /** What the nodes begin with, or undefined when they begin with nothing. */
  readonly bootstrap: Snapshot | undefined;
}

/** @throws Error for a word that isn't known: a setting that is passed over would show up as a wrong output far behind it. */
export function scriptSettings(found: Case): ScriptSettings {
  const options: Record<string, unknown> = {};
  for (const { key, values: given } of found.args.slice(1)) {
    const flag = FLAGS[key];
    const number = NUMBERS[key];
    if (flag !== undefined) options[flag] = given[0] === "true";
    else if (number !== undefined) options[number] = Number(given[0]);
    else if (!OTHERS.has(key)) throw new Error(`line ${found.line}: add-nodes takes no ${key}`);
  }
  const lease = value(found, "read-only") === "lease-based";
  if (lease) Object.assign(options, { readMode: "lease", checkQuorum: true });
  const list = (key: string) => (values(found, key) ?? []).map(Number);
  const index = Number(value(found, "index") ?? 0);
  const confState = { ...EMPTY_CONF_STATE, voters: list("voters"), learners: list("learners") };
  const data = new TextEncoder().encode(value(found, "content") ?? "");
  const nothing = index === 0 && confState.voters.length === 0 && confState.learners.length === 0;
  return {
    options: { ...UNLIMITED, applied: index, ...options },
    bootstrap: nothing ? undefined : { index, term: 1, confState, data },
  };
}

const UNLIMITED: ScriptOptions = {
  electionTicks: ELECTION_TICKS,
  heartbeatTicks: 1,
  preVote: false,
  checkQuorum: false,
  readMode: "safe",
  forwardProposals: true,
  stepDownOnRemoval: false,
  maxMessageBytes: Number.MAX_SAFE_INTEGER,
  maxInflightMessages: 2 ** 31 - 1,
  maxInflightBytes: 0,
  maxUncommittedBytes: Number.MAX_SAFE_INTEGER,
  maxApplyingBytes: Number.MAX_SAFE_INTEGER,
};
