import { describe, expect, test } from "vitest";
import { encodeConfChange } from "./conf-change.ts";
import { RaftCore } from "./core.ts";
import { NO_DATA } from "./entry.ts";
import { bytes, Group } from "./group.fixture.ts";
import { message } from "./message.ts";
import { MemoryStorage } from "./storage.ts";

const code = (text: string) => expect.objectContaining({ code: text });
const leaderOf = (group: Group) =>
  group.members.filter(({ core }) => core.status().role === "leader").map(({ id }) => id);

describe("a proposal", () => {
  test("is applied by every member in the same order", () => {
    const group = new Group([1, 2, 3]);
    const leader = group.elect(1);
    expect(leader.core.propose(bytes("a"), bytes("b"))).toBeUndefined();
    group.settle();
    expect(group.members.map(({ applied }) => applied)).toEqual([
      ["a", "b"],
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  test("is refused by a follower, which names the leader, and by one that knows of none", () => {
    const group = new Group([1, 2, 3]);
    expect(group.member(2).core.propose(bytes("a"))).toMatchObject({ code: "ESC_RAFT_NOT_LEADER", leader: 0 });
    group.elect(1);
    expect(group.member(2).core.propose(bytes("a"))).toMatchObject({ code: "ESC_RAFT_NOT_LEADER", leader: 1 });
  });

  test("is passed on by a follower where that is asked for", () => {
    const group = new Group([1, 2, 3], { forwardProposals: true });
    group.elect(1);
    expect(group.member(2).core.propose(bytes("a"))).toBeUndefined();
    group.settle();
    expect(group.member(3).applied).toEqual(["a"]);
  });

  test("is dropped while too many bytes wait for their commit, and taken again after it", () => {
    const group = new Group([1, 2, 3], { maxUncommittedBytes: 4 });
    const leader = group.elect(1);
    expect(leader.core.propose(bytes("larger than the limit"))).toBeUndefined();
    const dropped = leader.core.propose(bytes("b"));
    expect(dropped).toMatchObject({ code: "ESC_RAFT_PROPOSAL_DROPPED", reason: "uncommitted" });
    group.settle();
    expect(leader.core.propose(bytes("b"))).toBeUndefined();
  });

  test("is dropped while leadership is handed over", () => {
    const group = new Group([1, 2, 3]);
    const leader = group.elect(1);
    leader.core.transferLeadership(2);
    expect(leader.core.propose(bytes("a"))).toMatchObject({ reason: "transfer" });
    group.settle();
    expect(leaderOf(group)).toEqual([2]);
  });
});

describe("leadership", () => {
  test("stays where it is when a handover isn't taken up within an election timeout", () => {
    const group = new Group([1, 2, 3], { electionTicks: 10 });
    const leader = group.elect(1);
    leader.core.transferLeadership(2);
    for (let n = 0; n < 10; n++) {
      expect(leader.core.propose(bytes("a"))).toMatchObject({ reason: "transfer" });
      leader.core.tick();
      group.settle(({ type }) => type !== "timeoutNow");
    }
    expect(leader.core.propose(bytes("a"))).toBeUndefined();
  });

  test("waits for the candidate's own vote to be durable, even if the others' votes are enough", () => {
    const storage = new MemoryStorage();
    const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    storage.applySnapshot({ index: 1, term: 1, confState, data: NO_DATA });
    const core = new RaftCore({ id: 1, storage, random: () => 0, preVote: false, asyncStorageWrites: true });
    core.campaign();
    const write = core.ready().messages.find(({ type }) => type === "storageAppend");
    for (const from of [2, 3]) core.step(message("voteResponse", 1, { from, term: 1 }));
    expect(core.status().role).toBe("candidate");
    for (const response of write?.responses ?? []) core.step(response);
    expect(core.status().role).toBe("leader");
  });

  test("is not sought by a node that has a change of members to apply", () => {
    const storage = new MemoryStorage();
    const confState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    storage.applySnapshot({ index: 1, term: 1, confState, data: NO_DATA });
    const change = { changes: [{ kind: "remove" as const, node: 1 }], transition: "auto" as const, context: NO_DATA };
    storage.append([{ term: 1, index: 2, type: "confChange", data: encodeConfChange(change) }]);
    storage.setHardState({ term: 1, vote: 0, commit: 2 });
    const core = new RaftCore({ id: 1, storage, random: () => 0, applied: 1 });
    core.campaign();
    expect(core.status().role).toBe("follower");
  });
});

describe("a snapshot", () => {
  test("that was not delivered is sent again", () => {
    const group = new Group([1, 2], {}, 3);
    const leader = group.elect(1);
    const change = {
      changes: [{ kind: "addLearner" as const, node: 3 }],
      transition: "auto" as const,
      context: NO_DATA,
    };
    leader.core.proposeConfChange(change);
    group.settle(({ to }) => to !== 3);
    const { applied, members } = leader.core.status();
    leader.storage.saveSnapshot({ index: applied, term: 1, confState: members, data: NO_DATA });
    leader.core.tick();
    group.settle(({ type }) => type !== "snapshot");
    expect(leader.core.status().progress[3]).toMatchObject({ state: "snapshot" });
    leader.core.reportSnapshot(3, false);
    expect(leader.core.status().progress[3]).toMatchObject({ state: "probe", next: 1 });
    leader.core.tick();
    group.settle();
    expect(group.member(3).core.status().members.learners).toEqual([3]);
  });

  test("is known to be durable although the term has changed while it was written", () => {
    const core = new RaftCore({ id: 3, storage: new MemoryStorage(), random: () => 0, asyncStorageWrites: true });
    const confState = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const snapshot = { index: 9, term: 1, confState, data: NO_DATA };
    core.step(message("snapshot", 3, { from: 1, term: 1, snapshot }));
    const write = core.ready().messages.find(({ type }) => type === "storageAppend");
    core.step(message("heartbeat", 3, { from: 2, term: 2 }));
    for (const response of write?.responses ?? []) if (response.to === 3) core.step(response);
    expect(core.status()).toMatchObject({ applied: 9, hardState: { term: 2 } });
  });
});

describe("members", () => {
  const addTo = (group: Group, node: number) => {
    const change = { changes: [{ kind: "addVoter" as const, node }], transition: "auto" as const, context: NO_DATA };
    group.member(1).core.proposeConfChange(change);
    group.settle();
  };

  test("that are new get no snapshot that doesn't name them, and catch up with one that does", () => {
    const group = new Group([1, 2, 3], {}, 4);
    const leader = group.elect(1);
    leader.storage.compact(leader.storage.lastIndex());
    addTo(group, 4);
    leader.core.tick();
    group.settle();
    expect(group.member(4).core.status().lastIndex).toBe(0);
    const { applied, members } = leader.core.status();
    leader.storage.saveSnapshot({
      index: applied,
      term: leader.storage.term(applied),
      confState: members,
      data: NO_DATA,
    });
    leader.core.tick();
    group.settle();
    expect(group.member(4).core.status().members.voters).toEqual([1, 2, 3, 4]);
  });

  test("a change that can't be applied becomes an empty entry", () => {
    const group = new Group([1]);
    const leader = group.elect(1);
    const change = { changes: [{ kind: "remove" as const, node: 1 }], transition: "auto" as const, context: NO_DATA };
    expect(leader.core.proposeConfChange(change)).toBeUndefined();
    group.settle();
    expect(leader.core.status()).toMatchObject({ role: "leader", members: { voters: [1] } });
  });

  test("a change that was dropped stands in the way of no other", () => {
    const group = new Group([1, 2], { maxUncommittedBytes: 4 }, 3);
    const leader = group.elect(1);
    leader.core.propose(bytes("larger than the limit"));
    const change = {
      changes: [{ kind: "addLearner" as const, node: 3 }],
      transition: "auto" as const,
      context: NO_DATA,
    };
    expect(leader.core.proposeConfChange(change)).toMatchObject({ reason: "uncommitted" });
    group.settle();
    leader.core.proposeConfChange(change);
    group.settle();
    expect(leader.core.status().members.learners).toEqual([3]);
  });

  test("a leader that removed itself lets the others know that they may do without it", () => {
    const group = new Group([1, 2]);
    const leader = group.elect(1);
    const change = { changes: [{ kind: "remove" as const, node: 1 }], transition: "auto" as const, context: NO_DATA };
    leader.core.proposeConfChange(change);
    leader.core.propose(bytes("longer"));
    // Member 2 has the change, and is told neither of the entry behind it nor of the commit.
    group.settle(
      ({ type, to, index, entries }) => to === 1 || (type === "append" && index === 2 && entries.length === 1),
    );
    expect(leader.core.status().role).toBe("follower");
    for (let n = 0; n < 40; n++) {
      group.member(2).core.tick();
      group.settle();
    }
    expect(leaderOf(group)).toEqual([2]);
  });
});

describe("what is not to be", () => {
  test("a message that only storage may send is refused, and an answer of a stranger", () => {
    const { core } = new Group([1, 2, 3]).member(1);
    const forged = message("storageAppendResponse", 1, { from: 2, term: 1, index: 5, logTerm: 1 });
    expect(core.step(forged)).toEqual(code("ESC_RAFT_LOCAL_MESSAGE"));
    expect(core.step(message("appendResponse", 1, { from: 9, term: 1 }))).toEqual(code("ESC_RAFT_UNKNOWN_PEER"));
  });

  test("a Ready before the last one is advanced, or an advance without one, throws", () => {
    const { core } = new Group([1, 2, 3]).member(1);
    expect(() => core.advance()).toThrow(code("ESC_RAFT_INVARIANT"));
    core.campaign();
    core.ready();
    expect(() => core.ready()).toThrow(code("ESC_RAFT_INVARIANT"));
  });

  test("a follower that lost what it had confirmed stops when it is told that it is committed", () => {
    const { core } = new Group([1, 2, 3]).member(1);
    expect(() => core.step(message("heartbeat", 1, { from: 2, term: 2, commit: 9 }))).toThrow(
      code("ESC_RAFT_INVARIANT"),
    );
  });

  test.each([
    { id: 0 },
    { electionTicks: 1, heartbeatTicks: 1 },
    { maxInflightMessages: 0 },
    { readMode: "lease" as const, checkQuorum: false },
    { maxMessageBytes: 0.5 },
  ])("options %o throw", (wrong) => {
    const options = { id: 1, storage: new MemoryStorage(), random: () => 0, ...wrong };
    expect(() => new RaftCore(options)).toThrow(code("ESC_RAFT_OPTIONS"));
  });
});

test("the status is plain data, with the progress of each member at the leader", () => {
  const group = new Group([1, 2, 3]);
  const status = JSON.parse(JSON.stringify(group.elect(1).core.status()));
  expect(status).toMatchObject({ id: 1, role: "leader", lead: 1, hardState: { term: 1, vote: 1, commit: 2 } });
  expect(status.progress[2]).toMatchObject({ match: 2, next: 3, state: "replicate" });
  expect(JSON.parse(JSON.stringify(group.member(2).core.status())).progress).toEqual({});
});
