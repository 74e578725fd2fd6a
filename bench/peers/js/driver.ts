/** The command line of the drivers in JavaScript: the same options and lines as the C++ and Java ones. */
import { parseArgs } from "node:util";
import { type Figure, spread } from "../../src/figure.ts";
import type { MeasureOptions } from "../../src/measure.ts";

/** Runs the cases that were asked for, one after the other, and prints their figures. */
export async function drive(
  cases: Readonly<Record<string, (options: MeasureOptions) => Promise<Figure | readonly Figure[]>>>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "1" },
      case: { type: "string", default: "" },
    },
  });
  const options = { runs: Math.max(1, Number(values.runs)), seconds: Math.max(0.01, Number(values.seconds)) };
  for (const [name, measure] of Object.entries(cases)) {
    if (values.case !== "" && values.case !== name) continue;
    for (const figure of [await measure(options)].flat()) {
      process.stdout.write(`${JSON.stringify({ ...figure, value: spread(figure.runs).median })}\n`);
    }
  }
}
