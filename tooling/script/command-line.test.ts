import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { commandLine } from "./command-line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

class Ended extends Error {
  readonly code: number;
  constructor(text: string, code: number) {
    super(text);
    this.code = code;
  }
}

function read(...args: string[]) {
  return commandLine({
    about: "Counts sheep.",
    options: {
      rounds: { type: "string", default: "7", help: "How many" },
      kind: { type: "string", help: "Which" },
      peers: { type: "boolean", default: true, help: "Without the others" },
      inner: { type: "string" },
    },
    args,
    end: (text, code) => {
      throw new Ended(text, code);
    },
  });
}

function ended(...args: string[]): Ended {
  try {
    read(...args);
  } catch (error) {
    if (error instanceof Ended) return error;
    throw error;
  }
  throw new Error("it went on");
}

test("options have their defaults, or what was given, behind pnpm's own -- too", () => {
  expect(read()).toMatchObject({ rounds: "7", peers: true });
  expect(read("--", "--rounds", "3", "--no-peers", "--kind=x")).toMatchObject({ rounds: "3", peers: false, kind: "x" });
});

test("--help shows what it does and every option that is for people, with its default, and ends with 0", () => {
  const { message, code } = ended("--help");
  expect(code).toBe(0);
  expect(message).toMatch(/^Counts sheep\.\n\nUsage: node /);
  expect(message).toContain("--rounds <value>       How many (default: 7)");
  expect(message).toContain("--no-peers             Without the others");
  expect(message).not.toContain("inner");
});

test.each([
  ["an option that there isn't", ["--ruonds", "3"], "--ruonds"],
  ["a word that is no option", ["three"], "three"],
  ["no number where one is taken", ["--rounds", "many"], '--rounds takes a whole number, not "many".'],
])("%s is told with the usage, without a stack, and ends with 2", (_, args, says) => {
  const { message, code } = ended(...args);
  expect(code).toBe(2);
  expect(message).toContain(says);
  expect(message).toContain("Usage:");
});

test("an operand is named in the usage and must be there, once; a script without one takes none", () => {
  const copy = (...args: string[]) =>
    commandLine({
      about: "Copies sheep.",
      operand: "FLOCK",
      options: { quiet: { type: "boolean", default: false, help: "No bells" } },
      args,
      end: (text, code) => {
        throw new Ended(text, code);
      },
    });
  expect(copy("--", "north", "--quiet")).toEqual({ operand: "north", quiet: true });
  expect(() => copy()).toThrow(/^Name one FLOCK\.\n\nCopies sheep\.\n\nUsage: node \S+ FLOCK \[options\]/);
  expect(() => copy("north", "south")).toThrow("Name one FLOCK.");
  expect(read().operand).toBe("");
});

const scripts = globSync("{packages/*,apps/*}/torture/*.ts", { cwd: ROOT })
  .concat(globSync("bench/src/*.ts", { cwd: ROOT }))
  .filter((path) => /commandLine\(|process\.argv|parseArgs/.test(readFileSync(`${ROOT}${path}`, "utf8")));

test("the scripts that take options are found", () => {
  expect(scripts).toContain("apps/server/torture/kill-rounds.ts");
  expect(scripts.length).toBeGreaterThanOrEqual(8);
});

test.each(scripts)("%s answers --help with its usage, and an unknown option with 2, no stack", (path) => {
  const run = (arg: string) => spawnSync(process.execPath, [path, arg], { cwd: ROOT, encoding: "utf8" });
  const help = run("--help");
  expect([help.status, help.stderr]).toEqual([0, ""]);
  expect(help.stdout).toContain("Usage:");
  const wrong = run("--no-such-option");
  expect([wrong.status, /\n\s+at /.test(wrong.stderr)]).toEqual([2, false]);
});
