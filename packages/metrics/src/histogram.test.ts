import { Arena } from "@esc/arena";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram, type HistogramOptions, type HistogramSnapshot } from "./index.ts";

const HOUR_NS = 3_600e9;

function histogram(options: HistogramOptions = {}): Histogram {
  return Histogram.create(Arena.create({ bytes: Histogram.bytesFor(options) + 4_096 }), "latency", options);
}

/** Records the values and gives back the histogram as it is then. */
function recorded(values: readonly number[], options: HistogramOptions = {}): HistogramSnapshot {
  const made = histogram({ maxThreads: 1, ...options });
  const recorder = made.recorder();
  for (const value of values) recorder.record(value);
  return made.snapshot();
}

/** The value that a sorted array has at a percentile. */
function exact(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] as number;
}

/** As many small as large ones: each size of a value is as likely as any other. */
const durationNs = fc
  .tuple(fc.integer({ min: 0, max: 41 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([bits, part]) => Math.min(HOUR_NS, Math.floor(2 ** bits * (1 + part)) - 1));
const percents = fc.oneof(fc.constantFrom(0, 50, 90, 99, 99.9, 100), fc.double({ min: 0, max: 100, noNaN: true }));

describe("beside a sorted array of the same values", () => {
  test("count, sum, least, greatest and mean are exact", () => {
    fc.assert(
      fc.property(fc.array(durationNs, { minLength: 1, maxLength: 200 }), (values) => {
        const snapshot = recorded(values);
        const sum = values.reduce((all, value) => all + value, 0);
        expect(snapshot.count).toBe(values.length);
        expect(snapshot.sumNs).toBe(sum);
        expect(snapshot.meanNs).toBe(sum / values.length);
        expect([snapshot.minNs, snapshot.maxNs]).toEqual([Math.min(...values), Math.max(...values)]);
      }),
    );
  });

  test.each([1, 2, 3, 4])(
    "with %i digits, a percentile is never below the true one, and over it by less than they promise",
    (significantDigits) => {
      fc.assert(
        fc.property(fc.array(durationNs, { minLength: 1, maxLength: 200 }), percents, (values, percent) => {
          const found = recorded(values, { significantDigits }).percentile(percent);
          const wanted = exact(values, percent);
          expect(found).toBeGreaterThanOrEqual(wanted);
          expect(found - wanted).toBeLessThanOrEqual(wanted * 10 ** -significantDigits);
        }),
        { numRuns: 60 },
      );
    },
  );

  test("values that needn't be told apart are off by less than the lowest", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(durationNs, { minLength: 1, maxLength: 100 }),
        percents,
        (lowestNs, values, percent) => {
          const found = recorded(values, { lowestNs }).percentile(percent);
          const wanted = exact(values, percent);
          expect(found).toBeGreaterThanOrEqual(wanted);
          expect(found - wanted).toBeLessThanOrEqual(Math.max(lowestNs, wanted / 1_000));
        },
      ),
    );
  });

  test("merged, two histograms are as one that has recorded both", () => {
    fc.assert(
      fc.property(fc.array(durationNs), fc.array(durationNs), percents, (some, others, percent) => {
        const merged = recorded(some).merge(recorded(others));
        const one = recorded([...some, ...others]);
        expect(figures(merged, percent)).toEqual(figures(one, percent));
      }),
    );
  });

  test("what came after a snapshot is the difference: nothing is reset", () => {
    fc.assert(
      fc.property(fc.array(durationNs), fc.array(durationNs, { minLength: 1 }), percents, (before, after, percent) => {
        const all = histogram({ maxThreads: 1 });
        const recorder = all.recorder();
        for (const value of before) recorder.record(value);
        const earlier = all.snapshot();
        for (const value of after) recorder.record(value);

        const delta = all.snapshot().since(earlier);

        expect([delta.count, delta.sumNs]).toEqual([after.length, after.reduce((sum, value) => sum + value, 0)]);
        expect(delta.percentile(percent) / Math.max(1, exact(after, percent))).toBeLessThanOrEqual(1.001);
        expect(delta.maxNs / Math.max(1, ...after)).toBeLessThanOrEqual(1.001);
        expect(delta.maxNs).toBeGreaterThanOrEqual(Math.max(...after));
        expect(delta.minNs).toBeLessThanOrEqual(Math.min(...after));
      }),
    );
  });

  test("counted up to a bound, it has what is at most the bound", () => {
    fc.assert(
      fc.property(fc.array(durationNs), fc.array(durationNs, { minLength: 1, maxLength: 20 }), (values, bounds) => {
        const ascending = bounds.toSorted((a, b) => a - b);
        for (const { upToNs, count } of recorded(values).cumulative(ascending)) {
          expect(count).toBe(values.filter((value) => value <= upToNs).length);
        }
        expect(recorded(values).cumulative(ascending).at(-1)?.upToNs).toBeGreaterThanOrEqual(
          ascending.at(-1) as number,
        );
      }),
    );
  });

  test("recordMany is as recording that often", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(durationNs, fc.integer({ min: 0, max: 9 }))), percents, (pairs, percent) => {
        const many = histogram({ maxThreads: 1 });
        for (const [value, count] of pairs) many.recorder().recordMany(value, count);
        const one = recorded(pairs.flatMap(([value, count]) => Array.from({ length: count }, () => value)));
        expect(figures(many.snapshot(), percent)).toEqual(figures(one, percent));
      }),
    );
  });
});

function figures(snapshot: HistogramSnapshot, percent: number) {
  const { count, sumNs, minNs, maxNs, clamped } = snapshot;
  return { count, sumNs, minNs, maxNs, clamped, value: snapshot.percentile(percent) };
}

test("a histogram without values has nothing but zeros", () => {
  const empty = histogram().snapshot();
  expect(figures(empty, 99)).toEqual({ count: 0, sumNs: 0, minNs: 0, maxNs: 0, clamped: 0, value: 0 });
  expect(empty.meanNs).toBe(0);
  expect(empty.since(empty).count).toBe(0);
  expect(empty.merge(empty).count).toBe(0);
});

test("a value over the highest counts as the highest, and is counted as such; what is no duration counts as 0", () => {
  const snapshot = recorded([5_000, 5_001, Number.POSITIVE_INFINITY, -1, Number.NaN, 7.9], { highestNs: 5_000 });
  expect(figures(snapshot, 100)).toEqual({
    count: 6,
    sumNs: 15_007,
    minNs: 0,
    maxNs: 5_000,
    clamped: 2,
    value: 5_000,
  });
});

test("a shard is as large as it says: one thread with three digits, 1 ns to an hour, takes 264 KiB", () => {
  const { layout } = histogram();
  expect(layout.buckets * 8).toBeLessThanOrEqual(264 * 1_024);
  expect(Histogram.bytesFor({ maxThreads: 2 }) - Histogram.bytesFor({ maxThreads: 1 })).toBeLessThanOrEqual(
    264 * 1_024,
  );
  // The last bucket is the highest value's: nothing is written behind the region.
  expect(layout.bucketOf(HOUR_NS)).toBe(layout.buckets - 1);
});

test("whoever attaches sees the same histogram, and a thread has one shard however often it asks", () => {
  const arena = Arena.create({ bytes: Histogram.bytesFor({ maxThreads: 1 }) + 4_096 });
  const options = { maxThreads: 1, lowestNs: 1_000, highestNs: 60e9, significantDigits: 2 };
  const created = Histogram.create(arena, "one", options);
  const attached = Histogram.attach(arena, "one");
  created.recorder().record(1_000_000);
  attached.recorder().record(2_000_000);
  expect(attached.layout).toEqual(created.layout);
  expect(attached.snapshot().sumNs).toBe(3_000_000);
});

test("a shard that was released counts on for its next thread", () => {
  const one = histogram({ maxThreads: 1 });
  one.recorder().record(1);
  expect(one.release()).toBe(true);
  expect(one.release()).toBe(false);
  one.recorder().record(2);
  expect(one.snapshot().count).toBe(2);
});

test.each<[HistogramOptions, string]>([
  [{ significantDigits: 0 }, "significantDigits takes a whole number from 1 to 4, not 0."],
  [{ significantDigits: 5 }, "significantDigits"],
  [{ lowestNs: 0 }, "lowestNs"],
  [{ lowestNs: 600, highestNs: 1_000 }, "lowestNs takes a whole number from 1 to 500, not 600."],
  [{ highestNs: 2 ** 53 }, "highestNs"],
  [{ highestNs: 1.5 }, "highestNs"],
  [{ maxThreads: 65 }, "maxThreads"],
])("options that can't be are told: %j", (options, message) => {
  const attempt = () => Histogram.bytesFor(options);
  expect(attempt).toThrow(expect.objectContaining({ code: "ESC_HISTOGRAM_OPTIONS" }));
  expect(attempt).toThrow(message);
});

describe("a caller's mistake", () => {
  const code = (expected: string) => expect.objectContaining({ code: expected });

  test("a percentile is 0 to 100", () => {
    expect(() => recorded([1]).percentile(100.1)).toThrow(code("ESC_HISTOGRAM_PERCENTILE"));
    expect(() => recorded([1]).percentile(Number.NaN)).toThrow(code("ESC_HISTOGRAM_PERCENTILE"));
  });

  test("histograms of other buckets aren't put together", () => {
    const other = recorded([1], { significantDigits: 2 });
    expect(() => recorded([1]).merge(other)).toThrow(code("ESC_HISTOGRAM_OPTIONS"));
    expect(() => recorded([1]).since(other)).toThrow(code("ESC_HISTOGRAM_OPTIONS"));
  });

  test("a difference to a later snapshot is refused", () => {
    const made = histogram({ maxThreads: 1 });
    const earlier = made.snapshot();
    made.recorder().record(1);
    expect(() => earlier.since(made.snapshot())).toThrow(code("ESC_HISTOGRAM_ORDER"));
  });

  test("a region that holds no histogram can't be attached to", () => {
    const arena = Arena.create({ bytes: 10_000 });
    arena.allocate("zeros", 4_096);
    arena.allocate("small", 4);
    expect(() => Histogram.attach(arena, "zeros")).toThrow(code("ESC_HISTOGRAM_NOT_READY"));
    expect(() => Histogram.attach(arena, "small")).toThrow(code("ESC_HISTOGRAM_NOT_READY"));
    expect(() => Histogram.attach(arena, "none")).toThrow(code("ESC_ARENA_REGION_UNKNOWN"));
  });
});
