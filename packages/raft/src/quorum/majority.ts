/** The maths of a majority: what more than half of a set of voters agree on. */

/** How far each voter has come; 0 when nothing is known of it. */
export interface Acked {
  acked(id: number): number;
}

export type VoteResult = "won" | "lost" | "pending";

/**
 * The highest index that a majority has. Of no voters at all it is Infinity: they hold nothing back, which makes a joint quorum
 * with an empty half the same as the other half alone.
 *
 * Cost: n log n of the voters, one array.
 */
export function committedIndex(voters: ReadonlySet<number>, progress: Acked): number {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const acked = new Float64Array(voters.size);
  let n = 0;
  for (const id of voters) acked[n++] = progress.acked(id);
  acked.sort();
  // Ascending: from this one on to the end they are a majority, and each has at least this much.
  return acked[n - (Math.floor(n / 2) + 1)] as number;
}

/** What the votes cast so far come to. No voters at all have won, for the same reason as above. */
export function voteResult(voters: ReadonlySet<number>, votes: ReadonlyMap<number, boolean>): VoteResult {
  if (voters.size === 0) return "won";
  const needed = Math.floor(voters.size / 2) + 1;
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}
