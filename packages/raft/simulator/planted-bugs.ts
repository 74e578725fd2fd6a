/** Mistakes that implementations have made, to be planted one at a time: a simulator that finds none of them proves nothing. */
import type { RaftCore } from "../src/core.ts";
import { committedIndex, voteResult } from "../src/quorum/majority.ts";
import type { DriverBugs } from "./node.ts";
import type { SimulationOptions } from "./simulation.ts";

export interface PlantedBug {
  readonly what: string;
  readonly bugs?: DriverBugs;
  readonly plant?: (core: RaftCore) => void;
  /** The course that brings it out most often, and the seed to begin with: some take a hundred courses. */
  readonly course?: Pick<SimulationOptions, "mood" | "settings">;
  readonly firstSeed?: number;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  { what: "votes and acknowledgements that are sent before they are durable", bugs: { sendsBeforeSync: true } },
  { what: "a term and a vote that are never written", bugs: { forgetsHardState: true } },
  { what: "a read from a leader's own state", bugs: { readsLocally: true } },
  {
    what: "a read that is confirmed without a quorum",
    firstSeed: 1,
    plant: ({ state }) => {
      state.reads.acked = () => Number.POSITIVE_INFINITY;
    },
  },
  {
    what: "an entry of an old term that is committed by counting",
    course: { mood: "elections", settings: { maxMessageBytes: 0 } },
    plant: ({ state: { log } }) => {
      log.commitOfTerm = (index) => {
        if (index <= log.committed || index > log.lastIndex()) return false;
        log.commitTo(index);
        return true;
      };
    },
  },
  {
    what: "a vote for a candidate whose log is behind",
    plant: ({ state: { log } }) => {
      log.isUpToDate = () => true;
    },
  },
  {
    what: "a second vote in a term",
    plant: ({ state }) => {
      Object.defineProperty(state, "vote", { get: () => 0, set: () => undefined });
    },
  },
  {
    what: "an append whose preceding entry is not compared",
    plant: ({ state: { log } }) => {
      log.tryAppend = (previous, _term, entries, commit) => {
        if (previous > log.lastIndex()) return -1;
        const conflict = entries.findIndex(({ index, term }) => !log.hasEntry(index, term));
        if (conflict >= 0) log.append(entries.slice(conflict));
        log.commitTo(Math.min(commit, previous + entries.length));
        return previous + entries.length;
      };
    },
  },
  {
    what: "an append that leaves a conflicting end in place",
    plant: ({ state: { log } }) => {
      const append = log.append.bind(log);
      log.append = (entries) => append(entries.filter(({ index }) => index > log.lastIndex()));
    },
  },
  {
    what: "a joint configuration whose old half has no say",
    course: { mood: "members" },
    plant: ({ state: { tracker } }) => {
      const tally = tracker.tally.bind(tracker);
      const votes = new Map<number, boolean>();
      const record = tracker.recordVote.bind(tracker);
      const reset = tracker.resetVotes.bind(tracker);
      const begin = tracker.reset.bind(tracker);
      tracker.recordVote = (id, granted) => {
        votes.set(id, granted);
        record(id, granted);
      };
      tracker.resetVotes = () => {
        votes.clear();
        reset();
      };
      tracker.reset = (self, lastIndex) => {
        votes.clear();
        begin(self, lastIndex);
      };
      tracker.tally = () => ({ ...tally(), result: voteResult(tracker.config.incoming, votes) });
      tracker.quorumOf = (acked) => committedIndex(tracker.config.incoming, acked);
    },
  },
  {
    what: "a write that is taken as durable for entries that replaced it meanwhile",
    firstSeed: 100,
    course: { mood: "elections", settings: { asyncStorageWrites: true, preVote: false, checkQuorum: false } },
    plant: ({ state: { log } }) => {
      const stableTo = log.unstable.stableTo.bind(log.unstable);
      log.unstable.stableTo = (index) => stableTo(index, log.unstable.term(index) ?? -1);
    },
  },
  {
    what: "a commit index that is told to a follower whose log isn't known to match",
    plant: ({ state }) => {
      const send = state.send.bind(state);
      state.send = (sent) => send(sent.type === "heartbeat" ? { ...sent, commit: state.log.committed } : sent);
    },
  },
];
