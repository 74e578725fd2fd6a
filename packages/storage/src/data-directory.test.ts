import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CursorFile, DirectoryLock, findLogs, logDirectory, segmentName } from "./index.ts";
import { makeRecords } from "./records.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-data-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("a cursor comes back as it was written; there is none at first; the last of many writes wins", async () => {
  const cursor = new CursorFile(join(dir, "cursors", "lane"));
  expect(await cursor.read()).toEqual({ kind: "new" });
  await Promise.all([1, 2, 3, 4_294_967_300].map((sequence) => cursor.write(sequence)));
  expect(await new CursorFile(join(dir, "cursors", "lane")).read()).toEqual({
    kind: "known",
    nextSequence: 4_294_967_300,
  });
});

test("a cursor with any byte changed or cut is broken, never another number", async () => {
  const path = join(dir, "cursor");
  const cursor = new CursorFile(path);
  await cursor.write(123_456);
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at++) {
    const changed = Buffer.from(good);
    changed[at] = (changed[at] as number) ^ 1;
    for (const bytes of [changed, good.subarray(0, at)]) {
      writeFileSync(path, bytes);
      expect((await cursor.read()).kind).toBe("broken");
    }
  }
});

test("a directory is one process's: a second is refused with the owner's pid, until the owner gives it back", () => {
  const lock = DirectoryLock.acquire(dir);
  expect(() => DirectoryLock.acquire(dir)).toThrow(expect.objectContaining({ code: "ESC_DATA_DIR_LOCKED" }));
  expect(() => DirectoryLock.acquire(dir)).toThrow(`pid ${process.pid}`);
  lock[Symbol.dispose]();
  DirectoryLock.acquire(dir)[Symbol.dispose]();
});

test("the lock of a process that is gone is taken over, also when its pid is somebody else's by now", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await new Promise((resolve) => child.once("exit", resolve));
  writeFileSync(join(dir, "LOCK"), `${child.pid} 1\n`);
  DirectoryLock.acquire(dir)[Symbol.dispose]();
  // This process's pid with another start time.
  writeFileSync(join(dir, "LOCK"), `${process.pid} 1\n`);
  DirectoryLock.acquire(dir)[Symbol.dispose]();
});

test("logs are found from the data directory, its log folder and one lane's folder", () => {
  const lane = logDirectory(dir, "batch");
  mkdirSync(lane, { recursive: true });
  writeFileSync(join(lane, segmentName(1)), makeRecords(["x"]).bytes);
  for (const start of [dir, join(dir, "log"), lane]) expect(findLogs(start)).toEqual([{ lane: "batch", dir: lane }]);
  expect(() => findLogs(join(dir, "nowhere"))).toThrow(expect.objectContaining({ code: "ESC_LOG_NOT_FOUND" }));
});
