/** A histogram at one moment: plain numbers that never change, to be asked, merged and subtracted. */
import { EscError } from "@esc/events";
import type { BucketLayout } from "./bucket-layout.ts";

/** @internal What a snapshot is made of: counts of the buckets from `first` on; all others are 0. */
export interface SnapshotParts {
  readonly first: number;
  readonly counts: Float64Array;
  readonly minNs: number;
  readonly maxNs: number;
  readonly sumNs: number;
  readonly clamped: number;
}

/** How many values are at most this large. */
export interface CumulativeCount {
  readonly upToNs: number;
  readonly count: number;
}

export class HistogramSnapshot {
  readonly layout: BucketLayout;
  /** How many values. */
  readonly count: number;
  /** Their sum, in ns; exact up to 2^53. */
  readonly sumNs: number;
  /** The least and the greatest, exact; of a {@link since} within the digits. 0 when there is none. */
  readonly minNs: number;
  readonly maxNs: number;
  /** How many of them were over the highest value, and count as that. */
  readonly clamped: number;
  readonly #first: number;
  readonly #counts: Float64Array;

  /** @internal */
  constructor(layout: BucketLayout, { first, counts, minNs, maxNs, sumNs, clamped }: SnapshotParts) {
    this.layout = layout;
    this.#first = first;
    this.#counts = counts;
    this.count = counts.reduce((sum, count) => sum + count, 0);
    this.sumNs = sumNs;
    this.clamped = clamped;
    this.minNs = this.count === 0 ? 0 : minNs;
    this.maxNs = this.count === 0 ? 0 : maxNs;
  }

  /** @internal */
  static empty(layout: BucketLayout): HistogramSnapshot {
    const counts = new Float64Array(0);
    return new HistogramSnapshot(layout, { first: 0, counts, minNs: 0, maxNs: 0, sumNs: 0, clamped: 0 });
  }

  /** The mean in ns; 0 when there is no value. */
  get meanNs(): number {
    return this.count === 0 ? 0 : this.sumNs / this.count;
  }

  /**
   * The least value that at least `percent` of the values don't exceed, in ns: never below the true one, and over it by
   * less than the digits promise (0.1% with 3) or `lowestNs`. 0 when there is no value.
   * @param percent 0 to 100; 0 gives the least bucket's.
   * @throws EscError `ESC_HISTOGRAM_PERCENTILE`.
   */
  percentile(percent: number): number {
    if (!(percent >= 0 && percent <= 100)) {
      throw new EscError("ESC_HISTOGRAM_PERCENTILE", `A percentile is 0 to 100, not ${percent}.`);
    }
    const rank = Math.max(1, Math.ceil((percent * this.count) / 100));
    let passed = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      passed += this.#counts[i] as number;
      if (passed >= rank) return Math.min(this.layout.greatestOf(this.#first + i), this.maxNs);
    }
    return this.maxNs;
  }

  /**
   * For each bound, how many values are in its bucket or a lower one. `upToNs` is that bucket's greatest value, the bound
   * moved up to where the count is exact; bounds that move to the same place are one, those over the highest are left out.
   * @param boundsNs ascending.
   */
  cumulative(boundsNs: readonly number[]): CumulativeCount[] {
    const all: CumulativeCount[] = [];
    let passed = 0;
    let next = 0;
    for (const bound of boundsNs) {
      if (bound > this.layout.highestNs) break;
      const bucket = this.layout.bucketOf(bound);
      const upToNs = this.layout.greatestOf(bucket);
      if (all.at(-1)?.upToNs === upToNs) continue;
      for (; next < this.#counts.length && this.#first + next <= bucket; next++) passed += this.#counts[next] as number;
      all.push({ upToNs, count: passed });
    }
    return all;
  }

  /**
   * The values of both, as if one histogram had recorded them.
   * @throws EscError `ESC_HISTOGRAM_OPTIONS` when their buckets differ.
   */
  merge(other: HistogramSnapshot): HistogramSnapshot {
    this.#expectSameBuckets(other);
    if (this.count === 0) return other;
    if (other.count === 0) return this;
    const first = Math.min(this.#first, other.#first);
    const end = Math.max(this.#first + this.#counts.length, other.#first + other.#counts.length);
    return new HistogramSnapshot(this.layout, {
      first,
      counts: new Float64Array(end - first).map((_, i) => this.#count(first + i) + other.#count(first + i)),
      minNs: Math.min(this.minNs, other.minNs),
      maxNs: Math.max(this.maxNs, other.maxNs),
      sumNs: this.sumNs + other.sumNs,
      clamped: this.clamped + other.clamped,
    });
  }

  /**
   * What was recorded between an earlier snapshot of the same histogram and this one: nothing ever has to be reset.
   * @throws EscError `ESC_HISTOGRAM_OPTIONS` when their buckets differ, `ESC_HISTOGRAM_ORDER` when that one is not earlier.
   */
  since(earlier: HistogramSnapshot): HistogramSnapshot {
    this.#expectSameBuckets(earlier);
    const counts = this.#counts.map((count, i) => count - earlier.#count(this.#first + i));
    const missing = earlier.#counts.some((count, i) => count > this.#count(earlier.#first + i));
    if (missing) {
      throw new EscError("ESC_HISTOGRAM_ORDER", "since() takes an earlier snapshot of the same histogram.");
    }
    const least = counts.findIndex((count) => count > 0);
    if (least < 0) return HistogramSnapshot.empty(this.layout);
    const greatest = counts.findLastIndex((count) => count > 0);
    return new HistogramSnapshot(this.layout, {
      first: this.#first,
      counts,
      minNs: Math.max(this.minNs, this.layout.leastOf(this.#first + least)),
      maxNs: Math.min(this.maxNs, this.layout.greatestOf(this.#first + greatest)),
      sumNs: this.sumNs - earlier.sumNs,
      clamped: this.clamped - earlier.clamped,
    });
  }

  #count(bucket: number): number {
    return this.#counts[bucket - this.#first] ?? 0;
  }

  #expectSameBuckets(other: HistogramSnapshot): void {
    if (this.layout.sameBuckets(other.layout)) return;
    throw new EscError(
      "ESC_HISTOGRAM_OPTIONS",
      "Only histograms with the same lowestNs, highestNs and significantDigits can be put together.",
    );
  }
}
