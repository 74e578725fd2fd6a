/**
 * Numbers of one window: count, sum, least, greatest, mean, percentiles. Memory is fixed: 40 bytes, and with
 * percentiles a DDSketch of at most 2 × 2,048 bins (Masson, Rim, Lee: "DDSketch", VLDB 2019), whose answers are within
 * 1% of the true value at that rank, whatever the distribution. The bins cover seventeen powers of ten: of positive
 * numbers further apart, and of negative ones, the smaller ones share a bin.
 */
import { LogCollapsingLowestDenseDDSketch } from "@datadog/sketches-js";

/** How far a percentile may be from the true value, as a share of it. */
export const PERCENTILE_ACCURACY = 0.01;

/** The same as plain data, for a checkpoint. */
export interface AggregateState {
  readonly count: number;
  readonly sum: number;
  /** What rounding took from the sum. */
  readonly rest: number;
  readonly min: number;
  readonly max: number;
  /** Sketch: bins of positive and of negative values as [key, count], and the zeros. */
  readonly sketch?: { readonly positive: Bins; readonly negative: Bins; readonly zeros: number };
}
type Bins = readonly (readonly [key: number, count: number])[];
type Sketch = LogCollapsingLowestDenseDDSketch;

export class Aggregate {
  readonly #sketch: Sketch | undefined;
  #count = 0;
  #sum = 0;
  #rest = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** @param percentiles whether {@link percentile} will be asked. */
  constructor(percentiles: boolean) {
    this.#sketch = percentiles
      ? new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: PERCENTILE_ACCURACY, binLimit: 2_048 })
      : undefined;
  }

  /** Counts a value; it must be finite. */
  add(value: number): void {
    this.#count++;
    // Neumaier's sum: what a small value loses beside a large one is kept apart, so a million cents stay a million cents.
    const sum = this.#sum + value;
    this.#rest += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    this.#sketch?.accept(value);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum + this.#rest;
  }

  /** The least value; NaN without any. */
  get min(): number {
    return this.#count === 0 ? Number.NaN : this.#min;
  }

  /** The greatest value; NaN without any. */
  get max(): number {
    return this.#count === 0 ? Number.NaN : this.#max;
  }

  /** NaN without any value. */
  get mean(): number {
    return this.#count === 0 ? Number.NaN : this.sum / this.#count;
  }

  /** The value at a percentile, 0 to 100, within {@link PERCENTILE_ACCURACY}; NaN without any value or without a sketch. */
  percentile(percent: number): number {
    if (this.#sketch === undefined || this.#count === 0) return Number.NaN;
    const value = this.#sketch.getValueAtQuantile(percent / 100);
    return Math.min(this.#max, Math.max(this.#min, value));
  }

  /** Everything as plain data: what {@link Aggregate.from} takes. */
  state(): AggregateState {
    const sketch = this.#sketch;
    return {
      count: this.#count,
      sum: this.#sum,
      rest: this.#rest,
      // JSON has no infinity.
      min: this.#count === 0 ? 0 : this.#min,
      max: this.#count === 0 ? 0 : this.#max,
      ...(sketch && {
        sketch: { positive: binsOf(sketch.store), negative: binsOf(sketch.negativeStore), zeros: sketch.zeroCount },
      }),
    };
  }

  static from(state: AggregateState): Aggregate {
    const aggregate = new Aggregate(state.sketch !== undefined);
    if (state.count === 0) return aggregate;
    aggregate.#count = state.count;
    aggregate.#sum = state.sum;
    aggregate.#rest = state.rest;
    aggregate.#min = state.min;
    aggregate.#max = state.max;
    const sketch = aggregate.#sketch;
    if (sketch === undefined || state.sketch === undefined) return aggregate;
    for (const [key, count] of state.sketch.positive) sketch.store.add(key, count);
    for (const [key, count] of state.sketch.negative) sketch.negativeStore.add(key, count);
    sketch.zeroCount = state.sketch.zeros;
    sketch.count = state.count;
    return aggregate;
  }
}

function binsOf({ bins, offset }: Sketch["store"]): [number, number][] {
  const filled: [number, number][] = [];
  for (const [index, count] of bins.entries()) if (count > 0) filled.push([index + offset, count]);
  return filled;
}
