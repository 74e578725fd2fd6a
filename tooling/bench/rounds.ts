/**
 * Times a few ways to do the same thing on a machine that does other things too: in turn, in many short rounds, so that what
 * disturbs one disturbs all. The least of the rounds is what the work costs, the median what it costs here and now.
 */
import { cpus, loadavg } from "node:os";

export interface Way {
  readonly name: string;
  /** Does the work `times` times. What it returns keeps the work from being left out. */
  readonly run: (times: number) => number;
  /** How many things one time does, where it is more than one: the figures are for one thing. */
  readonly things?: number;
}

export interface Timing {
  readonly name: string;
  /** ns for one thing, the least and the median of the rounds. */
  readonly least: number;
  readonly median: number;
}

const ROUND_NS = 1e6;

/** Times the ways in `rounds` rounds of about a millisecond each, after as many again that aren't counted. */
export function inRounds(ways: readonly Way[], rounds = 60): Timing[] {
  const times = ways.map(() => 1);
  const figures = ways.map((): number[] => []);
  let sum = 0;
  for (let round = -rounds; round < rounds; round++) {
    for (const [i, { run, things = 1 }] of ways.entries()) {
      const count = times[i] as number;
      const start = process.hrtime.bigint();
      sum ^= run(count);
      const ns = Number(process.hrtime.bigint() - start);
      if (round < 0) times[i] = Math.max(1, Math.round((count * ROUND_NS) / Math.max(ns, ROUND_NS / 16)));
      else figures[i]?.push(ns / count / things);
    }
  }
  if (!Number.isInteger(sum)) throw new Error("A way returned something that is not a whole number.");
  return ways.map(({ name }, i) => {
    const sorted = (figures[i] as number[]).sort((a, b) => a - b);
    return { name, least: sorted[0] as number, median: sorted[sorted.length >> 1] as number };
  });
}

/** The machine, and how busy it is: figures from a busy one are to be read by their least. */
export function machine(): string {
  const load = loadavg().map((value) => value.toFixed(1));
  return `${cpus()[0]?.model.trim()}, ${cpus().length} CPUs, Node ${process.versions.node}, load average ${load.join(" ")}`;
}

/** One line of a table: least and median of each way, and how often the first way goes into the second's time. */
export function line(label: string, timings: readonly Timing[]): string {
  const [first, second] = timings;
  const cells = timings.map(({ least, median }) => `${least.toFixed(1)} / ${median.toFixed(1)}`);
  const ratio = first && second ? ` ${(second.least / first.least).toFixed(1)} |` : "";
  return `| ${label} | ${cells.join(" | ")} |${ratio}`;
}
