import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCaseFile } from "../recorded/case-file.ts";
import { RECORDED, recordings } from "../recorded/datadriven.ts";
import { isKeyValueHistory } from "../recorded/histories.ts";

const OWN = join(import.meta.dirname, "../scripts");

describe.each([
  ["quorum", "a quorum decides, and is drawn,"],
  ["confchange", "members change"],
  ["interaction", "a group does, output by output, what was scripted:"],
  ["linearizability/etcd", "the checker's verdict is the recorded one, of registers:"],
  ["linearizability/kv", "the checker's verdict is the recorded one, of keys:"],
])(`of another implementation's recordings (${RECORDED}), %s`, (folder, what) => {
  const files = recordings(folder);
  test.skipIf(files.length === 0).each(files.length === 0 ? ["none"] : files)(`${what} %s`, (file) => {
    const result = runCaseFile(join(RECORDED, folder, file));
    expect(result?.differences).toEqual([]);
    expect(result?.cases).toBeGreaterThan(0);
  });
});

describe("a group does, output by output, what was scripted here:", () => {
  test.each(readdirSync(OWN))("%s", (file) => {
    const result = runCaseFile(join(OWN, file));
    expect(result?.differences).toEqual([]);
    expect(result?.cases).toBeGreaterThan(0);
  });
});

describe("a history of keys", () => {
  const line = (client: number, phase: string, what: string, value: string) =>
    `INFO {:process ${client}, :type :${phase}, :f :${what}, :key "0", :value ${value}}\n`;
  const unanswered = line(0, "invoke", "put", '"x"') + line(0, "info", "put", '"x"') + line(0, "invoke", "get", "nil");

  test("what was never answered may have happened, also where its client goes on", () => {
    expect(isKeyValueHistory(unanswered + line(0, "ok", "get", '"x"'))).toBe(true);
    expect(isKeyValueHistory(unanswered + line(0, "ok", "get", "nil"))).toBe(true);
  });

  test("and nothing else may", () => {
    expect(isKeyValueHistory(unanswered + line(0, "ok", "get", '"y"'))).toBe(false);
  });

  test("a get that was never answered says nothing, and an answer without a call is told", () => {
    expect(isKeyValueHistory(line(0, "invoke", "get", "nil") + line(0, "info", "get", "nil"))).toBe(true);
    expect(() => isKeyValueHistory(line(0, "ok", "get", "nil"))).toThrow("line 1: nothing was called");
  });
});

describe("the command that runs recorded cases", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "raft-cases-"));
    mkdirSync(join(folder, "deep/er"), { recursive: true });
    writeFileSync(join(folder, "README.md"), "not a case\n");
    writeFileSync(join(folder, "LICENSE-other.txt"), "nor this\n");
    writeFileSync(join(folder, "deep/votes.txt"), "vote cfg=(1,2,3) votes=(y,y,_)\n----\nVoteWon\n");
    const history = ["0\t:invoke\t:write\t1", "0\t:ok\t:write\t1", "1\t:invoke\t:read\tnil", "1\t:ok\t:read\t1"];
    writeFileSync(join(folder, "deep/er/new.log"), history.map((line) => `INFO  test - ${line}\n`).join(""));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, "../recorded/cases.ts"), ...args], { encoding: "utf8" });

  test("finds files wherever they are, says each one's verdict, and ends with the sum", () => {
    const { status, stdout } = run(folder);
    expect(stdout).toBe(
      "passed  deep/er/new.log  linearizable\npassed  deep/votes.txt  1 of 1 cases\n2 passed, 0 failed\n",
    );
    expect(status).toBe(0);
  });

  test("shows where a file differs, and fails", () => {
    writeFileSync(
      join(folder, "wrong.txt"),
      "add-nodes 1 voters=(1) index=2\n----\nok\n\nraft-state\n----\n1: StateLeader\n",
    );
    const { status, stdout } = run(folder);
    expect(stdout).toContain("FAILED  wrong.txt  1 of 2 cases\n  line 5, raft-state: expected\n    1: StateLeader\n");
    expect(stdout).toMatch(/2 passed, 1 failed\n$/);
    expect(status).toBe(1);
  });

  test("counts a command that nobody knows as a difference, and goes on", () => {
    writeFileSync(join(folder, "strange.txt"), "fly-away 1\n----\nok\n");
    const { stdout } = run(folder, "--json");
    const { passed, failed, files } = JSON.parse(stdout);
    expect([passed, failed]).toEqual([2, 1]);
    expect(files.at(-1)).toMatchObject({ file: "strange.txt", passed: false, kind: "interaction" });
  });

  test("fails where there is nothing to run", () => {
    expect(run(join(folder, "README.md")).status).toBe(1);
    expect(run(join(folder, "absent")).status).toBe(2);
    expect(run("--unknown").status).toBe(2);
  });
});
