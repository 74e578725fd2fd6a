/**
 * Which bucket a value belongs to, and which values a bucket has: the arithmetic of `assembly/histogram.ts`, for those who
 * read.
 *
 * With 3 digits there are 2,048 buckets of one unit, then 1,024 for each doubling: a bucket's width is at most 1/1,024 of
 * its least value.
 */
import { EscError } from "@esc/events";

export interface HistogramOptions {
  /** Values below this needn't be told apart, in ns: 1 (unless given) or more. */
  readonly lowestNs?: number;
  /** Values over this count as this, in ns: up to 2^53 - 1, at least twice the lowest; an hour unless given. */
  readonly highestNs?: number;
  /** Decimal digits that hold, 1 to 4; 3 unless given: a percentile is less than 0.1% over the true one. */
  readonly significantDigits?: number;
  /** Threads that record, at most: 1 to 64, 8 unless given. Each has a shard of 8 bytes a bucket: 264 KiB as it comes. */
  readonly maxThreads?: number;
}

const HOUR_NS = 3_600e9;
const MAX_THREADS = 64;

export class BucketLayout {
  readonly lowestNs: number;
  readonly highestNs: number;
  readonly significantDigits: number;
  readonly maxThreads: number;
  /** Values are counted in units of 2^unitBits ns. */
  readonly unitBits: number;
  /** log2 of how many buckets of one unit there are. */
  readonly subBucketBits: number;
  /** Buckets in all. */
  readonly buckets: number;

  /** @throws EscError `ESC_HISTOGRAM_OPTIONS`. */
  constructor(options: HistogramOptions = {}) {
    const { lowestNs = 1, highestNs = HOUR_NS, significantDigits = 3, maxThreads = 8 } = options;
    within("significantDigits", significantDigits, 1, 4);
    within("maxThreads", maxThreads, 1, MAX_THREADS);
    within("highestNs", highestNs, 2, Number.MAX_SAFE_INTEGER);
    within("lowestNs", lowestNs, 1, Math.floor(highestNs / 2));
    this.lowestNs = lowestNs;
    this.highestNs = highestNs;
    this.significantDigits = significantDigits;
    this.maxThreads = maxThreads;
    this.unitBits = bitsOf(lowestNs) - 1;
    // Twice 10^digits: the half of them that the doublings use still tells 10^digits values apart.
    this.subBucketBits = bitsOf(2 * 10 ** significantDigits - 1);
    this.buckets = this.bucketOf(highestNs) + 1;
  }

  /** The bucket of a value, in whole ns and not over the highest. */
  bucketOf(valueNs: number): number {
    const units = Math.floor(valueNs / 2 ** this.unitBits);
    const shift = Math.max(0, bitsOf(units) - this.subBucketBits);
    return shift * 2 ** (this.subBucketBits - 1) + Math.floor(units / 2 ** shift);
  }

  /** The least value of a bucket, in ns. */
  leastOf(bucket: number): number {
    const half = 2 ** (this.subBucketBits - 1);
    const shift = Math.max(0, Math.floor(bucket / half) - 1);
    return (bucket - shift * half) * 2 ** (shift + this.unitBits);
  }

  /** The greatest value of a bucket, in ns. */
  greatestOf(bucket: number): number {
    return this.leastOf(bucket + 1) - 1;
  }

  /** Whether buckets of the one are buckets of the other. */
  sameBuckets(other: BucketLayout): boolean {
    const { unitBits, subBucketBits, highestNs } = this;
    return other.unitBits === unitBits && other.subBucketBits === subBucketBits && other.highestNs === highestNs;
  }
}

/** Bits that a whole number up to 2^53 takes; 0 for 0. */
function bitsOf(value: number): number {
  return value >= 2 ** 32 ? 64 - Math.clz32(value / 2 ** 32) : 32 - Math.clz32(value);
}

function within(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new EscError("ESC_HISTOGRAM_OPTIONS", `${name} takes a whole number from ${least} to ${most}, not ${value}.`);
}
