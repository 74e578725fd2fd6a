/** "Did you mean …?" */
import { closest, distance } from "fastest-levenshtein";

/** Longer words are no slips of the finger; the comparison's time grows with their length. */
const MAX_WRITTEN = 200;

/** A hint naming the candidate that is nearest to what was written, whatever its case, or all when none is near. */
export function didYouMean(written: string, candidates: readonly string[]): string {
  const nearest = nearestOf(written, candidates);
  if (nearest !== undefined) return ` Did you mean ${nearest}?`;
  return candidates.length === 0 ? "" : ` Known: ${candidates.join(", ")}.`;
}

/** The candidate that is near enough to have been meant. */
export function nearestOf(written: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0 || written.length > MAX_WRITTEN) return undefined;
  const lower = written.toLowerCase();
  const index = candidates.map((candidate) => candidate.toLowerCase());
  const nearest = closest(lower, index);
  const near = distance(lower, nearest) <= Math.max(2, Math.floor(written.length / 2));
  return near ? candidates[index.indexOf(nearest)] : undefined;
}
