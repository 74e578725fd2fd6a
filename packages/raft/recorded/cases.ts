/**
 * Runs every file of recorded cases under a folder, however deep, and ends with `N passed, N failed` (files).
 *
 *     pnpm --filter @esc/raft cases DIR [--json] [--quiet]
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { commandLine } from "@esc/tooling/script";
import { type FileResult, runCaseFile } from "./case-file.ts";

function end(text: string): never {
  process.stderr.write(text);
  process.exit(2);
}

/** A relative folder is meant as seen from where the command was given; pnpm runs it in the package's folder. */
function located(folder: string): string {
  const from = [process.env.INIT_CWD, process.cwd(), join(import.meta.dirname, "../../..")];
  const found = from
    .flatMap((base) => (base === undefined ? [] : [resolve(base, folder)]))
    .find((path) => existsSync(path));
  return found ?? end(`There is no ${folder}.\n`);
}

function filesUnder(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Licences, notes: what lies beside the cases and isn't one. */
function isCandidate(path: string): boolean {
  return !/\.(md|json|ts|go)$/i.test(path) && !/(^|\/)(licen[cs]e|readme|\.)[^/]*$/i.test(path);
}

function describe(name: string, { cases, differences, verdict }: FileResult): string {
  const passed = differences.length === 0;
  let text = `${passed ? "passed" : "FAILED"}  ${name}  ${verdict ?? `${cases - differences.length} of ${cases} cases`}\n`;
  const [first] = differences;
  if (first !== undefined) {
    const indented = (lines: string) => lines.replace(/^/gm, "    ");
    text += `  line ${first.line}, ${first.command}: expected\n${indented(first.expected)}\n  and got\n${indented(first.got)}\n`;
  }
  return text;
}

const { json, quiet, operand } = commandLine({
  about:
    "Runs every file of recorded cases under a folder: quorums, changes of members, scripts of whole groups, and histories.",
  operand: "DIR",
  options: {
    json: { type: "boolean", default: false, help: "One JSON object on standard output instead of text" },
    quiet: { type: "boolean", default: false, help: "Only files that failed, and the last line" },
  },
});
const root = located(operand);
const results: (FileResult & { readonly file: string; readonly passed: boolean })[] = [];
for (const path of filesUnder(root).filter(isCandidate)) {
  const result = runCaseFile(path);
  if (result === undefined) continue;
  const file = relative(root, path) || path;
  const passed = result.differences.length === 0;
  results.push({ file, passed, ...result });
  if (!json && !(quiet && passed)) process.stdout.write(describe(file, result));
}
const passed = results.filter((result) => result.passed).length;
const failed = results.length - passed;
if (json) process.stdout.write(`${JSON.stringify({ passed, failed, files: results }, null, 2)}\n`);
(json ? process.stderr : process.stdout).write(`${passed} passed, ${failed} failed\n`);
// Nothing that was run proves nothing.
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
