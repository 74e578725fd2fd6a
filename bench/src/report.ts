/** How benches print: the machine, a spread, and a table in which the first program is compared with the others. */
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { type Figure, spread, type Unit } from "./figure.ts";

/** The machine and the versions a result depends on, in one line. */
export function machineLine(versions: readonly string[] = []): string {
  return [
    cpus()[0]?.model ?? "unknown CPU",
    `${availableParallelism()} cores`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    ...versions,
  ].join(", ");
}

const SCALES: Readonly<Record<Unit, readonly [number, string]>> = { "items/s": [1e6, " M/s"], ns: [1, " ns"] };

/** Three digits that matter, never an exponent. */
export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** "median (lowest–highest) unit", rates in millions a second. */
export function spreadText(runs: readonly number[], unit: Unit): string {
  const { median, lowest, highest } = spread(runs);
  const [scale, name] = SCALES[unit];
  return `${digits(median / scale)} (${digits(lowest / scale)}–${digits(highest / scale)})${name}`;
}

/** How many times as good the first median is as the second: above 1 it is faster, whatever the unit. */
export function ratio(ours: Figure, theirs: Figure): number {
  const [a, b] = [spread(ours.runs).median, spread(theirs.runs).median];
  return ours.unit === "ns" ? b / a : a / b;
}

const nameOf = (figure: Figure) => (figure.quantile === undefined ? figure.case : `${figure.case} ${figure.quantile}`);

/**
 * A Markdown table, a row per figure, cases in the order they first come. With `baseline`, the name of the program that
 * is compared, each other row of its cases says how many times as good the baseline is.
 */
export function markdownTable(figures: readonly Figure[], baseline?: string): string {
  const rows = [["case", "program", "median (lowest–highest)", "runs", ...(baseline ? [`${baseline} is`] : [])]];
  for (const [name, group] of Map.groupBy(figures, nameOf)) {
    const ours = group.find(({ peer }) => peer === baseline);
    for (const figure of group) {
      const compared = ours === undefined || figure === ours ? "" : `${ratio(ours, figure).toFixed(2)}×`;
      const cells = [name, figure.peer, spreadText(figure.runs, figure.unit), String(figure.runs.length)];
      rows.push([...cells, ...(baseline ? [compared] : [])]);
    }
  }
  return table(rows);
}

/** A Markdown table; the first row is its head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
