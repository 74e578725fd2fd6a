/** Reads recorded cases: a directive, perhaps lines of input, `----`, and the output that is expected up to an empty line. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Beside the project; the recordings are others' work, so they are read where they lie and no part of it. */
export const RECORDED = process.env.ESC_RAFT_CASES ?? join(import.meta.dirname, "../../../../shared/raft-cases");

export interface Case {
  readonly line: number;
  readonly command: string;
  /** In order; `key=(a, b)` has two values, a bare word none. */
  readonly args: readonly { readonly key: string; readonly values: readonly string[] }[];
  readonly input: string;
  readonly expected: string;
}

/** The files of a folder of recordings, or none, and a line that says so, where it is absent. */
export function recordings(folder: string): readonly string[] {
  const path = join(RECORDED, folder);
  if (existsSync(path)) return readdirSync(path).sort();
  process.stderr.write(`skipped: there are no recordings in ${path}; ESC_RAFT_CASES may say where they are\n`);
  return [];
}

export function parseCases(text: string): readonly Case[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const cases: Case[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = at + 1;
    let directive = (lines[at++] as string).trim();
    if (directive === "" || directive.startsWith("#")) continue;
    while (directive.endsWith("\\")) directive = `${directive.slice(0, -1)} ${(lines[at++] as string).trim()}`;
    const input: string[] = [];
    while (at < lines.length && lines[at] !== "----") input.push(lines[at++] as string);
    at++;
    const expected: string[] = [];
    if (lines[at] === "----") {
      // Output with empty lines in it stands between doubled marks.
      at++;
      while (at < lines.length && !(lines[at] === "----" && lines[at + 1] === "----"))
        expected.push(lines[at++] as string);
      at += 2;
    } else {
      while (at < lines.length && lines[at] !== "") expected.push(lines[at++] as string);
    }
    const [command = "", ...rest] = directive.match(/[^\s=]+=\([^)]*\)|\S+/g) ?? [];
    cases.push({ line, command, args: rest.map(parseArg), input: input.join("\n"), expected: expected.join("\n") });
  }
  return cases;
}

function parseArg(text: string): { key: string; values: readonly string[] } {
  const equals = text.indexOf("=");
  if (equals < 0) return { key: text, values: [] };
  const value = text.slice(equals + 1);
  const list = value.startsWith("(") ? value.slice(1, -1).split(",") : [value];
  return { key: text.slice(0, equals), values: list.map((each) => each.trim()).filter((each) => each !== "") };
}

export function values(found: Case, key: string): readonly string[] | undefined {
  return found.args.find((arg) => arg.key === key)?.values;
}

export function value(found: Case, key: string): string | undefined {
  return values(found, key)?.[0];
}
