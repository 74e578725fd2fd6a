/**
 * How a case is warmed up and repeated in Node. The rules are those of the C++ and Java drivers: the count of items is
 * doubled until a run takes a tenth of the asked time, goes on until the warm-up is over, and is then fixed for all runs.
 */
import type { Figure } from "./figure.ts";

export interface MeasureOptions {
  /** Measured runs; default 5. */
  readonly runs?: number;
  /** About how long a run lasts; default 1. */
  readonly seconds?: number;
  /** How long a case runs before it is measured, so that its code is compiled and stays so; default 1. */
  readonly warmUpSeconds?: number;
}

type Named = Omit<Figure, "unit" | "runs" | "quantile">;

/** Counts are multiples of this, so that two producers and batches of 256 come out even. */
export const COUNT_UNIT = 512;

/** Items a second of `transfer`, which does `count` items, checks them and returns the seconds they took. */
export async function measureRate(
  named: Named,
  transfer: (count: number) => number | Promise<number>,
  options: MeasureOptions = {},
): Promise<Figure> {
  const count = await calibrate(transfer, options);
  const runs: number[] = [];
  for (let run = 0; run < (options.runs ?? 5); run++) runs.push(count / (await transfer(count)));
  return { ...named, unit: "items/s", runs };
}

/** One round trip per sample, in nanoseconds. */
export interface Trips {
  readonly seconds: number;
  readonly samples: Float64Array;
}

/** Median, 99th and 99.9th percentile of `trips`: three figures. */
export async function measureLatency(
  named: Named,
  trips: (count: number) => Trips | Promise<Trips>,
  options: MeasureOptions = {},
): Promise<Figure[]> {
  const count = await calibrate(async (n) => (await trips(n)).seconds, options);
  const runs: Float64Array[] = [];
  for (let run = 0; run < (options.runs ?? 5); run++) runs.push((await trips(count)).samples.sort());
  const at = (samples: Float64Array, part: number) =>
    samples[Math.min(samples.length - 1, Math.floor(part * samples.length))] ?? Number.NaN;
  return [0.5, 0.99, 0.999].map((part) => ({
    ...named,
    unit: "ns" as const,
    quantile: `p${Number((part * 100).toFixed(1))}`,
    runs: runs.map((samples) => at(samples, part)),
  }));
}

async function calibrate(
  transfer: (count: number) => number | Promise<number>,
  { seconds = 1, warmUpSeconds = 1 }: MeasureOptions,
): Promise<number> {
  let warm = 0;
  for (let count = COUNT_UNIT; ; ) {
    const took = await transfer(count);
    warm += took;
    if (took < seconds / 10) count *= 2;
    else if (warm >= warmUpSeconds) return Math.max(1, Math.floor((count * seconds) / took / COUNT_UNIT)) * COUNT_UNIT;
  }
}
