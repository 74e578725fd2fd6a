import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkLog, LogReader, listSegments, recoverLog, SegmentedLog, segmentName } from "./index.ts";
import { makeRecords } from "./records.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-probe-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const seqs = (from = 1) => {
  using r = new LogReader({ dir, fromSequence: from });
  return Array.from(r, (v) => v.sequence);
};

test("1 foreign segment not returned", () => {
  writeFileSync(join(dir, segmentName(7)), makeRecords(["a", "b", "c"], 1000).bytes);
  const log = SegmentedLog.open({ dir, segmentBytes: 1 << 20 });
  const first = log.nextSequence;
  const { bytes } = makeRecords(["new"], first);
  log.append(bytes, 0, bytes.length, first, 1);
  log.close();
  expect(seqs()).toEqual([first]);
});
test("2 big record behind damage is not cut", () => {
  const { bytes, offsets } = makeRecords(["x".repeat(1_500_000), "y".repeat(1_900_000), Buffer.alloc(1_900_000, 1)]);
  const big = makeRecords(["first"], 1);
  // one record of > 2 MiB, made by hand is hard with the fixture: use damage so that the only good one straddles loads
  void big;
  const d = Buffer.from(bytes);
  d[100] ^= 1;
  d[(offsets[1] as number) + 100] ^= 1;
  writeFileSync(join(dir, segmentName(1)), d);
  const r = recoverLog(dir);
  expect(r.tornTail).toBeUndefined();
  expect(r.damage.length).toBeGreaterThan(0);
});
test("3 a record in a payload is never an event: torn", () => {
  const inner = makeRecords(["FORGED", "FORGED2"], 3).bytes;
  const { bytes, offsets } = makeRecords(["good", Buffer.concat([Buffer.alloc(6), inner, Buffer.alloc(100)]), "after"]);
  // align: find how payload lies
  for (let pad = 0; pad < 8; pad++) {
    const rec = makeRecords(["good", Buffer.concat([Buffer.alloc(pad), inner, Buffer.alloc(100)])]);
    writeFileSync(join(dir, segmentName(1)), rec.bytes.subarray(0, rec.bytes.length - 16));
    const log = SegmentedLog.open({ dir, segmentBytes: 1 << 20 });
    log.close();
    using r = new LogReader({ dir });
    expect(Array.from(r, (v) => v.text())).toEqual(["good"]);
    for (const s of listSegments(dir)) rmSync(s.path);
  }
  void bytes;
  void offsets;
});
test("4 flip in payload holding records", () => {
  for (let pad = 0; pad < 8; pad++) {
    const inner = makeRecords(["FORGED"], 3).bytes;
    const rec = makeRecords(["good", Buffer.concat([Buffer.alloc(pad), inner, Buffer.alloc(100)]), "three"]);
    const d = Buffer.from(rec.bytes);
    const at = (rec.offsets[2] as number) - 20;
    d[at] = (d[at] as number) ^ 1;
    writeFileSync(join(dir, segmentName(1)), d);
    using r = new LogReader({ dir });
    expect(Array.from(r, (v) => v.text())).toEqual(["good", "three"]);
  }
});
test("5 a hole at a record boundary loses only the hole", () => {
  const { bytes, offsets } = makeRecords(["1", "2", "3", "4"]);
  writeFileSync(join(dir, segmentName(1)), Buffer.concat([bytes.subarray(0, offsets[1]), bytes.subarray(offsets[2])]));
  expect(seqs()).toEqual([1, 3, 4]);
});
test("6 reader racing with rolls", async () => {
  const script = `
    const { SegmentedLog } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const { makeRecords } = await import(${JSON.stringify(new URL("./records.fixture.ts", import.meta.url).href)});
    const { bytes, offsets } = makeRecords(Array.from({length: 20000}, (_, i) => "event " + i));
    const log = SegmentedLog.open({ dir: ${JSON.stringify(dir)}, segmentBytes: 400 });
    for (let i = 0; i < 20000; i++) { const at = offsets[i]; const end = offsets[i+1] ?? bytes.length; log.append(bytes, at, end - at, i + 1, 1); }
  `;
  const w = new Worker(script, { eval: true });
  let done = false;
  w.on("exit", () => {
    done = true;
  });
  w.on("error", (e) => {
    throw e;
  });
  using r = new LogReader({ dir, bufferBytes: 4096 });
  let expected = 1;
  const gaps: string[] = [];
  const until = Date.now() + 20000;
  while (expected <= 20000 && Date.now() < until && !(done && gaps.length > 3)) {
    for (const v of r) {
      if (v.sequence !== expected) {
        gaps.push(expected + "->" + v.sequence);
      }
      expected = v.sequence + 1;
    }
    await new Promise((x) => setImmediate(x));
  }
  expect(gaps).toEqual([]);
  expect(expected).toBe(20001);
});
