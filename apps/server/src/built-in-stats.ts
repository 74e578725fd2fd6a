/** Built-ins in stats and metrics: each lane's thread, or shard's, keeps its own, here they are added up. */
import { LANE_NAMES } from "@esc/events";
import type { MetricFamily, Sample } from "@esc/metrics";
import type { BuiltInResult, BuiltInState } from "@esc/processors";
import type { LaneBuiltIns } from "./lanes.ts";
import type { Pipeline } from "./pipeline.ts";
import { shardNames } from "./shards.ts";

/** What a built-in has come to in all lanes, since the start. */
export type BuiltInTotal = Omit<BuiltInResult, "name">;

export function builtInTotals(pipeline: Pipeline, lanes: LaneBuiltIns): Record<string, BuiltInTotal> {
  const totals: Record<string, BuiltInTotal> = {};
  for (const lane of LANE_NAMES) {
    for (const shard of shardNames(lane, pipeline.shards)) {
      for (const [n, shape] of lanes[lane].entries()) {
        const { name, ...result } = (pipeline.builtIns[shard] as BuiltInState).result(n, shape);
        const before = totals[name];
        totals[name] = before === undefined ? result : added(before, result);
      }
    }
  }
  return totals;
}

function added(a: BuiltInTotal, b: BuiltInTotal): BuiltInTotal {
  return {
    kind: a.kind,
    matched: a.matched + b.matched,
    counted: a.counted + b.counted,
    tooShort: a.tooShort + b.tooShort,
    notFinite: a.notFinite + b.notFinite,
    sum: a.sum + b.sum,
    min: least(a.min, b.min),
    max: b.max === undefined || (a.max !== undefined && a.max >= b.max) ? a.max : b.max,
    over: a.over + b.over,
    buckets: a.buckets.map(({ le, count }, n) => ({ le, count: count + (b.buckets[n]?.count ?? 0) })),
  };
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return b === undefined || (a !== undefined && a <= b) ? a : b;
}

/** The same as metrics. A histogram's buckets are cumulative there, as Prometheus has them. */
export function builtInFamilies(totals: Readonly<Record<string, BuiltInTotal>>): MetricFamily[] {
  const all = Object.entries(totals);
  if (all.length === 0) return [];
  const of = (read: (total: BuiltInTotal) => number | undefined): Sample[] =>
    all.flatMap(([name, total]) => {
      const value = read(total);
      return value === undefined ? [] : [{ labels: { name }, value }];
    });
  const withField = ({ kind }: BuiltInTotal) => kind !== "count";
  const family = (name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]) => ({
    ...{ name, type, help, samples },
  });
  const buckets = all.flatMap(([name, total]) => {
    let below = 0;
    return total.buckets.map(({ le, count }) => {
      below += count;
      return { labels: { name, le: le === undefined ? "+Inf" : String(le) }, value: below };
    });
  });
  const families: MetricFamily[] = [
    family(
      "esc_builtin_matched_total",
      "counter",
      "Events that passed a built-in's filter.",
      of((t) => t.matched),
    ),
    family(
      "esc_builtin_counted_total",
      "counter",
      "Of them sampled, with a value.",
      of((t) => t.counted),
    ),
    family(
      "esc_builtin_too_short_total",
      "counter",
      "Payloads that end before the field does.",
      of((t) => (withField(t) ? t.tooShort : undefined)),
    ),
    family(
      "esc_builtin_not_finite_total",
      "counter",
      "Values that are not a number, or infinite.",
      of((t) => (withField(t) ? t.notFinite : undefined)),
    ),
    // A gauge: values may be negative.
    family(
      "esc_builtin_sum",
      "gauge",
      "Sum of the values.",
      of((t) => (withField(t) ? t.sum : undefined)),
    ),
    family(
      "esc_builtin_min",
      "gauge",
      "Least value.",
      of((t) => t.min),
    ),
    family(
      "esc_builtin_max",
      "gauge",
      "Greatest value.",
      of((t) => t.max),
    ),
    family(
      "esc_builtin_over_total",
      "counter",
      "Values over a threshold.",
      of((t) => (t.kind === "threshold" ? t.over : undefined)),
    ),
    family("esc_builtin_values_bucket", "counter", "Values of a histogram up to a bound.", buckets),
  ];
  return families.filter(({ samples }) => (samples?.length ?? 0) > 0);
}
