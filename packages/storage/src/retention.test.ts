import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  applyRetention,
  type LogFs,
  type LogGap,
  LogReader,
  listSegments,
  type RetentionPolicy,
  recoverLog,
  SegmentedLog,
  type SegmentFile,
} from "./index.ts";
import { append, readAll } from "./log-store.fixture.ts";
import { FIRST_TIME_MS, makeRecords } from "./records.fixture.ts";
import { indexPath } from "./segment-files.ts";
import { testDirectory } from "./test-directory.fixture.ts";
import { unsyncedFs } from "./unsynced-fs.fixture.ts";

let dir: string;
let log: SegmentedLog;
beforeEach(() => {
  dir = testDirectory("retention");
  // Ten segments of ten records; record n is of the n-th second.
  const { bytes, offsets } = makeRecords(
    Array.from({ length: 100 }, (_, i) => String(i + 1).padStart(3, "0")),
    1,
    "a.b",
    (i) => FIRST_TIME_MS + (i + 1) * 1_000,
  );
  const size = offsets[1] as number;
  log = SegmentedLog.open({ dir, segmentBytes: 10 * size, fs: unsyncedFs });
  for (let i = 0; i < 100; i++) log.append(bytes, i * size, size, i + 1, 1);
});
afterEach(() => {
  log.close();
  rmSync(dir, { recursive: true, force: true });
});

const SEGMENT = () => listSegments(dir)[0]?.bytes as number;

function apply(policy: RetentionPolicy, options: { cursor?: number; nowMs?: number; fs?: LogFs } = {}) {
  return applyRetention({
    dir,
    policy,
    nextSequence: log.nextSequence,
    cursor: options.cursor,
    nowMs: options.nowMs ?? FIRST_TIME_MS + 100_000,
    fs: options.fs ?? unsyncedFs,
  });
}

test("without a limit nothing is deleted", async () => {
  expect(await apply({})).toMatchObject({ segments: 0, firstSequence: 1, segmentsLeft: 10, heldBack: false });
});

test("by bytes: the oldest segments go until the log takes no more than the limit", async () => {
  const result = await apply({ maxBytes: 4 * SEGMENT() + 1 });
  expect(result).toMatchObject({ segments: 6, records: 60, firstSequence: 61, segmentsLeft: 4, reasons: ["bytes"] });
  expect(result.bytesLeft).toBe(listSegments(dir).reduce((sum, { bytes }) => sum + bytes, 0));
  expect(readAll(log)[0]).toBe("61:061");
});

test("by count: no more records stay than the limit, by whole segments", async () => {
  expect(await apply({ maxRecords: 35 })).toMatchObject({ segments: 7, firstSequence: 71, reasons: ["records"] });
});

test("by age: a segment goes when its latest record is too old, with its index or without", async () => {
  rmSync(indexPath(listSegments(dir)[1]?.path as string));
  expect(await apply({ maxAgeMs: 75_000 })).toMatchObject({ segments: 2, firstSequence: 21, reasons: ["age"] });
  expect(await apply({ maxAgeMs: 75_000 })).toMatchObject({ segments: 0 });
});

test("the last segment stays, whatever the limits", async () => {
  expect(await apply({ maxBytes: 0, maxRecords: 0, maxAgeMs: 0 }, { nowMs: Number.MAX_SAFE_INTEGER })).toMatchObject({
    segments: 9,
    segmentsLeft: 1,
    firstSequence: 91,
  });
  append(log, ["next"]);
  expect(readAll(log)).toHaveLength(11);
});

test("what a durable cursor has not passed stays, and that is told; unless it is forced", async () => {
  expect(await apply({ maxBytes: 0 }, { cursor: 35 })).toMatchObject({
    segments: 3,
    firstSequence: 31,
    heldBack: true,
  });
  expect(await apply({ maxBytes: 0 }, { cursor: 41 })).toMatchObject({
    segments: 1,
    firstSequence: 41,
    heldBack: true,
  });
  expect(await apply({ maxBytes: 0, force: true }, { cursor: 41 })).toMatchObject({ segments: 5, heldBack: false });
});

test("index and mark go with their segment", async () => {
  const first = listSegments(dir)[0] as SegmentFile;
  const mark = first.path.replace(".log", ".quarantine");
  writeFileSync(mark, "");
  await apply({ maxRecords: 90 });
  expect([existsSync(indexPath(first.path)), existsSync(mark)]).toEqual([false, false]);
});

test("an end at any operation leaves a log without a hole, and the next start clears what lay beside", async () => {
  for (let end = 1; end < 20; end++) {
    let operations = 0;
    const dying: LogFs = {
      ...unsyncedFs,
      remove: (path) => {
        if (++operations >= end) throw new Error("the process is gone");
        unsyncedFs.remove(path);
      },
      syncDirectory: () => {
        if (++operations >= end) throw new Error("the process is gone");
      },
    };
    await apply({ maxRecords: 100 - end * 3 }, { fs: dying }).catch(() => undefined);
    const recovery = recoverLog(dir, unsyncedFs);
    expect(recovery).toMatchObject({ missing: [], damage: [], nextSequence: 101 });
    const gaps: LogGap[] = [];
    using reader = new LogReader({ dir, onGap: (gap) => gaps.push(gap) });
    expect([Array.from(reader).length, gaps]).toEqual([101 - recovery.firstSequence, []]);
    for (const name of readdirSync(dir)) expect(existsSync(join(dir, `${name.slice(0, 20)}.log`))).toBe(true);
  }
});

test("the name of each segment is durably gone before the next one's turn", async () => {
  const operations: string[] = [];
  const recording: LogFs = {
    ...unsyncedFs,
    remove: (path) => {
      if (path.endsWith(".log")) operations.push(path.slice(-6, -4));
      unsyncedFs.remove(path);
    },
    syncDirectory: () => operations.push("sync"),
  };
  await apply({ maxRecords: 70 }, { fs: recording });
  expect(operations).toEqual(["01", "sync", "11", "sync", "21", "sync"]);
});

test("a reader under which segments are deleted ends the one it has open, is told of the gap, and goes on behind it", async () => {
  const gaps: LogGap[] = [];
  using reader = new LogReader({ dir, bufferBytes: 4_096, onGap: (gap) => gaps.push(gap) });
  const seen: number[] = [];
  for (const view of reader) {
    seen.push(view.sequence);
    if (view.sequence === 5) await apply({ maxRecords: 45 });
  }
  const kept = Array.from({ length: 40 }, (_, i) => 61 + i);
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...kept]);
  expect(gaps).toMatchObject([{ kind: "removed", fromSequence: 11, toSequence: 60 }]);
});

test("a writer goes on while segments are deleted on behalf of another thread", async () => {
  const running = apply({ maxRecords: 20 });
  for (let i = 0; i < 50; i++) append(log, ["more"]);
  await running;
  expect(readAll(log).at(-1)).toBe("150:more");
  expect(recoverLog(dir, unsyncedFs)).toMatchObject({ missing: [], damage: [], nextSequence: 151 });
});
