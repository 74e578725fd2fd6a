/**
 * Runs every test file that states a property, again and again, each time with other inputs, until the time is over. The
 * suite itself always tries the same ones.
 *
 *     npm run properties -- [--seed 1] [--seconds 600] [--package queues]
 */
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine } from "@esc/tooling/script";

const values = commandLine({
  about: "Runs every property with other inputs, again and again, until the time is over.",
  options: {
    seed: { type: "string", default: String(randomInt(2 ** 31)), help: "Of the first round; a random one" },
    seconds: { type: "string", default: "600", help: "No further round after so long" },
    package: { type: "string", help: "Only of this package, as queues" },
  },
});
const root = fileURLToPath(new URL("../..", import.meta.url));
const files = globSync(["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "bench/src/**/*.test.ts"], {
  cwd: root,
});
const byPackage = new Map<string, string[]>();
for (const file of files) {
  if (!/\bfc\.assert\(/.test(readFileSync(join(root, file), "utf8"))) continue;
  let home = dirname(file);
  while (!existsSync(join(root, home, "package.json"))) home = dirname(home);
  if (values.package !== undefined && home !== `packages/${values.package}`) continue;
  byPackage.set(home, [...(byPackage.get(home) ?? []), relative(home, file)]);
}
if (byPackage.size === 0) {
  process.stderr.write("no file states a property\n");
  process.exit(2);
}

/** So many are enough to look at. */
const MOST_FAILURES = 10;
const deadline = Date.now() + Number(values.seconds) * 1_000;
const firstSeed = Number(values.seed);
let runs = 0;
let failed = 0;
for (let round = 0; runs === 0 || (Date.now() < deadline && failed < MOST_FAILURES); round++) {
  const seed = firstSeed + round;
  for (const [home, tests] of byPackage) {
    if (runs > 0 && Date.now() >= deadline) break;
    const result = spawnSync(
      join(root, home, "node_modules/.bin/vitest"),
      ["run", "--no-color", "--reporter=dot", ...tests],
      {
        cwd: join(root, home),
        env: { ...process.env, FAST_CHECK_SEED: String(seed) },
        encoding: "utf8",
      },
    );
    if (result.error !== undefined) throw result.error;
    runs++;
    if (result.status === 0) continue;
    failed++;
    process.stdout.write(`${home}, seed ${seed}: FAILED\n${result.stdout}${result.stderr}\n`);
  }
}
const counted = [...byPackage.values()].flat().length;
process.stdout.write(
  `seeds from ${firstSeed} on, ${counted} files with properties in ${byPackage.size} packages: ${runs} runs, ${failed} failed\n`,
);
process.exitCode = failed > 0 ? 1 : 0;
