/**
 * A guard against costs that creep up: times the pieces of an event's way, tells each as a share of a yardstick from the same
 * run, and compares with `baseline.json`. It reports and never fails: machines are noisy, and a person decides.
 *
 *     pnpm --filter @esc/bench guard [-- --update]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { inRounds, machine } from "@esc/tooling/rounds";
import { commandLine } from "@esc/tooling/script";
import { type Baseline, guardReport, shares, TOLERANCE } from "./guard-report.ts";
import { guardedCosts, YARDSTICK } from "./guarded-costs.ts";

const FILE = new URL("../baseline.json", import.meta.url);

const { update, rounds } = commandLine({
  about: "Compares the costs of an event's way, as shares of a yardstick, with the stored ones. Never fails.",
  options: {
    update: { type: "boolean", default: false, help: "Store this run's costs as the baseline" },
    rounds: { type: "string", default: "100", help: "Of about a millisecond for each cost" },
  },
});

console.log(machine());
const [yardstick, ...timings] = inRounds([YARDSTICK, ...guardedCosts()], Number(rounds));
if (yardstick === undefined) throw new Error("the yardstick is always measured");
const now = shares(yardstick, timings);
const { text, grown } = guardReport(timings, now, JSON.parse(readFileSync(FILE, "utf8")) as Baseline);
console.log(`${text}\n\nyardstick: ${YARDSTICK.name}, ${yardstick.least.toFixed(0)} ns`);
const most = Math.round(TOLERANCE * 100);
console.log(
  grown === 0 ? `nothing has grown by more than ${most}%` : `${grown} costs have grown by more than ${most}%`,
);
if (update) {
  writeFileSync(FILE, `${JSON.stringify(now, undefined, 2)}\n`);
  console.log("stored as the baseline");
}
