/** Who is a member and as what. Joint while `outgoing` isn't empty: decisions then need a majority of each half. */
import type { ConfState } from "./message.ts";

export interface Config {
  /** Voters; of a joint configuration those of the new half. */
  readonly incoming: ReadonlySet<number>;
  /** Voters of the old half, or nobody. */
  readonly outgoing: ReadonlySet<number>;
  /** Members that get the log and have no vote. Never voters of either half. */
  readonly learners: ReadonlySet<number>;
  /** Voters of the old half that will be learners as soon as the joint configuration is left. */
  readonly learnersNext: ReadonlySet<number>;
  /** Whether the leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean;
}

export const EMPTY_CONFIG: Config = {
  incoming: new Set(),
  outgoing: new Set(),
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
};

export function isJoint(config: Config): boolean {
  return config.outgoing.size > 0;
}

export function isVoter(config: Config, id: number): boolean {
  return config.incoming.has(id) || config.outgoing.has(id);
}

/** All voters of both halves, in ascending order: the order in which messages go out is the same on every run. */
export function votersOf(config: Config): number[] {
  return ascending(new Set([...config.incoming, ...config.outgoing]));
}

export function toConfState(config: Config): ConfState {
  return {
    voters: ascending(config.incoming),
    votersOutgoing: ascending(config.outgoing),
    learners: ascending(config.learners),
    learnersNext: ascending(config.learnersNext),
    autoLeave: config.autoLeave,
  };
}

export function fromConfState(state: ConfState): Config {
  return {
    incoming: new Set(state.voters),
    outgoing: new Set(state.votersOutgoing),
    learners: new Set(state.learners),
    learnersNext: new Set(state.learnersNext),
    autoLeave: state.autoLeave,
  };
}

/** In one line, as in `voters=(2 3)&&(1 2) learners=(4) autoleave`. */
export function describeConfig(config: Config): string {
  const list = (ids: ReadonlySet<number>) => `(${ascending(ids).join(" ")})`;
  let text = `voters=${list(config.incoming)}`;
  if (isJoint(config)) text += `&&${list(config.outgoing)}`;
  if (config.learners.size > 0) text += ` learners=${list(config.learners)}`;
  if (config.learnersNext.size > 0) text += ` learners_next=${list(config.learnersNext)}`;
  return config.autoLeave ? `${text} autoleave` : text;
}

export function ascending(ids: Iterable<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}
