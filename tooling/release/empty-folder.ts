/**
 * What a person with an empty folder does: installs what the README says with a plain npm, and runs its example; then
 * has it checked as TypeScript, strictly, declarations of the packages included.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, run } from "./command.ts";
import { importedPackages, installedPackages, outputProblem, readmeExample } from "./readme-example.ts";

export interface EmptyFolderOptions extends Omit<CommandOptions, "cwd"> {
  /** The folder; must not exist. */
  readonly dir: string;
  /** Version of `@types/node` to check with. */
  readonly nodeTypes: string;
  /** TypeScript's compiler. */
  readonly tsc: string;
}

/** An example that takes longer hangs. */
const EXAMPLE_MS = 20_000;

/**
 * Plays a package's README through.
 * @returns what was done, in a few words.
 * @throws Error that says what a person would have run into.
 */
export async function tryReadme(name: string, readme: string, options: EmptyFolderOptions): Promise<string> {
  const { dir, nodeTypes, tsc } = options;
  const inDir = { ...options, cwd: dir };
  const npm = (...args: string[]) => run("npm", ["install", "--no-audit", "--no-fund", ...args], inDir);
  const packages = installedPackages(readme);
  if (!packages.includes(name)) throw new Error(`the README has no \`npm i ${name}\``);
  const example = readmeExample(readme);
  if (example === undefined) throw new Error("the README has no example: a block of ```js");
  const missing = importedPackages(example.source).filter((imported) => !packages.includes(imported));
  if (missing.length > 0) throw new Error(`the example imports ${missing.join(", ")}, which its \`npm i\` leaves out`);

  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);
  await npm(...packages);
  writeFileSync(join(dir, "example.js"), example.source);
  const stdout = await run(process.execPath, ["example.js"], { ...inDir, timeoutMs: EXAMPLE_MS });
  const problem = outputProblem(example, stdout);
  if (problem !== undefined) throw new Error(problem);

  await npm("--save-dev", `@types/node@${nodeTypes}`);
  writeFileSync(join(dir, "typed.ts"), example.source);
  writeFileSync(join(dir, "tsconfig.json"), TSCONFIG);
  await run(tsc, ["--project", "tsconfig.json"], inDir);
  const output = example.prints.length > 0 ? `prints ${example.prints.length} line(s) as it says` : "exits with 0";
  return `${packages.length} installed, ${output}, type-checks`;
}

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    strict: true,
    module: "nodenext",
    target: "esnext",
    types: ["node"],
    skipLibCheck: false,
    noEmit: true,
  },
  files: ["typed.ts"],
});
