/** Watches a group and says which of Raft's promises was broken, if one was. */
import type { Entry } from "../src/entry.ts";
import { NO_TERM } from "../src/log.ts";
import type { RaftState } from "../src/raft/state.ts";
import type { Machine } from "./machine.ts";

export type Pledge =
  | "election safety"
  | "log matching"
  | "leader completeness"
  | "state machine safety"
  | "linearizability"
  | "liveness"
  | "invariant";

export class Broken extends Error {
  readonly promise: Pledge;

  constructor(promise: Pledge, what: string) {
    super(`${promise}: ${what}`);
    this.promise = promise;
  }
}

export class Referee {
  readonly #leaders = new Map<number, number>();
  /** What any node was told is committed: index to term. */
  readonly #committed = new Map<number, number>();
  /** The checksum of each state that a machine was in, by index. */
  readonly #states = new Map<number, number>();
  #lastCommitted = 0;

  /** There is one leader in a term at most, and it has everything that was committed before. */
  sawLeader(raft: RaftState): void {
    const known = this.#leaders.get(raft.term);
    if (known === raft.id) return;
    if (known !== undefined)
      throw new Broken("election safety", `${known} and ${raft.id} both lead in term ${raft.term}`);
    this.#leaders.set(raft.term, raft.id);
    for (let index = raft.log.firstIndex(); index <= this.#lastCommitted; index++) {
      const term = this.#committed.get(index);
      if (term === undefined || term >= raft.term) continue;
      if (!raft.log.hasEntry(index, term)) {
        throw new Broken("leader completeness", `${raft.id} leads in term ${raft.term} without entry ${term}/${index}`);
      }
    }
  }

  /** No two nodes are told of different entries at one index. */
  sawCommitted(id: number, entries: readonly Entry[]): void {
    for (const { index, term } of entries) {
      const known = this.#committed.get(index);
      if (known !== undefined && known !== term) {
        throw new Broken("state machine safety", `${id} was told of ${term}/${index}, another of ${known}/${index}`);
      }
      this.#committed.set(index, term);
      this.#lastCommitted = Math.max(this.#lastCommitted, index);
    }
  }

  /** Machines that have applied as much are in the same state, however they got there. */
  sawState(id: number, { applied, checksum }: Machine): void {
    const known = this.#states.get(applied);
    if (known !== undefined && known !== checksum) {
      throw new Broken("state machine safety", `${id} is in another state at ${applied} than another node was`);
    }
    this.#states.set(applied, checksum);
  }

  /** Logs that have an entry in common have everything before it in common. */
  compareLogs(nodes: readonly RaftState[]): void {
    for (const [n, a] of nodes.entries()) {
      for (const b of nodes.slice(n + 1)) compare(a, b);
    }
  }
}

function compare(a: RaftState, b: RaftState): void {
  const first = Math.max(a.log.firstIndex(), b.log.firstIndex());
  let same = false;
  for (let index = Math.min(a.log.lastIndex(), b.log.lastIndex()); index >= first; index--) {
    const [x, y] = [a.log.term(index), b.log.term(index)];
    if (x === NO_TERM || y === NO_TERM) return;
    if (same && x !== y) throw new Broken("log matching", `${a.id} and ${b.id} differ at ${index} and agree behind it`);
    same ||= x === y;
  }
}
