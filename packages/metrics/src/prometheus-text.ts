/** Prometheus' text format, version 0.0.4: what `/metrics` answers. */
import type { HistogramSnapshot } from "./histogram-snapshot.ts";

export type Labels = Readonly<Record<string, string>>;

/** One number with its labels. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** One histogram with its labels. */
export interface HistogramSample {
  readonly labels?: Labels;
  readonly histogram: HistogramSnapshot;
}

/** A metric with all its samples, read at the time of the scrape. */
export type MetricFamily =
  | {
      /** `esc_…`, in Prometheus' conventions: unit and `_total` at the end. */
      readonly name: string;
      readonly help: string;
      readonly type: "counter" | "gauge";
      readonly samples: readonly Sample[];
    }
  | {
      /** Ends in `_seconds`. */
      readonly name: string;
      readonly help: string;
      readonly type: "histogram";
      readonly samples: readonly HistogramSample[];
      /** Where its `le` buckets end, in ns, ascending; {@link DEFAULT_BOUNDS_NS} unless given. */
      readonly boundsNs?: readonly number[];
    };

/** The media type to answer with. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Every doubling from 1 µs to 34 s: 26 buckets. 2^n - 1 is where a log-linear bucket ends, so the counts are exact; a bound
 * like 0.001 s would cut through one.
 */
export const DEFAULT_BOUNDS_NS: readonly number[] = Array.from({ length: 26 }, (_, i) => 2 ** (i + 10) - 1);

/** Formats families in the order given. */
export function prometheusText(families: Iterable<MetricFamily>): string {
  let text = "";
  for (const family of families) {
    const { name, help, type } = family;
    text += `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n`;
    if (family.type !== "histogram") {
      for (const { labels, value } of family.samples) text += line(name, labels, value);
      continue;
    }
    for (const sample of family.samples) text += histogramLines(name, sample, family.boundsNs ?? DEFAULT_BOUNDS_NS);
  }
  return text;
}

/** In seconds, as Prometheus has all times. `le` includes its bound, as the greatest value of a bucket does. */
function histogramLines(name: string, { labels, histogram }: HistogramSample, boundsNs: readonly number[]): string {
  let text = "";
  for (const { upToNs, count } of histogram.cumulative(boundsNs)) {
    text += line(`${name}_bucket`, { ...labels, le: formatValue(upToNs / 1e9) }, count);
  }
  text += line(`${name}_bucket`, { ...labels, le: "+Inf" }, histogram.count);
  text += line(`${name}_sum`, labels, histogram.sumNs / 1e9);
  return text + line(`${name}_count`, labels, histogram.count);
}

function line(name: string, labels: Labels = {}, value: number): string {
  const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(label)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${formatValue(value)}\n`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}
