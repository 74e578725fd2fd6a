/** Plays recorded cases of quorums: the drawing of who has how much, and what is decided by it. */
import { ascending } from "../src/config.ts";
import { jointCommittedIndex, jointVoteResult } from "../src/quorum/joint.ts";
import { type Case, value, values } from "./datadriven.ts";

const WORDS = { won: "VoteWon", lost: "VoteLost", pending: "VotePending" };

interface Halves {
  readonly incoming: ReadonlySet<number>;
  readonly outgoing: ReadonlySet<number>;
  /** In the order in which the case gives each one's index or vote. */
  readonly ids: readonly number[];
}

/** What a case prints. */
export function runQuorumCase(found: Case): string {
  const { incoming, outgoing, ids } = halvesOf(found);
  if (found.command === "vote") {
    const votes = new Map<number, boolean>();
    for (const [id, vote] of given(found, "votes", ids)) votes.set(id, vote === "y");
    return WORDS[jointVoteResult(incoming, outgoing, votes)];
  }
  if (found.command !== "committed") throw new Error(`line ${found.line}: unknown command ${found.command}`);
  const acked = new Map([...given(found, "idx", ids)].map(([id, index]) => [id, Number(index)]));
  const index = jointCommittedIndex(incoming, outgoing, { acked: (id) => acked.get(id) ?? 0 });
  return drawing(ids, acked) + (index === Number.POSITIVE_INFINITY ? "∞" : String(index));
}

function halvesOf(found: Case): Halves {
  const half = (key: string) => (values(found, key) ?? []).filter((id) => id !== "zero").map(Number);
  const [first, second] = [half("cfg"), half("cfgj")];
  return { incoming: new Set(first), outgoing: new Set(second), ids: [...new Set([...first, ...second])] };
}

/** What is given of each voter; `_` stands for nothing. */
function* given(found: Case, key: string, ids: readonly number[]): Iterable<[number, string]> {
  const list = values(found, key) ?? [];
  for (const [n, word] of list.entries()) {
    const id = ids[n];
    if (id === undefined)
      throw new Error(`line ${found.line}: ${key}=${value(found, key)}… is more than there are voters`);
    if (word !== "_") yield [id, word];
  }
}

/** Voters by id, each with a bar as long as there are voters that have less. */
function drawing(ids: readonly number[], acked: ReadonlyMap<number, number>): string {
  if (ids.length === 0) return "<empty majority quorum>";
  const index = (id: number) => acked.get(id) ?? 0;
  const width = ids.length;
  const lines = ascending(ids).map((id) => {
    const bar = ids.filter((other) => index(other) < index(id)).length;
    const drawn = acked.has(id) ? `${"x".repeat(bar)}>${" ".repeat(width - bar)}` : `?${" ".repeat(width)}`;
    return `${drawn} ${String(index(id)).padStart(5)}    (id=${id})\n`;
  });
  return `${" ".repeat(width)}    idx\n${lines.join("")}`;
}
