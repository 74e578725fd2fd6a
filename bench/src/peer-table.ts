/**
 * The peers alone, one after the other, in as many rounds as asked for, as a table.
 *
 *     pnpm --filter @esc/bench peer-table [--rounds 1] [--runs 5] [--seconds 1] [--peer boost-spsc] [--case roundtrip]
 */
import { commandLine } from "@esc/tooling/script";
import { type Figure, joinRounds } from "./figure.ts";
import { toolVersions } from "./peer-program.ts";
import { available, runPeer } from "./queue-peers.ts";
import { machineLine, markdownTable } from "./report.ts";

const values = commandLine({
  about: "Measures the queues' peers, one after the other, as a table.",
  options: {
    rounds: { type: "string", default: "1", help: "Over all peers" },
    runs: { type: "string", default: "5", help: "Of each case" },
    seconds: { type: "string", default: "1", help: "Of each run" },
    peer: { type: "string", help: "Only this one" },
    case: { type: "string", help: "Only this one" },
  },
});
const out = (text: string) => process.stdout.write(`${text}\n`);
const figures: Figure[] = [];
const versions = new Set<string>();
const peers = available();
for (const { name, cases, absent } of Array.from({ length: Number(values.rounds) }, () => peers).flat()) {
  if (values.peer !== undefined && values.peer !== name) continue;
  if (absent !== undefined) {
    out(`${name} is ${absent}`);
    continue;
  }
  const one = cases.find((each) => each === values.case);
  if (values.case !== undefined && one === undefined) continue;
  const options = { runs: Number(values.runs), seconds: Number(values.seconds) };
  try {
    for (const result of await runPeer(name, one === undefined ? options : { ...options, case: one })) {
      figures.push(result);
      versions.add(result.version);
    }
  } catch (error) {
    // The others' figures are worth having all the same; the exit code tells of this one.
    out(`${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
out(machineLine([...toolVersions(), ...versions]));
out(markdownTable(joinRounds(figures)));
