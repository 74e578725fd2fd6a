/** `npm test`: lint, types, every suite. The last line is `N passed, N failed`. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepare, root, run } from "./workspace.mjs";

await prepare();
const reports = ["packages", "apps"]
  .flatMap((parent) => readdirSync(join(root, parent)).map((name) => join(parent, name)))
  .concat("tooling", "bench")
  .map((folder) => join(root, folder, "reports", "test.json"));
// A suite that dies before it reports must not be counted by what it reported last time.
for (const report of reports) rmSync(report, { force: true });

let passed = 0;
let failed = 0;
for (const [name, command] of [
  ["lint and format", ["biome", "ci", "--error-on-warnings", ...(process.stdout.isTTY ? [] : ["--colors=off"]), "."]],
  ["types", ["turbo", "run", "check", "--continue", "--output-logs=errors-only"]],
]) {
  const { code } = await run(command);
  if (code === 0) passed++;
  else failed++;
  process.stdout.write(`${code === 0 ? "ok" : "FAILED"}: ${name}\n`);
}

const { code } = await run(["turbo", "run", "test", "--continue", "--concurrency=1", "--output-logs=new-only"]);
let suitesFailed = 0;
for (const report of reports.filter((path) => existsSync(path))) {
  const result = JSON.parse(readFileSync(report, "utf8"));
  passed += result.numPassedTests;
  suitesFailed += result.numFailedTests;
  // A file that can't be loaded has no tests, and is a failure all the same.
  suitesFailed += result.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  ).length;
}
// turbo saw something fail that no report tells of: a suite that died.
if (code !== 0 && suitesFailed === 0) suitesFailed = 1;
failed += suitesFailed;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
