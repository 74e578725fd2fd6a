/**
 * How a change turns one configuration into the next. Nothing is changed in place: what comes back replaces the old
 * configuration and the old progress, or an error is thrown and all is as it was.
 */

import { type ConfChange, modeOf, type SingleChange } from "./conf-change.ts";
import { type Config, fromConfState, isJoint } from "./config.ts";
import { ConfChangeRefused, InvariantBroken } from "./errors.ts";
import type { ConfState } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { ProgressMap, Tracker } from "./tracker.ts";

export interface Membership {
  readonly config: Config;
  readonly progress: ProgressMap;
}

/** A configuration that is being worked on. */
interface Draft {
  incoming: Set<number>;
  outgoing: Set<number>;
  learners: Set<number>;
  learnersNext: Set<number>;
  autoLeave: boolean;
  progress: Map<number, Progress>;
}

/** @throws ESC_RAFT_CONF_CHANGE */
export function changeMembers(tracker: Tracker, lastIndex: number, change: ConfChange): Membership {
  const mode = modeOf(change);
  if (mode === "leaveJoint") return leaveJoint(tracker);
  if (mode === "simple") return simpleChange(tracker, lastIndex, change.changes);
  return enterJoint(tracker, lastIndex, change.changes, change.transition !== "explicit");
}

/** Old and new voters decide together from here on. @throws ESC_RAFT_CONF_CHANGE */
export function enterJoint(
  tracker: Tracker,
  lastIndex: number,
  changes: readonly SingleChange[],
  autoLeave: boolean,
): Membership {
  if (isJoint(tracker.config)) throw new ConfChangeRefused("config is already joint");
  if (tracker.config.incoming.size === 0) throw new ConfChangeRefused("can't make a zero-voter config joint");
  const draft = draftOf(tracker);
  draft.outgoing = new Set(draft.incoming);
  applyChanges(draft, tracker, lastIndex, changes);
  draft.autoLeave = autoLeave;
  return finished(draft);
}

/** The new voters decide alone from here on. @throws ESC_RAFT_CONF_CHANGE */
export function leaveJoint(tracker: Tracker): Membership {
  if (!isJoint(tracker.config)) throw new ConfChangeRefused("can't leave a non-joint config");
  const draft = draftOf(tracker);
  for (const id of draft.learnersNext) {
    draft.learners.add(id);
    markLearner(draft, id, true);
  }
  draft.learnersNext.clear();
  for (const id of draft.outgoing) {
    if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
  }
  draft.outgoing.clear();
  draft.autoLeave = false;
  return finished(draft);
}

/** Any number of learners, but one voter at most: then old and new majorities overlap by themselves. @throws ESC_RAFT_CONF_CHANGE */
export function simpleChange(tracker: Tracker, lastIndex: number, changes: readonly SingleChange[]): Membership {
  if (isJoint(tracker.config)) throw new ConfChangeRefused("can't apply simple config change in joint config");
  const draft = draftOf(tracker);
  applyChanges(draft, tracker, lastIndex, changes);
  const before = tracker.config.incoming;
  const joined = [...draft.incoming].filter((id) => !before.has(id)).length;
  const left = [...before].filter((id) => !draft.incoming.has(id)).length;
  if (joined + left > 1) {
    throw new ConfChangeRefused("more than one voter changed without entering joint config");
  }
  return finished(draft);
}

/** The members as a snapshot or storage has them, with nothing known of how far each is. */
export function restoreMembers(tracker: Tracker, lastIndex: number, state: ConfState): Membership {
  const config = fromConfState(state);
  const progress = new Map<number, Progress>();
  for (const id of [...config.incoming, ...config.outgoing]) {
    if (!progress.has(id)) progress.set(id, tracker.fresh(lastIndex, false));
  }
  for (const id of config.learners) progress.set(id, tracker.fresh(lastIndex, true));
  checkMembers(config, progress);
  return { config, progress };
}

function draftOf({ config, progress }: Tracker): Draft {
  return {
    incoming: new Set(config.incoming),
    outgoing: new Set(config.outgoing),
    learners: new Set(config.learners),
    learnersNext: new Set(config.learnersNext),
    autoLeave: config.autoLeave,
    progress: new Map(progress),
  };
}

function applyChanges(draft: Draft, tracker: Tracker, lastIndex: number, changes: readonly SingleChange[]): void {
  for (const { kind, node } of changes) {
    if (node === 0) continue;
    if (kind === "addVoter") makeVoter(draft, tracker, lastIndex, node);
    else if (kind === "addLearner") makeLearner(draft, tracker, lastIndex, node);
    else if (kind === "remove") remove(draft, node);
  }
  if (draft.incoming.size === 0) throw new ConfChangeRefused("removed all voters");
}

function makeVoter(draft: Draft, tracker: Tracker, lastIndex: number, id: number): void {
  if (draft.progress.has(id)) markLearner(draft, id, false);
  else draft.progress.set(id, tracker.fresh(lastIndex, false));
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.incoming.add(id);
}

function makeLearner(draft: Draft, tracker: Tracker, lastIndex: number, id: number): void {
  const known = draft.progress.get(id);
  if (known === undefined) {
    draft.progress.set(id, tracker.fresh(lastIndex, true));
    draft.learners.add(id);
    return;
  }
  if (known.isLearner) return;
  remove(draft, id);
  draft.progress.set(id, known);
  // A voter of the old half has its vote until the joint configuration is left, and nobody is voter and learner at once.
  if (draft.outgoing.has(id)) {
    draft.learnersNext.add(id);
  } else {
    markLearner(draft, id, true);
    draft.learners.add(id);
  }
}

function remove(draft: Draft, id: number): void {
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  // Who still votes in the old half still gets the log.
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

function markLearner(draft: Draft, id: number, isLearner: boolean): void {
  const progress = draft.progress.get(id);
  if (progress !== undefined && progress.isLearner !== isLearner) draft.progress.set(id, progress.copy(isLearner));
}

function finished({ progress, ...config }: Draft): Membership {
  checkMembers(config, progress);
  return { config, progress };
}

/** What holds of every configuration, whichever way it was reached. @throws ESC_RAFT_INVARIANT */
export function checkMembers(config: Config, progress: ProgressMap): void {
  const broken = (what: string) => new InvariantBroken(`a configuration is not sound: ${what}`);
  for (const id of [...config.incoming, ...config.outgoing, ...config.learners, ...config.learnersNext]) {
    if (!progress.has(id)) throw broken(`nothing is kept of member ${id}`);
  }
  for (const id of config.learnersNext) {
    if (!config.outgoing.has(id)) throw broken(`${id} is to become a learner and doesn't vote in the old half`);
    if (progress.get(id)?.isLearner) throw broken(`${id} is to become a learner and is one`);
  }
  for (const id of config.learners) {
    if (config.incoming.has(id) || config.outgoing.has(id)) throw broken(`${id} is voter and learner`);
    if (!progress.get(id)?.isLearner) throw broken(`${id} is a learner, its progress says otherwise`);
  }
  if (!isJoint(config) && (config.learnersNext.size > 0 || config.autoLeave)) {
    throw broken("it isn't joint and has what only a joint one may have");
  }
}
