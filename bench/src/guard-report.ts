/** Costs beside those of the stored baseline: which have grown, which have shrunk, in words. */
import type { Timing } from "@esc/tooling/rounds";

/** By the cost's name: its time as a share of the yardstick's. */
export type Baseline = Readonly<Record<string, number>>;

/** Grown or shrunk by less than this is noise, as a share. */
export const TOLERANCE = 0.15;

export function shares(yardstick: Timing, timings: readonly Timing[]): Baseline {
  return Object.fromEntries(timings.map(({ name, least }) => [name, Number((least / yardstick.least).toFixed(5))]));
}

/** A table in Markdown, and how many costs have grown beyond the tolerance. */
export function guardReport(
  timings: readonly Timing[],
  now: Baseline,
  baseline: Baseline,
): { readonly text: string; readonly grown: number } {
  let grown = 0;
  const lines = timings.map(({ name, least }) => {
    const before = baseline[name];
    const change = before === undefined ? undefined : (now[name] as number) / before - 1;
    if (change !== undefined && change > TOLERANCE) grown++;
    return `| ${name} | ${least.toFixed(1)} | ${change === undefined ? "new" : told(change)} |`;
  });
  const gone = Object.keys(baseline).filter((name) => now[name] === undefined);
  return {
    text: [
      "| cost | ns | beside the baseline |",
      "| --- | --- | --- |",
      ...lines,
      ...gone.map((name) => `| ${name} | | no longer measured |`),
    ].join("\n"),
    grown,
  };
}

function told(change: number): string {
  const percent = `${change > 0 ? "+" : ""}${Math.round(change * 100)}%`;
  if (Math.abs(change) <= TOLERANCE) return percent;
  return `${percent}, ${change > 0 ? "grown" : "shrunk"}`;
}
