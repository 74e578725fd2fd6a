/** What a deduplicator tells about itself. */

export interface DeduplicatorGeneration {
  /** Counted from 0 since the deduplicator was made. */
  readonly number: number;
  /** Ids in its table, those out of the window included. */
  readonly ids: number;
  /** Its oldest and newest acceptance, by the clocks that callers gave; undefined when there was none. */
  readonly oldestMs: number | undefined;
  readonly newestMs: number | undefined;
}

export interface DeduplicatorStatistics {
  readonly capacity: number;
  readonly windowMs: number;
  /** Every id accepted within so many ms before `nowMs` is remembered. The window, unless ids were forgotten early. */
  readonly effectiveWindowMs: number;
  /** Ids accepted as new, restored ones included. */
  readonly inserts: number;
  readonly duplicates: number;
  /** Ids that were forgotten before their window ended, because more than `capacity` came within it. */
  readonly forgottenEarly: number;
  readonly rotations: number;
  /** The oldest acceptance in any table, possibly out of the window; undefined when there was none. */
  readonly oldestMs: number | undefined;
  /** Those that are read, oldest first; the last one is the one that ids are accepted in. */
  readonly generations: readonly DeduplicatorGeneration[];
}

const HEAD = 6;
const PER_GENERATION = 4;
export const MAX_REPORT_NUMBERS = HEAD + PER_GENERATION * 16;

/** Reads what the kernel's `report` wrote; `assembly/dedup-report.ts` has its layout. */
export function readReport(
  numbers: Float64Array,
  capacity: number,
  windowMs: number,
  nowMs: number,
): DeduplicatorStatistics {
  const at = (index: number): number => numbers[index] as number;
  const generations: DeduplicatorGeneration[] = [];
  for (let i = HEAD; i < HEAD + PER_GENERATION * at(5); i += PER_GENERATION) {
    generations.push({ number: at(i), ids: at(i + 1), oldestMs: time(at(i + 2)), newestMs: time(at(i + 3)) });
  }
  const oldest = Math.min(...generations.map(({ oldestMs = Infinity }) => oldestMs));
  return {
    capacity,
    windowMs,
    effectiveWindowMs: Math.max(0, Math.min(windowMs, nowMs - at(2) - 1)),
    inserts: at(3),
    duplicates: at(4),
    forgottenEarly: at(1),
    rotations: at(0),
    oldestMs: time(oldest),
    generations,
  };
}

function time(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}
