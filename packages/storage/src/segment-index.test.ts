import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkSegment, LogReader, listSegments, SegmentedLog, segmentName } from "./index.ts";
import { seeded } from "./random.fixture.ts";
import { RecordScanner } from "./record-scanner.ts";
import { FIRST_TIME_MS, makeRecords } from "./records.fixture.ts";
import { indexPath } from "./segment-files.ts";
import { INDEX_STEP_BYTES, readIndex, SegmentIndex } from "./segment-index.ts";
import { testDirectory } from "./test-directory.fixture.ts";
import { unsyncedFs } from "./unsynced-fs.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = testDirectory("index");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Some 5 steps of records whose clock goes back and forth. */
function records(count = 1_000, firstSequence = 1) {
  const random = seeded(1);
  return makeRecords(
    Array.from({ length: count }, (_, i) => String(firstSequence + i).padStart(300, ".")),
    firstSequence,
    "a.b",
    (i) => FIRST_TIME_MS + i * 10 + Math.floor((random() - 0.5) * 2_000),
  );
}

/** The index as a writer makes it that appends so many records at once. */
function written(pieces: number): SegmentIndex {
  const { bytes, offsets } = records();
  const index = new SegmentIndex(1);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < offsets.length; i += pieces) {
    const from = offsets[i] as number;
    const to = offsets[i + pieces] ?? bytes.length;
    index.addRecords(view, bytes.byteOffset + from, to - from, from, i + 1);
  }
  return index;
}

test("the index that a writer keeps is that which reading the segment makes: same ends, times and places", () => {
  const { bytes } = records();
  const path = join(dir, segmentName(1));
  writeFileSync(path, bytes);
  const read = new SegmentIndex(1);
  checkSegment(path, 1, new RecordScanner(), read);
  for (const pieces of [1, 7, 1_000]) {
    const index = written(pieces);
    expect(index.summary).toEqual(read.summary);
    expect(index.entries).toBeGreaterThanOrEqual(Math.floor(bytes.length / INDEX_STEP_BYTES) - 1);
  }
});

test("what is encoded is decoded, and any byte changed, cut or added makes it no index", () => {
  const index = written(10);
  const bytes = index.encode();
  const again = SegmentIndex.decode(bytes, 1) as SegmentIndex;
  expect(again.summary).toEqual(index.summary);
  expect(again.placeOf(500)).toEqual(index.placeOf(500));
  expect(SegmentIndex.decode(bytes, 2)).toBeUndefined();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    expect(SegmentIndex.decode(changed, 1), `byte ${at}`).toBeUndefined();
    expect(SegmentIndex.decode(bytes.subarray(0, at), 1)).toBeUndefined();
  }
  expect(SegmentIndex.decode(Buffer.concat([bytes, Buffer.alloc(24)]), 1)).toBeUndefined();
});

test("a decoded index goes on growing as the one it was made from", () => {
  const { bytes, offsets } = records();
  const half = offsets[500] as number;
  const view = new DataView(bytes.buffer);
  const one = new SegmentIndex(1);
  one.addRecords(view, bytes.byteOffset, half, 0, 1);
  const other = SegmentIndex.decode(one.encode(), 1) as SegmentIndex;
  for (const index of [one, other]) index.addRecords(view, bytes.byteOffset + half, bytes.length - half, half, 501);
  expect(Buffer.from(other.encode()).equals(Buffer.from(one.encode()))).toBe(true);
});

test("reading from any sequence or time begins at the right record, whatever the clock did, with an index or without", () => {
  const log = SegmentedLog.open({ dir, segmentBytes: 150_000, fs: unsyncedFs });
  const { bytes, offsets } = records(2_000);
  const times: number[] = [];
  for (let i = 0; i < 2_000; i += 20) {
    const to = offsets[i + 20] ?? bytes.length;
    log.append(bytes, offsets[i] as number, to - (offsets[i] as number), i + 1, 20);
  }
  using all = log.read();
  for (const view of all) times.push(view.timeMs);
  const check = () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_001 }),
        fc.integer({ min: FIRST_TIME_MS - 2_000, max: FIRST_TIME_MS + 23_000 }),
        (sequence, timeMs) => {
          using bySequence = log.read({ fromSequence: sequence });
          expect(first(bySequence)).toBe(sequence <= 2_000 ? sequence : undefined);
          using byTime = log.read({ fromTimeMs: timeMs });
          const expected = times.findIndex((time) => time >= timeMs) + 1;
          expect(first(byTime)).toBe(expected > 0 ? expected : undefined);
        },
      ),
      { numRuns: 150 },
    );
  check();
  for (const { path } of listSegments(dir).slice(0, -1)) rmSync(indexPath(path), { force: true });
  check();
  log.close();
});

function first(reader: LogReader): number | undefined {
  for (const view of reader) return view.sequence;
  return undefined;
}

test("an index that points where no such record stands is not gone by, however right its CRC is", () => {
  const log = SegmentedLog.open({ dir, segmentBytes: 1 << 20, fs: unsyncedFs });
  const { bytes } = records();
  log.append(bytes, 0, bytes.length, 1, 1_000);
  log.close();
  const path = indexPath(join(dir, segmentName(1)));
  for (const [field, by] of [
    ["offset", 8],
    ["offset", INDEX_STEP_BYTES * 100],
    ["sequence", 1],
  ] as const) {
    const index = Buffer.from(readFileSync(path));
    for (let at = 96; at < index.length; at += 24) {
      const place = at + (field === "offset" ? 16 : 0);
      index.writeDoubleLE(index.readDoubleLE(place) + by, place);
    }
    index.writeUInt32LE(crc32(index.subarray(96)), 12);
    index.writeUInt32LE(crc32(index.subarray(16, 96)), 8);
    writeFileSync(path, index);
    expect(readIndex(path, 1)).toBeDefined();
    using reader = new LogReader({ dir, fromSequence: 700 });
    expect(first(reader)).toBe(700);
  }
});

test("a long segment's index is written while it grows, so that a reader needn't walk more than 64 MiB of it", () => {
  const log = SegmentedLog.open({ dir, segmentBytes: 1 << 30, fs: unsyncedFs });
  for (let i = 0; i < 1_300; i++) log.append(longRecord(log.nextSequence), 0, 65_544, log.nextSequence, 1);
  const { path, bytes: size } = listSegments(dir)[0] as { path: string; bytes: number };
  expect(size).toBeGreaterThan(80 << 20);
  const covered = readIndex(indexPath(path), 1)?.coveredBytes ?? 0;
  expect(size - covered).toBeLessThanOrEqual(65 << 20);
  expect(statSync(indexPath(path)).size).toBeLessThan(40_000);
  log.close();
});

/** Bytes as long as a record of just over a step: the writer doesn't look at CRCs. */
function longRecord(sequence: number): Buffer {
  const record = Buffer.alloc(65_544);
  record.writeUInt32LE(65_544, 0);
  record.writeUInt32LE(sequence, 8);
  return record;
}
