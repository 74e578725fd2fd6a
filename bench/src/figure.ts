/**
 * A figure: what one case of one program measured, run by run. Drivers print them as JSON lines, benches compare them by
 * their case.
 */

/** `items/s`: more is better. `ns`: less is better. */
export type Unit = "items/s" | "ns";

export interface Figure {
  /** Who was measured. */
  readonly peer: string;
  readonly version: string;
  /** What was measured: figures of the same case may be compared. */
  readonly case: string;
  readonly unit: Unit;
  /** Of a latency: which part of its distribution this is ("p50", "p99", "p99.9"). */
  readonly quantile?: string;
  /** One value per run, in the order they ran; at least one. */
  readonly runs: readonly number[];
}

export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Of an even number of runs the median is the upper of the two in the middle. Throws a RangeError without a run. */
export function spread(runs: readonly number[]): Spread {
  const sorted = [...runs].sort((a, b) => a - b);
  const [median, lowest, highest] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)];
  if (median === undefined || lowest === undefined || highest === undefined) throw new RangeError("no run to sum up");
  return { median, lowest, highest };
}

/**
 * Figures of several rounds as one each: who measures ours and the peers in turn, a run or two at a time, compares what
 * the same minutes gave. Order is that of the first round.
 */
export function joinRounds(figures: readonly Figure[]): Figure[] {
  const groups = Map.groupBy(figures, (figure) =>
    JSON.stringify([figure.peer, figure.version, figure.case, figure.unit, figure.quantile]),
  );
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, runs: [first, ...others].flatMap(({ runs }) => runs) }],
  );
}

/** Reads a driver's line. Throws a TypeError that quotes the line when it is not a figure. */
export function parseFigure(line: string): Figure {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TypeError(`not a figure: ${line}`, { cause });
  }
  if (!isFigure(value)) throw new TypeError(`not a figure: ${line}`);
  const { peer, version, unit, runs } = value;
  const quantile = value.quantile === undefined ? {} : { quantile: value.quantile };
  return { peer, version, case: value.case, unit, runs, ...quantile };
}

function isFigure(value: unknown): value is Figure {
  if (typeof value !== "object" || value === null) return false;
  const { peer, version, case: name, unit, quantile, runs } = value as Record<string, unknown>;
  return (
    [peer, version, name].every((text) => typeof text === "string" && text !== "") &&
    (unit === "items/s" || unit === "ns") &&
    (quantile === undefined || typeof quantile === "string") &&
    Array.isArray(runs) &&
    runs.length > 0 &&
    runs.every((run) => typeof run === "number" && Number.isFinite(run) && run > 0)
  );
}
