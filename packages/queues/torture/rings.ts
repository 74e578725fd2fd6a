/**
 * Sends records with sequence and checksum through every ring, on real threads, in rounds of random size, waits, pauses
 * and capacities, until each ring has carried its share or the time is over.
 *
 *     pnpm --filter @esc/queues torture -- [--records 100000000] [--round 2000000] [--seed 1] [--seconds 3600] [--kind MpscRing]
 */
import { randomInt } from "node:crypto";
import { commandLine } from "@esc/tooling/script";
import { KINDS, type Kind, planRound } from "./plan.ts";
import { runRound } from "./round.ts";

const values = commandLine({
  about: "Sends records through every ring on real threads, and checks each one's sequence and bytes.",
  options: {
    records: { type: "string", default: "100000000", help: "Through each ring" },
    round: { type: "string", default: "2000000", help: "Records of one round" },
    seed: { type: "string", default: String(randomInt(2 ** 31)), help: "Of all that is random; a random one" },
    seconds: { type: "string", default: "3600", help: "No further round after so long" },
    kind: { type: "string", help: `Only this ring: ${KINDS.join(", ")}` },
  },
});
const deadline = Date.now() + Number(values.seconds) * 1_000;
const kinds = KINDS.filter((kind) => values.kind === undefined || kind === values.kind);
const carried = new Map<Kind, number>(kinds.map((kind) => [kind, 0]));
const seed = Number(values.seed);
let failed = 0;
let rounds = 0;
for (let n = 0; Date.now() < deadline; n++) {
  const next = kinds.filter((kind) => (carried.get(kind) as number) < Number(values.records));
  if (next.length === 0) break;
  for (const kind of next) {
    if (Date.now() >= deadline) break;
    const plan = planRound(kind, seed + n, Number(values.round));
    const started = performance.now();
    let outcome = "ok";
    try {
      await runRound(plan);
    } catch (error) {
      outcome = `FAILED: ${(error as Error).message}`;
      failed++;
    }
    rounds++;
    const records = plan.each * plan.producers.length;
    carried.set(kind, (carried.get(kind) as number) + records);
    const rate = (records / (performance.now() - started) / 1_000).toFixed(1);
    process.stdout.write(
      `${kind} seed ${plan.seed}: ${records} through ${plan.capacity}, ${plan.producers.join("+")} → ${plan.consumers.join("+")}, ${rate} M/s: ${outcome}\n`,
    );
  }
}
const sums = [...carried].map(([kind, records]) => `${kind} ${records}`).join(", ");
process.stdout.write(`seed ${seed}: ${rounds} rounds, ${failed} failed; ${sums}\n`);
process.exitCode = failed > 0 || rounds === 0 ? 1 : 0;
