/**
 * The peers alone, one after the other, as a table.
 *
 *     pnpm --filter @esc/bench peers [--runs 5] [--seconds 1] [--peer boost-spsc] [--case roundtrip]
 */
import { parseArgs } from "node:util";
import type { Figure } from "./figure.ts";
import { toolVersions } from "./peer-program.ts";
import { available, runPeer } from "./queue-peers.ts";
import { machineLine, markdownTable } from "./report.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    peer: { type: "string" },
    case: { type: "string" },
  },
});
const out = (text: string) => process.stdout.write(`${text}\n`);
const figures: Figure[] = [];
const versions = new Set<string>();
for (const { name, cases, absent } of available()) {
  if (values.peer !== undefined && values.peer !== name) continue;
  if (absent !== undefined) {
    out(`${name} is ${absent}`);
    continue;
  }
  const one = cases.find((each) => each === values.case);
  if (values.case !== undefined && one === undefined) continue;
  const options = { runs: Number(values.runs), seconds: Number(values.seconds) };
  for (const result of await runPeer(name, one === undefined ? options : { ...options, case: one })) {
    figures.push(result);
    versions.add(result.version);
  }
}
out(machineLine([...toolVersions(), ...versions]));
out(markdownTable(figures));
