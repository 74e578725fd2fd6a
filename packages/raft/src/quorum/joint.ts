/** Two majorities at once, while members change: nothing is decided that either of them hasn't decided. */
import { type Acked, committedIndex, type VoteResult, voteResult } from "./majority.ts";

/** The highest index that a majority of each half has. Infinity when both are empty. */
export function jointCommittedIndex(
  incoming: ReadonlySet<number>,
  outgoing: ReadonlySet<number>,
  progress: Acked,
): number {
  const first = committedIndex(incoming, progress);
  if (outgoing.size === 0) return first;
  return Math.min(first, committedIndex(outgoing, progress));
}

/** Won when both have won, lost when one has lost. */
export function jointVoteResult(
  incoming: ReadonlySet<number>,
  outgoing: ReadonlySet<number>,
  votes: ReadonlyMap<number, boolean>,
): VoteResult {
  const first = voteResult(incoming, votes);
  const second = voteResult(outgoing, votes);
  if (first === second) return first;
  return first === "lost" || second === "lost" ? "lost" : "pending";
}
