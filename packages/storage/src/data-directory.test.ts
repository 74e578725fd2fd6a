import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  CursorFile,
  checkLog,
  DirectoryLock,
  findLogs,
  logDirectory,
  SegmentedLog,
  segmentName,
  statLog,
} from "./index.ts";
import { makeRecords } from "./records.fixture.ts";

let dir: string;
const children: ChildProcessByStdio<null, Readable, null>[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-data-"));
});
afterEach(() => {
  // A test that fails half-way leaves no process behind.
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

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

test("a write that a crash cut off leaves the cursor as it was, and the next one goes through", async () => {
  const path = join(dir, "cursors", "lane");
  const cursor = new CursorFile(path);
  await cursor.write(7);
  const whole = readFileSync(path);
  for (let at = 0; at <= whole.length; at++) {
    writeFileSync(`${path}.new`, whole.subarray(0, at));
    expect(await new CursorFile(path).read()).toEqual({ kind: "known", nextSequence: 7 });
  }
  await cursor.write(8);
  expect(await cursor.read()).toEqual({ kind: "known", nextSequence: 8 });
});

test("verify tells what an index says was durable and isn't there", () => {
  const lane = logDirectory(dir, "batch");
  const log = SegmentedLog.open({ dir: lane, segmentBytes: 1 << 20 });
  const { bytes, offsets } = makeRecords(["a", "b", "c"]);
  log.append(bytes, 0, bytes.length, 1, 3);
  log.sync();
  log.close();
  const sound = () => checkLog({ lane: "batch", dir: lane });
  expect(sound()).toMatchObject({ sound: true, problems: [] });
  writeFileSync(join(lane, segmentName(1)), bytes.subarray(0, offsets[1]));
  expect(sound()).toMatchObject({
    sound: false,
    problems: [expect.stringContaining("sequences 2 to 3 were durable at its end, and are gone")],
  });
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
  // A process that ended; this process's pid with another start time; its pid and start time before a reboot.
  for (const stale of [`${child.pid}-1-12345678`, `${process.pid}-1-12345678`, `${process.pid}-0-none`, "rubbish"]) {
    mkdirSync(join(dir, "LOCK"));
    writeFileSync(join(dir, "LOCK", stale), "");
    DirectoryLock.acquire(dir)[Symbol.dispose]();
    expect(existsSync(join(dir, "LOCK"))).toBe(false);
  }
});

test("the owner's kill -9 frees the directory", async () => {
  const owner = contender(`DirectoryLock.acquire(dir); process.stdout.write("has it"); setInterval(() => {}, 1_000);`);
  await new Promise((resolve) => owner.stdout.once("data", resolve));
  expect(() => DirectoryLock.acquire(dir)).toThrow(`pid ${owner.pid}`);
  owner.kill("SIGKILL");
  await new Promise((resolve) => owner.once("exit", resolve));
  DirectoryLock.acquire(dir)[Symbol.dispose]();
});

test("of processes that want a directory at once, over a stale lock too, never two have it, and some do get it", async () => {
  // Who has the lock makes a file that must not be there: a second owner would find it.
  const script = `
    const { closeSync, mkdirSync, openSync, rmSync, writeFileSync } = await import("node:fs");
    let had = 0;
    for (let i = 0; i < 150; i++) {
      try {
        using lock = DirectoryLock.acquire(dir);
        closeSync(openSync(dir + "/owned", "wx"));
        had++;
        rmSync(dir + "/owned");
        // As after a crash: an entry stays behind.
        if (i % 3 === 0) writeFileSync(dir + "/LOCK/" + process.pid + "-1-12345678", "");
      } catch (error) {
        if (error.code !== "ESC_DATA_DIR_LOCKED") throw error;
      }
    }
    process.stdout.write(String(had));`;
  const results = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = contender(script);
      let output = "";
      child.stdout.on("data", (chunk) => {
        output += chunk;
      });
      const code = await new Promise((resolve) => child.once("close", resolve));
      return { code, had: Number(output) };
    }),
  );
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect(results.reduce((sum, { had }) => sum + had, 0)).toBeGreaterThan(0);
});

function contender(script: string): ChildProcessByStdio<null, Readable, null> {
  const module = JSON.stringify(new URL("./directory-lock.ts", import.meta.url).href);
  const source = `const { DirectoryLock } = await import(${module}); const dir = ${JSON.stringify(dir)}; ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

test("a lane's log is described by its two ends, and an overlap of segments is told by verify", () => {
  const lane = logDirectory(dir, "batch");
  mkdirSync(lane, { recursive: true });
  const write = (first: number, payloads: string[]) =>
    writeFileSync(join(lane, segmentName(first)), makeRecords(payloads, first).bytes);
  write(1, ["a", "b"]);
  write(3, ["c", "d"]);
  const log = { lane: "batch", dir: lane };
  expect(statLog(log)).toMatchObject({
    lane: "batch",
    segments: 2,
    firstSequence: 1,
    lastSequence: 4,
    firstTimeMs: 1_700_000_000_000,
    lastTimeMs: 1_700_000_000_001,
  });
  write(4, ["d again"]);
  expect(checkLog(log).problems).toEqual([expect.stringMatching(/begins at sequence 4, which .* has already$/)]);
});

test("logs are found from the data directory, its log folder and one lane's folder", () => {
  const lane = logDirectory(dir, "batch");
  mkdirSync(lane, { recursive: true });
  writeFileSync(join(lane, segmentName(1)), makeRecords(["x"]).bytes);
  for (const start of [dir, join(dir, "log"), lane]) expect(findLogs(start)).toEqual([{ lane: "batch", dir: lane }]);
  expect(() => findLogs(join(dir, "nowhere"))).toThrow(expect.objectContaining({ code: "ESC_LOG_NOT_FOUND" }));
});

test("a directory that can't be made is an error at once, wherever it should be", () => {
  for (const dir of ["/proc/x", "/proc/x/y", join(process.execPath, "x")]) {
    expect(() => DirectoryLock.acquire(dir)).toThrow(/ENOENT|ENOTDIR|EEXIST|EACCES|EPERM/);
  }
});
