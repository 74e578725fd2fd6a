/** A histogram's figures as `/api/v1/stats` and `esc bench` tell them. */
import type { HistogramSnapshot } from "@esc/metrics";

/** Times in nanoseconds; 0 when nothing was measured. */
export interface Latency {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

export function latencyOf(snapshot: HistogramSnapshot): Latency {
  return {
    count: snapshot.count,
    min: snapshot.minNs,
    mean: Math.round(snapshot.meanNs),
    p50: snapshot.percentile(50),
    p90: snapshot.percentile(90),
    p99: snapshot.percentile(99),
    p999: snapshot.percentile(99.9),
    p9999: snapshot.percentile(99.99),
    max: snapshot.maxNs,
  };
}
