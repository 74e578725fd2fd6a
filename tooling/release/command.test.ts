import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run } from "./command.ts";

const options = { cwd: import.meta.dirname, env: process.env, signal: new AbortController().signal };
const node = (source: string) => ["-e", source];

test("a command that succeeds gives what it wrote to stdout", async () => {
  const both = "console.log('out'); console.error('err')";
  expect(await run(process.execPath, node(both), options)).toBe("out\n");
});

test("a command that fails rejects with its exit code and all it said", async () => {
  const failing = run(process.execPath, node("console.log('said'); process.exit(3)"), options);
  await expect(failing).rejects.toThrow(/ended with 3\nsaid/);
});

test("a command that isn't there rejects", async () => {
  await expect(run("no-such-command-here", [], options)).rejects.toThrow(/ENOENT/);
});

test("a command that takes too long is killed", async () => {
  const hanging = run(process.execPath, node("setInterval(() => 0, 1000)"), { ...options, timeoutMs: 200 });
  await expect(hanging).rejects.toThrow(/took longer than 200 ms/);
});

test("giving up kills a command and its children", async () => {
  const stop = new AbortController();
  const dir = mkdtempSync(join(tmpdir(), "esc-command-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const running = run(
    process.execPath,
    node(`${SPAWN_CHILD} require("node:fs").writeFileSync("pid", String(child.pid))`),
    {
      ...options,
      cwd: dir,
      signal: stop.signal,
    },
  );
  const stopped = expect(running).rejects.toThrow(/was stopped/);
  const pidFile = join(dir, "pid");
  await expect.poll(() => existsSync(pidFile) && readFileSync(pidFile, "utf8"), { timeout: 30_000 }).toBeTruthy();
  const pid = Number(readFileSync(pidFile, "utf8"));
  expect(isRunning(pid)).toBe(true);
  stop.abort();
  await stopped;
  await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
});

test("a child that a command leaves behind is killed with its end", async () => {
  const pid = Number(
    await run(process.execPath, node(`${SPAWN_CHILD} console.log(child.pid); child.unref()`), options),
  );
  await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
});

/** A child that lives for ever, and holds its parent's output open. */
const SPAWN_CHILD = `
  const { spawn } = require("node:child_process");
  const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"], { stdio: "inherit" });`;

/** Whether a process does anything still: one that has ended may go on having its id until somebody takes note of it. */
function isRunning(pid: number): boolean {
  const [state = "Z"] = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim();
  return state !== "Z";
}
