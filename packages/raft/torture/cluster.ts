/**
 * Runs simulated groups, a seed after the other, until the time is over. A seed that fails can be run again by itself.
 *
 *     pnpm --filter @esc/raft torture -- [--seconds 60] [--seed 1] [--steps 40000] [--courses 1000000]
 */
import { randomInt } from "node:crypto";
import { commandLine } from "@esc/tooling/script";
import { Broken } from "../simulator/referee.ts";
import { type SimulationResult, simulate } from "../simulator/simulation.ts";

const values = commandLine({
  about:
    "Runs whole groups through lost messages, partitions, crashes and changes of members, and checks Raft's promises.",
  options: {
    seconds: { type: "string", default: "60", help: "No further course after so long" },
    seed: { type: "string", default: String(randomInt(2 ** 31)), help: "Of the first course; a random one" },
    steps: { type: "string", default: "40000", help: "Of a course, before it may recover" },
    courses: { type: "string", default: "1000000", help: "At most so many" },
  },
});
const first = Number(values.seed);
const steps = Number(values.steps);
const deadline = Date.now() + Number(values.seconds) * 1_000;
const total: Record<keyof SimulationResult, number> = { leaders: 0, commits: 0, operations: 0, crashes: 0 };
let seed = first;
let failed = 0;
for (; Date.now() < deadline && seed < first + Number(values.courses); seed++) {
  try {
    const result = simulate({ seed, steps });
    for (const key of Object.keys(total) as (keyof SimulationResult)[]) total[key] += result[key];
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    failed++;
    process.stdout.write(`seed ${seed}, ${steps} steps: ${error.message}\n`);
  }
}
const sums = Object.entries(total).map(([what, count]) => `${what} ${count}`);
process.stdout.write(`seeds ${first} to ${seed - 1}: ${seed - first} courses, ${failed} failed; ${sums.join(", ")}\n`);
process.exitCode = failed > 0 || seed === first ? 1 : 0;
