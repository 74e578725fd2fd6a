import { describe, expect, test } from "vitest";
import { RaftCore } from "./core.ts";
import { NO_DATA } from "./entry.ts";
import { bytes, Group } from "./group.fixture.ts";
import { MemoryStorage } from "./storage.ts";

describe("a read", () => {
  test("at a follower names an index that covers what was committed before it", () => {
    const group = new Group([1, 2, 3]);
    group.elect(1).core.propose(bytes("a"));
    group.settle();
    expect(group.member(3).core.readIndex(77)).toBeUndefined();
    group.settle();
    expect(group.member(3).reads).toEqual([{ context: 77, index: group.member(1).core.status().hardState.commit }]);
  });

  test("is not confirmed to a leader that was cut off, whether or not it knows it", () => {
    const group = new Group([1, 2, 3], { checkQuorum: false, preVote: false });
    const old = group.elect(1);
    group.member(2).core.campaign();
    group.settle(({ from, to }) => from !== 1 && to !== 1);
    expect(group.members.map(({ core }) => core.status().role)).toEqual(["leader", "leader", "follower"]);
    old.core.readIndex(1);
    group.settle(({ from, to }) => from !== 1 && to !== 1);
    expect(old.reads).toEqual([]);
  });

  test("waits, in a group of one as well, until the leader has committed in its term", () => {
    const storage = new MemoryStorage();
    const confState = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    storage.applySnapshot({ index: 1, term: 1, confState, data: NO_DATA });
    // Committed before a crash, while the word of it was lost: only the log has it.
    storage.append([{ term: 1, index: 2, type: "normal", data: bytes("a") }]);
    storage.setHardState({ term: 1, vote: 1, commit: 1 });
    const core = new RaftCore({ id: 1, storage, random: () => 0, applied: 1 });
    core.campaign();
    const seen: number[] = [];
    for (let asked = false; core.hasReady; ) {
      const ready = core.ready();
      seen.push(...ready.readStates.map(({ index }) => index));
      storage.append(ready.entries);
      core.advance();
      if (!asked && core.status().role === "leader") asked = core.readIndex(5) === undefined;
    }
    expect(seen).toEqual([3]);
  });

  test("is answered at once under a lease, but not by a leader that has handed over", () => {
    const group = new Group([1, 2, 3], { readMode: "lease" });
    const leader = group.elect(1);
    leader.core.readIndex(1);
    leader.work();
    expect(leader.reads.map(({ context }) => context)).toEqual([1]);
    leader.core.transferLeadership(2);
    leader.core.readIndex(2);
    leader.work();
    expect(leader.reads.map(({ context }) => context)).toEqual([1]);
  });

  test("under a lease asks the quorum when none has answered since the last check", () => {
    const group = new Group([1, 2, 3], { readMode: "lease", electionTicks: 10 });
    const leader = group.elect(1);
    for (let n = 0; n < 9; n++) {
      leader.core.tick();
      group.settle();
    }
    leader.core.tick();
    leader.core.readIndex(1);
    leader.work();
    expect(leader.reads).toEqual([]);
    leader.core.tick();
    group.settle();
    expect(leader.reads.map(({ context }) => context)).toEqual([1]);
  });

  test("that waited for a member is confirmed when that member is removed", () => {
    const group = new Group([1, 2]);
    const leader = group.elect(1);
    leader.core.readIndex(1);
    const change = { changes: [{ kind: "remove" as const, node: 2 }], transition: "auto" as const, context: NO_DATA };
    leader.core.proposeConfChange(change);
    group.settle(({ type }) => type !== "heartbeat");
    expect(leader.reads.map(({ context }) => context)).toEqual([1]);
  });

  test("is dropped when too many wait", () => {
    const group = new Group([1, 2, 3], { maxPendingReads: 1 });
    const leader = group.elect(1);
    expect(leader.core.readIndex(1)).toBeUndefined();
    expect(leader.core.readIndex(2)).toEqual(expect.objectContaining({ code: "ESC_RAFT_READ_DROPPED" }));
  });
});
