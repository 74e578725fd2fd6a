/** "Did you mean …?" */
import { closest, distance } from "fastest-levenshtein";

/** A hint naming the candidate that is nearest to what was written, or nothing when none is near. */
export function didYouMean(written: string, candidates: readonly string[]): string {
  if (candidates.length === 0) return "";
  const nearest = closest(written, candidates);
  const near = distance(written.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, Math.floor(written.length / 2));
  return near ? ` Did you mean ${nearest}?` : ` Known: ${candidates.join(", ")}.`;
}
