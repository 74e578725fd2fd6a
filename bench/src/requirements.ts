/** What the queues, the pool and the deduplicator must reach, and whether they did. */
import { type Figure, spread } from "./figure.ts";
import { digits, table } from "./report.ts";

/** A line of the list: a median of ours against a number, or against the best median of some peers. */
interface Requirement {
  readonly what: string;
  readonly case: string;
  /** Which of our ways counts; the plain one, "ours", unless given. The best of them where there are several. */
  readonly programs?: readonly string[];
  readonly quantile?: string;
  /** At least so many a second, in millions; of a latency at most so many µs. */
  readonly bound?: number;
  /** At least so many times as good as the best of these in the case. */
  readonly times?: { readonly factor: number; readonly peers: readonly string[]; readonly case?: string };
}

const CPP_SPSC = ["boost-spsc", "moodycamel-spsc"];

export const REQUIREMENTS: readonly Requirement[] = [
  ...[64, 256].flatMap((batch): Requirement[] => [
    {
      what: `SPSC, two threads, batches of ${batch}: the best C++ peer's rate per item`,
      case: `spsc-8B-batch-${batch}`,
      times: { factor: 1.5, peers: CPP_SPSC, case: "spsc-8B-per-item" },
    },
    { what: `SPSC, two threads, batches of ${batch}`, case: `spsc-8B-batch-${batch}`, bound: 250 },
  ]),
  {
    what: "SPSC, two threads, one by one: boost's",
    case: "spsc-8B-per-item",
    times: { factor: 0.25, peers: ["boost-spsc"] },
  },
  { what: "SPSC, two threads, one by one", case: "spsc-8B-per-item", bound: 25 },
  { what: "SPSC, 64-byte records in place, batches of 64", case: "spsc-64B-batch-64", bound: 60 },
  ...[64, 256].map(
    (batch): Requirement => ({
      what: `MPSC, two producers, batches of ${batch}: moodycamel's in bulk`,
      case: `mpsc-2p-8B-batch-${batch}`,
      times: { factor: 1, peers: ["moodycamel-mpsc"] },
    }),
  ),
  {
    what: "SPSC, one thread, push and pop",
    case: "spsc-one-thread-pairs",
    programs: ["ours", "ours, releaseEvery 256"],
    bound: 100,
  },
  { what: "pool, one thread, acquire and release", case: "pool-acquire-release", bound: 100 },
  { what: "deduplicator, check-and-insert at 1 M live ids", case: "dedup-insert-1M", bound: 15 },
  {
    what: "deduplicator, lookup that finds",
    case: "dedup-hit-1M",
    programs: ["ours", "ours, hasMany"],
    bound: 40,
  },
  { what: "round trip, median", case: "roundtrip", quantile: "p50", bound: 1.5 },
  { what: "round trip, 99th percentile", case: "roundtrip", quantile: "p99", bound: 3 },
  {
    what: "round trip, median: postMessage's",
    case: "roundtrip",
    quantile: "p50",
    times: { factor: 1, peers: ["postMessage"] },
  },
];

/** How a requirement came out. "not measured": a figure that it needs is not there. */
export type Verdict = "reached" | "not reached" | "not measured";

export interface Judged {
  readonly required: string;
  readonly measured: string;
  readonly verdict: Verdict;
}

/** The requirement against the figures. */
export function judge(requirement: Requirement, figures: readonly Figure[]): Judged {
  const { programs = ["ours"], quantile, bound, times } = requirement;
  const best = (peers: readonly string[], name: string) => {
    const found = figures.filter((one) => one.case === name && one.quantile === quantile && peers.includes(one.peer));
    const sorted = found
      .map((one) => ({ unit: one.unit, name: one.peer, median: spread(one.runs).median }))
      .sort((a, b) => (a.unit === "ns" ? a.median - b.median : b.median - a.median));
    return sorted[0];
  };
  const ours = best(programs, requirement.case);
  const latency = quantile !== undefined;
  const unit = latency ? "µs" : "M/s";
  const scaled = (median: number) => median / (latency ? 1e3 : 1e6);
  const ourText = ours === undefined ? "" : `${digits(scaled(ours.median))} ${unit}`;
  if (times === undefined) {
    const limit = bound ?? Number.NaN;
    const required = `${latency ? "≤" : "≥"} ${limit} ${unit}`;
    if (ours === undefined) return { required, measured: "", verdict: "not measured" };
    const reached = latency ? scaled(ours.median) <= limit : scaled(ours.median) >= limit;
    return { required, measured: ourText, verdict: reached ? "reached" : "not reached" };
  }
  const theirs = best(times.peers, times.case ?? requirement.case);
  const required = `≥ ${times.factor}×`;
  if (ours === undefined || theirs === undefined) return { required, measured: "", verdict: "not measured" };
  const ratio = latency ? theirs.median / ours.median : ours.median / theirs.median;
  const measured = `${digits(ratio)}× (${ourText}; ${theirs.name} ${digits(scaled(theirs.median))} ${unit})`;
  return { required, measured, verdict: ratio >= times.factor ? "reached" : "not reached" };
}

/** A Markdown table of all requirements. */
export function requirementsTable(figures: readonly Figure[]): string {
  return table([
    ["required at least", "", "measured", ""],
    ...REQUIREMENTS.map((one) => {
      const { required, measured, verdict } = judge(one, figures);
      return [one.what, required, measured, verdict];
    }),
  ]);
}
