/**
 * Queues, pool and deduplicator: ours and every peer that is here, in turn, as many rounds as asked for; what is required of
 * ours and whether it was reached; and what each of our operations allocates.
 *
 *     pnpm --filter @esc/bench queues [--rounds 3] [--runs 2] [--seconds 1] [--case spsc-8B-batch-64]
 *
 * Exits with 1 when a driver fails. A requirement that is not reached is said and no failure: a machine may be busy.
 */
import { commandLine } from "@esc/tooling/script";
import { allocationTable, measureAllocation } from "./allocation-table.ts";
import { type Figure, joinRounds } from "./figure.ts";
import { OUR_CASES, runOurs } from "./our-queues.ts";
import { toolVersions } from "./peer-program.ts";
import { available, runPeer } from "./queue-peers.ts";
import { machineLine, markdownTable } from "./report.ts";
import { requirementsTable } from "./requirements.ts";

const values = commandLine({
  about: "Measures queues, pool and deduplicator, ours and every peer that is here, in turn.",
  options: {
    rounds: { type: "string", default: "3", help: "Over all of them" },
    runs: { type: "string", default: "2", help: "Of each case in a round" },
    seconds: { type: "string", default: "1", help: "Of each run" },
    case: { type: "string", help: "Only this one" },
  },
});
const options = { runs: Number(values.runs), seconds: Number(values.seconds) };
const out = (text: string) => process.stdout.write(`${text}\n`);
const caseOf = (key: string) => key.split("/")[0];
const cases = [...new Set(OUR_CASES.map(caseOf))].filter((name) => name === (values.case ?? name));
if (cases.length === 0) {
  throw new RangeError(`there is no case ${values.case}: ${[...new Set(OUR_CASES.map(caseOf))].join(", ")}`);
}
const peers = available();
for (const { name, absent } of peers) if (absent !== undefined) out(`${name} is ${absent}`);

const figures: Figure[] = [];
async function collect(name: string, results: Promise<readonly Figure[]>): Promise<void> {
  try {
    figures.push(...(await results));
  } catch (error) {
    // The others' figures are worth having all the same; the exit code tells of this one.
    out(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
for (let round = 0; round < Number(values.rounds); round++) {
  for (const name of cases) {
    for (const key of OUR_CASES) if (caseOf(key) === name) await collect(`ours, ${key}`, runOurs(key, options));
    for (const peer of peers) {
      const one = peer.cases.find((each) => each === name);
      if (one === undefined || peer.absent !== undefined) continue;
      await collect(`${peer.name}, ${name}`, runPeer(peer.name, { ...options, case: one }));
    }
  }
}
const joined = joinRounds(figures);
out(machineLine([...toolVersions(), ...new Set(joined.map(({ version }) => version))]));
out(`\n${markdownTable(joined, "ours")}`);
out(`\n${requirementsTable(joined)}`);
if (values.case === undefined) out(`\n${allocationTable(await measureAllocation())}`);
