import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LogReader, listSegments, SegmentedLog, segmentName } from "./index.ts";
import { makeRecords } from "./records.fixture.ts";
import { testDirectory } from "./test-directory.fixture.ts";

// What happens between a reader's load and its look for a further segment: a writer is not waited for.
const before = vi.hoisted(() => ({ listing: undefined as (() => void) | undefined }));
vi.mock("./segment-files.ts", async (original) => {
  const real = await original<typeof import("./segment-files.ts")>();
  return {
    ...real,
    listSequences: (dir: string) => {
      before.listing?.();
      return real.listSequences(dir);
    },
  };
});

// What a load finds of bytes that a writer is putting there at the same time.
const during = vi.hoisted(() => ({ load: undefined as ((loaded: Uint8Array) => void) | undefined }));
vi.mock("./segment-input.ts", async (original) => {
  const real = await original<typeof import("./segment-input.ts")>();
  class SegmentInput extends real.SegmentInput {
    override load(offset: number): number {
      const loaded = super.load(offset);
      during.load?.(this.scanner.buffer.subarray(0, loaded));
      return loaded;
    }
  }
  return { ...real, SegmentInput };
});

let dir: string;
beforeEach(() => {
  dir = testDirectory("reader");
});
afterEach(() => {
  before.listing = undefined;
  during.load = undefined;
  rmSync(dir, { recursive: true, force: true });
});

function append(log: SegmentedLog, payloads: readonly (string | Uint8Array)[]): void {
  const first = log.nextSequence;
  const { bytes } = makeRecords(payloads, first);
  log.append(bytes, 0, bytes.length, first, payloads.length);
}

function gapsOf(fromSequence?: number): { seen: number[]; gaps: string[] } {
  const gaps: string[] = [];
  using reader = new LogReader({
    dir,
    ...(fromSequence !== undefined && { fromSequence }),
    onGap: (gap) => gaps.push(gap.reason),
  });
  return { seen: Array.from(reader, (view) => view.sequence), gaps };
}

test("records that a writer appends before it goes on to a new segment are not missed by a reader at the old one's end", () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 100 });
  append(log, ["one"]);
  using reader = new LogReader({ dir });
  const read = () => Array.from(reader, (view) => view.sequence);
  expect(read()).toEqual([1]);
  // The reader has found the end of the first segment, and is about to ask for a second one.
  before.listing = () => {
    before.listing = undefined;
    append(log, ["two"]);
    append(log, ["three"]);
    append(log, ["four"]);
  };
  expect(read()).toEqual([2, 3, 4]);
  expect(listSegments(dir).length).toBeGreaterThan(1);
});

test("records of other sequences than a segment's name says are not given out, and what follows is", () => {
  writeFileSync(join(dir, segmentName(1)), makeRecords(["one"]).bytes);
  writeFileSync(join(dir, segmentName(2)), makeRecords(["a", "b"], 1_000).bytes);
  writeFileSync(join(dir, segmentName(4)), makeRecords(["four"], 4).bytes);
  expect(gapsOf()).toEqual({
    seen: [1, 4],
    gaps: ["the sequence isn't the next one"],
  });
});

test("damage in a payload that holds a whole record doesn't bring that record to light", () => {
  for (let padding = 0; padding < 8; padding++) {
    const inner = makeRecords(["forged"], 3).bytes;
    const { bytes, offsets } = makeRecords([
      "good",
      Buffer.concat([Buffer.alloc(padding), inner, Buffer.alloc(100)]),
      "three",
    ]);
    const at = (offsets[2] as number) - 20;
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(join(dir, segmentName(1)), bytes);
    using reader = new LogReader({ dir });
    expect(Array.from(reader, (view) => view.text())).toEqual(["good", "three"]);
  }
});

test("a header of which nothing but the length is left still says where the next record is", () => {
  for (let padding = 0; padding < 8; padding++) {
    const inner = makeRecords(["forged"], 2).bytes;
    const { bytes } = makeRecords([Buffer.concat([Buffer.alloc(padding), inner]), "two"]);
    bytes.fill(0xee, 4, 44);
    writeFileSync(join(dir, segmentName(1)), bytes);
    using reader = new LogReader({ dir });
    expect(Array.from(reader, (view) => view.text())).toEqual(["two"]);
  }
});

test("a reader is told of sequences that are missing before the first segment, if it asked for them", () => {
  writeFileSync(join(dir, segmentName(500)), makeRecords(["x"], 500).bytes);
  expect(gapsOf()).toEqual({ seen: [500], gaps: [] });
  expect(gapsOf(1)).toEqual({ seen: [500], gaps: ["sequences 1 to 499 are missing before it"] });
});

test("a reader is told of a missing segment", () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 60 });
  for (let i = 0; i < 4; i++) append(log, [`event ${i}`]);
  rmSync(listSegments(dir)[1]?.path as string);
  expect(gapsOf()).toEqual({ seen: [1, 3, 4], gaps: ["sequences 2 to 2 are missing before it"] });
});

test("a folder that isn't there yet, or is empty, is a log without records, and is followed when it comes to be", () => {
  using reader = new LogReader({ dir: join(dir, "later") });
  expect(reader.nextRun()).toBe(0);
  using log = SegmentedLog.open({ dir: join(dir, "later"), segmentBytes: 1_000 });
  expect(reader.nextRun()).toBe(0);
  append(log, ["one"]);
  expect(Array.from(reader, (view) => view.text())).toEqual(["one"]);
});

test("any cut of the last record is one that is being written: not given out, no gap, and read once it is whole", () => {
  const { bytes, offsets } = makeRecords(["one", "two"]);
  const path = join(dir, segmentName(1));
  for (let cut = offsets[1] as number; cut < bytes.length; cut++) {
    writeFileSync(path, bytes.subarray(0, cut));
    const gaps: string[] = [];
    using reader = new LogReader({ dir, onGap: (gap) => gaps.push(gap.reason) });
    const read = () => Array.from(reader, (view) => view.text());
    expect([read(), gaps]).toEqual([["one"], []]);
    writeFileSync(path, bytes);
    expect(read()).toEqual(["two"]);
  }
});

test("a reader beside a writer on another thread sees each record once and in order, over hundreds of segments", async () => {
  const events = 2_000;
  const script = `
    const { SegmentedLog } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const { makeRecords } = await import(${JSON.stringify(new URL("./records.fixture.ts", import.meta.url).href)});
    const { bytes, offsets } = makeRecords(Array.from({ length: ${events} }, (_, i) => "event " + i));
    const log = SegmentedLog.open({ dir: ${JSON.stringify(dir)}, segmentBytes: 600 });
    for (let i = 0; i < offsets.length; i++) {
      const end = offsets[i + 1] ?? bytes.length;
      log.append(bytes, offsets[i], end - offsets[i], i + 1, 1);
    }`;
  const writer = new Worker(script, { eval: true });
  const ended = new Promise((resolve, reject) => writer.once("exit", resolve).once("error", reject));
  using reader = new LogReader({ dir, bufferBytes: 4_096 });
  const seen: number[] = [];
  const follow = () => {
    for (const view of reader) seen.push(view.sequence);
  };
  let done = false;
  ended.finally(() => {
    done = true;
  });
  while (!done) {
    follow();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  follow();
  expect(seen).toEqual(Array.from({ length: events }, (_, i) => i + 1));
});

test("bytes that are still old where later ones are new, as beside a writer that fills room made ahead, are no damage", () => {
  const { bytes, offsets } = makeRecords(["one", "two", "three"]);
  writeFileSync(join(dir, segmentName(1)), Buffer.concat([bytes, Buffer.alloc(4_096)]));
  const gaps: string[] = [];
  using reader = new LogReader({ dir, onGap: (gap) => gaps.push(gap.reason) });
  let loads = 0;
  during.load = (loaded) => {
    // The first look at the second record, and the search behind it, come too early.
    if (++loads <= 1) loaded.fill(0, offsets[1], offsets[2]);
    else if (loads <= 3) loaded.fill(0, 0, (offsets[2] as number) - (offsets[1] as number));
  };
  expect([Array.from(reader, (view) => view.text()), gaps]).toEqual([["one", "two", "three"], []]);
  expect(loads).toBeGreaterThan(3);
});
