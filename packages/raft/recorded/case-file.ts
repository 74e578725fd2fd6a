/** Runs one file of recorded cases, of whichever kind it is. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { isRegister } from "../simulator/linearizability.ts";
import { MemberChanges } from "./confchange.ts";
import { type Case, parseCases } from "./datadriven.ts";
import { isKeyValueHistory, parseKeyValueHistory, parseRegisterHistory } from "./histories.ts";
import { Interaction } from "./interaction.ts";
import { runQuorumCase } from "./quorum.ts";

export type CaseKind = "quorum" | "confchange" | "interaction" | "register" | "keyValue";

export interface Difference {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
  readonly got: string;
}

export interface FileResult {
  readonly kind: CaseKind;
  readonly cases: number;
  /** Where the output was another one; of a script, one difference mostly brings on others behind it. */
  readonly differences: readonly Difference[];
  /** Of a history. */
  readonly verdict?: "linearizable" | "not linearizable";
}

/** Those of the recorded registers that came with the verdict that they are linearizable; the others up to 50 are not. */
const LINEARIZABLE_REGISTERS = new Set([2, 5, 7, 18, 25, 31, 38, 45, 48, 49]);
const LAST_KNOWN_REGISTER = 50;

/** What a file holds, by what is in it: folders may be named anyhow. Undefined for one that holds no cases. */
export function kindOf(text: string): CaseKind | undefined {
  if (/:process \d+, :type :\w+/.test(text)) return "keyValue";
  if (/-\s*\d+\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\b/.test(text)) return "register";
  if (!/^----$/m.test(text.replaceAll("\r", ""))) return undefined;
  const command = /^([a-z_][a-z_-]*)/m.exec(text)?.[1] ?? "";
  if (command === "committed" || command === "vote") return "quorum";
  return ["simple", "enter-joint", "leave-joint"].includes(command) ? "confchange" : "interaction";
}

/** Runs a file's cases. What can't be understood is a difference, not an error: the files after it are run as well. */
export function runCaseFile(path: string): FileResult | undefined {
  const text = readFileSync(path, "utf8");
  const kind = kindOf(text);
  if (kind === undefined) return undefined;
  if (kind === "register" || kind === "keyValue") return runHistory(kind, text, basename(path));
  const cases = parseCases(text);
  const run = runnerOf(kind);
  const differences: Difference[] = [];
  for (const found of cases) {
    const expected = comparable(kind, found.expected);
    const got = comparable(
      kind,
      attempt(() => run(found)),
    );
    if (got !== expected) differences.push({ line: found.line, command: found.command, expected, got });
  }
  return { kind, cases: cases.length, differences };
}

function runnerOf(kind: CaseKind): (found: Case) => string {
  if (kind === "quorum") return runQuorumCase;
  const player = kind === "confchange" ? new MemberChanges() : new Interaction();
  return (found) => player.run(found);
}

/** Lines of the original's logger are its own business; an output of nothing else is "ok". */
function comparable(kind: CaseKind, text: string): string {
  if (kind !== "interaction") return text.trimEnd();
  const lines = text.split("\n").filter((line) => !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line));
  return lines.join("\n").trimEnd() || "ok";
}

function attempt(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

function runHistory(kind: "register" | "keyValue", text: string, file: string): FileResult {
  let cases = 0;
  const outcome = attempt(() => {
    if (kind === "register") {
      const operations = parseRegisterHistory(text);
      cases = operations.length;
      return isRegister(operations) ? "linearizable" : "not linearizable";
    }
    for (const operations of parseKeyValueHistory(text).values()) cases += operations.length;
    return isKeyValueHistory(text) ? "linearizable" : "not linearizable";
  });
  const verdict = outcome === "linearizable" || outcome === "not linearizable" ? outcome : undefined;
  const expected = expectedVerdict(kind, file);
  const differs = verdict === undefined || (expected !== undefined && verdict !== expected);
  const difference = { line: 1, command: "verdict", expected: expected ?? "a verdict", got: outcome };
  return { kind, cases, differences: differs ? [difference] : [], ...(verdict && { verdict }) };
}

/** The verdict that came with a history, by its name; of others the checker's own is all there is. */
function expectedVerdict(kind: "register" | "keyValue", file: string): string | undefined {
  if (kind === "keyValue") {
    const word = /-(ok|bad)\b/.exec(file)?.[1];
    return word === undefined ? undefined : word === "ok" ? "linearizable" : "not linearizable";
  }
  const number = Number(/^etcd_(\d+)\.log$/.exec(file)?.[1] ?? Number.NaN);
  if (!(number <= LAST_KNOWN_REGISTER)) return undefined;
  return LINEARIZABLE_REGISTERS.has(number) ? "linearizable" : "not linearizable";
}
