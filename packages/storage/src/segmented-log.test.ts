import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  checkLog,
  type LogFs,
  LogReader,
  listSegments,
  nodeFs,
  recoverLog,
  SegmentedLog,
  segmentName,
  statLog,
} from "./index.ts";
import { makeRecords } from "./records.fixture.ts";
import { testDirectory } from "./test-directory.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = testDirectory("log");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(options: { segmentBytes?: number; fs?: LogFs } = {}): SegmentedLog {
  return SegmentedLog.open({ dir, segmentBytes: 1 << 20, ...options });
}

function append(log: SegmentedLog, payloads: readonly string[]): void {
  const first = log.nextSequence;
  const { bytes } = makeRecords(payloads, first);
  log.append(bytes, 0, bytes.length, first, payloads.length);
}

function readAll(fromSequence = 1): string[] {
  using reader = new LogReader({ dir, fromSequence });
  return Array.from(reader, (view) => `${view.sequence}:${view.text()}`);
}

const five = ["one", "two", "three", "four", "five"];

test("what was appended is read back as it was, after closing and opening again", () => {
  const log = open();
  append(log, five);
  log.sync();
  log.close();
  const again = open();
  expect(again.recovery).toMatchObject({ segments: 1, nextSequence: 6, tornTail: undefined, damage: [] });
  append(again, ["six"]);
  expect([again.segments, again.bytes]).toEqual([1, listSegments(dir)[0]?.bytes]);
  again.close();
  expect(readAll()).toEqual(["1:one", "2:two", "3:three", "4:four", "5:five", "6:six"]);
  using reader = new LogReader({ dir, fromSequence: 2 });
  const [first] = Array.from(reader, (view) => view.copy());
  expect(first).toMatchObject({
    sequence: 2,
    topic: "test.topic",
    priority: "MEDIUM",
    source: "tcp",
    timeMs: 1_700_000_000_001,
    timeNs: 123_456,
  });
});

test("a torn tail is cut at the last whole record, and nothing before it changes: at every byte of the last record", () => {
  const { bytes, offsets } = makeRecords(five);
  const last = offsets[4] as number;
  const path = join(dir, segmentName(1));
  for (let cut = last + 1; cut < bytes.length; cut++) {
    writeFileSync(path, bytes.subarray(0, cut));
    const recovery = recoverLog(dir);
    expect(recovery.nextSequence).toBe(5);
    expect(recovery.tornTail).toMatchObject({ offset: last, bytes: cut - last });
    expect(readFileSync(path).equals(bytes.subarray(0, last))).toBe(true);
  }
});

test("a tail of zeros, as a crash leaves of room made ahead, is cut and is no damage", () => {
  const { bytes } = makeRecords(five);
  writeFileSync(join(dir, segmentName(1)), Buffer.concat([bytes, Buffer.alloc(10_000)]));
  expect(recoverLog(dir)).toMatchObject({
    nextSequence: 6,
    damage: [],
    tornTail: undefined,
    preallocatedBytes: 10_000,
  });
  expect(listSegments(dir)[0]?.bytes).toBe(bytes.length);
});

test("damage in the middle is never cut away: it is reported, skipped by readers who are told, and appending goes on behind", () => {
  const { bytes, offsets } = makeRecords(five);
  const damaged = Buffer.from(bytes);
  const at = offsets[2] as number;
  damaged[at + 40] = (damaged[at + 40] as number) ^ 1;
  const path = join(dir, segmentName(1));
  writeFileSync(path, damaged);
  const log = open();
  expect(log.recovery.damage).toMatchObject([{ offset: at, missingFrom: 3, missingTo: 3 }]);
  expect(log.recovery).toMatchObject({ nextSequence: 6, tornTail: undefined });
  append(log, ["six"]);
  log.close();
  expect(readFileSync(path).equals(damaged)).toBe(true);
  const gaps: string[] = [];
  using reader = new LogReader({ dir, onGap: (gap) => gaps.push(`${gap.offset}: ${gap.reason}`) });
  const seen = Array.from(reader, (view) => view.sequence);
  expect(seen).toEqual([1, 2, 4, 5, 6]);
  expect(gaps).toEqual([`${at}: the CRC-32 doesn't fit`]);
  const check = checkLog({ lane: "test", dir });
  expect(check.sound).toBe(false);
  expect(check.problems[0]).toContain(`at byte ${at}`);
});

test("one flipped bit anywhere: no wrong record is ever returned, those before it all are, and recovery loses none behind it", () => {
  const { bytes, offsets } = makeRecords(Array.from({ length: 20 }, (_, i) => `payload number ${i}`));
  const path = join(dir, segmentName(1));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
      const flipped = Buffer.from(bytes);
      const at = bit >>> 3;
      flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
      writeFileSync(path, flipped);
      const record = offsets.findLastIndex((offset) => offset <= at);
      const good = Array.from({ length: 20 }, (_, i) => `${i + 1}:payload number ${i}`).filter((_, i) => i !== record);
      const log = open();
      append(log, ["appended behind"]);
      log.close();
      // The last record's damage can't be told from a torn tail, so its sequence is given again; any other stays missing.
      expect(readAll()).toEqual([...good, `${record === 19 ? 20 : 21}:appended behind`]);
      for (const segment of listSegments(dir)) rmSync(segment.path);
    }),
    { numRuns: 300 },
  );
});

test("a segment that isn't the one its name says is somebody's data: kept, reported, not appended to", () => {
  const { bytes } = makeRecords(five, 1_000);
  const path = join(dir, segmentName(7));
  writeFileSync(path, bytes);
  const log = open();
  expect(log.recovery.damage).toHaveLength(1);
  append(log, ["new"]);
  log.close();
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(listSegments(dir)).toHaveLength(2);
});

test("a single good record of another sequence is never taken for a torn tail", () => {
  const { bytes } = makeRecords(["somebody's"], 1_000);
  const path = join(dir, segmentName(7));
  writeFileSync(path, bytes);
  expect(recoverLog(dir)).toMatchObject({ tornTail: undefined, damage: [{ offset: 0 }], resume: undefined });
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test("a record longer than what is read at once, behind damage, is found and not cut", () => {
  const { bytes, offsets } = makeRecords(["bad", "x".repeat(6_000_000)]);
  const damaged = Buffer.from(bytes);
  damaged[40] = 1;
  writeFileSync(join(dir, segmentName(1)), damaged);
  expect(recoverLog(dir)).toMatchObject({
    nextSequence: 3,
    tornTail: undefined,
    damage: [{ offset: 0, bytes: offsets[1], missingFrom: 1, missingTo: 1 }],
  });
});

test("where bytes are missing between two records, only what they held is missing", () => {
  const { bytes, offsets } = makeRecords(five);
  const cutOut = Buffer.concat([bytes.subarray(0, offsets[1]), bytes.subarray(offsets[2])]);
  writeFileSync(join(dir, segmentName(1)), cutOut);
  expect(recoverLog(dir)).toMatchObject({ nextSequence: 6, damage: [{ missingFrom: 2, missingTo: 2, bytes: 0 }] });
  expect(readAll()).toEqual(["1:one", "3:three", "4:four", "5:five"]);
});

test("a torn record whose payload looks like records gives none of them: it is kept in doubt, and appending goes on behind", () => {
  // Somewhere among eight paddings the inner records lie as records would.
  for (let padding = 0; padding < 8; padding++) {
    const inner = makeRecords(["forged", "forged too"], 3).bytes;
    const { bytes } = makeRecords(["good", Buffer.concat([Buffer.alloc(padding), inner, Buffer.alloc(100)])]);
    writeFileSync(join(dir, segmentName(1)), bytes.subarray(0, bytes.length - 16));
    const log = open();
    append(log, ["new"]);
    log.close();
    expect(readAll()).toEqual(["1:good", `${log.nextSequence - 1}:new`]);
    for (const segment of listSegments(dir)) rmSync(segment.path);
  }
});

test("random logs, one bit flipped anywhere, payloads that hold records: never a wrong record, and all others are read", () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    // A whole record inside a payload, with a sequence that this log reaches.
    fc
      .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 7 }))
      .map(([sequence, padding]) => Buffer.concat([Buffer.alloc(padding), makeRecords(["forged"], sequence).bytes])),
  );
  fc.assert(
    fc.property(fc.array(payload, { minLength: 1, maxLength: 8 }), fc.nat(), (payloads, anyBit) => {
      const { bytes, offsets } = makeRecords(payloads);
      const bit = anyBit % (bytes.length * 8);
      const at = bit >>> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      writeFileSync(join(dir, segmentName(1)), bytes);
      const hit = offsets.findLastIndex((offset) => offset <= at);
      using reader = new LogReader({ dir });
      const seen = Array.from(reader, (view) => `${view.sequence}:${Buffer.from(view.payload).toString("hex")}`);
      const written = payloads.map((each, i) => `${i + 1}:${each.toString("hex")}`);
      expect(seen).toEqual(written.filter((_, i) => i !== hit));
    }),
    { numRuns: 1_000 },
  );
});

test("segments roll before they would exceed their size, and each is named by its first sequence", () => {
  const log = open({ segmentBytes: 400 });
  for (let i = 0; i < 20; i++) append(log, [`event ${i}`, `and ${i}`]);
  log.close();
  const segments = listSegments(dir);
  expect(segments.length).toBeGreaterThan(3);
  for (const { bytes } of segments) expect(bytes).toBeLessThanOrEqual(400);
  expect(checkLog({ lane: "test", dir })).toMatchObject({
    sound: true,
    records: 40,
    firstSequence: 1,
    lastSequence: 40,
  });
  expect(readAll(25)[0]).toBe("25:event 12");
});

test("segments end with their last record, also where room was made ahead of it, and every index fits its segment", () => {
  const log = SegmentedLog.open({ dir, segmentBytes: 1_000, preallocateBytes: 65_536 });
  let roomSeen = false;
  for (let i = 0; i < 100; i++) {
    append(log, [`event ${i}`]);
    log.sync();
    const last = listSegments(dir).at(-1);
    roomSeen ||= (last?.bytes ?? 0) === 1_000;
  }
  log.close();
  expect(roomSeen).toBe(true);
  expect(listSegments(dir).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(log.bytes);
  expect(recoverLog(dir)).toMatchObject({ rebuiltIndexes: 0, preallocatedBytes: 0, tornTail: undefined });
  expect(readAll()).toHaveLength(100);
});

test("a segment that is missing is told by verify, and a reader goes on behind it", () => {
  const log = open({ segmentBytes: 400 });
  for (let i = 0; i < 20; i++) append(log, [`event ${i}`]);
  log.close();
  const [, second] = listSegments(dir);
  rmSync(second?.path as string);
  const check = checkLog({ lane: "test", dir });
  expect([check.sound, check.problems[0]]).toEqual([false, expect.stringMatching(/^sequences \d+ to \d+ are missing/)]);
  expect(readAll().length).toBeLessThan(20);
});

test("sequences beyond 2^32 are as good as any", () => {
  const first = 2 ** 32 - 2;
  const { bytes } = makeRecords(five, first);
  writeFileSync(join(dir, segmentName(first)), bytes);
  expect(recoverLog(dir).nextSequence).toBe(first + 5);
  expect(readAll(2 ** 32)).toEqual([`${2 ** 32}:three`, `${2 ** 32 + 1}:four`, `${2 ** 32 + 2}:five`]);
});

test("short writes are continued until all is written", () => {
  const fs: LogFs = {
    ...nodeFs,
    write: (fd, bytes, offset, length, position) => nodeFs.write(fd, bytes, offset, Math.min(length, 7), position),
  };
  const log = open({ fs });
  append(log, five);
  log.close();
  expect(readAll()).toHaveLength(5);
});

test("a write that fails half-way leaves no part of it, and the same records can be appended once there is space", () => {
  let budget = 200;
  const fs: LogFs = {
    ...nodeFs,
    write: (fd, bytes, offset, length, position) => {
      if (budget <= 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      const written = nodeFs.write(fd, bytes, offset, Math.min(length, budget), position);
      budget -= written;
      return written;
    },
  };
  const log = open({ fs });
  expect(() => append(log, five)).toThrow(expect.objectContaining({ code: "ESC_LOG_WRITE_FAILED" }));
  expect(() => append(log, five)).toThrow("The disk is full: make space, or limit what is kept");
  expect(listSegments(dir)[0]?.bytes).toBe(0);
  budget = 10_000;
  append(log, five);
  log.close();
  expect(readAll()).toHaveLength(5);
});

test("a failed sync is final: the log takes nothing more until it is opened anew", () => {
  let failing = true;
  const fs: LogFs = {
    ...nodeFs,
    datasync: (fd) => {
      if (failing) throw Object.assign(new Error("i/o error"), { code: "EIO" });
      nodeFs.datasync(fd);
    },
  };
  const log = open({ fs });
  append(log, five);
  expect(() => log.sync()).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  failing = false;
  expect(() => log.sync()).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  expect(() => append(log, ["six"])).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  log.close();
  append(open(), ["six"]);
  expect(readAll()).toHaveLength(6);
});

function failing(operation: keyof LogFs, code = "EIO"): { fs: LogFs; on: boolean } {
  const fault: { fs: LogFs; on: boolean } = { fs: nodeFs, on: false };
  fault.fs = {
    ...nodeFs,
    [operation]: (...args: never[]) => {
      if (fault.on) throw Object.assign(new Error(`${operation} failed`), { code });
      return (nodeFs[operation] as (...all: never[]) => unknown)(...args);
    },
  };
  return fault;
}

test("a segment that can't be made is tried again by the next append; nothing before it is lost", () => {
  const fault = failing("create", "ENOSPC");
  const log = open({ segmentBytes: 60, fs: fault.fs });
  append(log, ["one"]);
  fault.on = true;
  for (let i = 0; i < 3; i++) {
    expect(() => append(log, ["two"])).toThrow(expect.objectContaining({ code: "ESC_LOG_WRITE_FAILED" }));
  }
  fault.on = false;
  append(log, ["two"]);
  log.close();
  expect(readAll()).toEqual(["1:one", "2:two"]);
  expect(log.segments).toBe(2);
});

test("a segment whose name can't be made durable ends the log, as a failed sync does", () => {
  const fault = failing("syncDirectory");
  const log = open({ fs: fault.fs });
  fault.on = true;
  expect(() => append(log, ["one"])).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  fault.on = false;
  expect(() => append(log, ["one"])).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  log.close();
});

test("a failed write that can't be taken back ends the log; recovery takes it back", () => {
  const fault = failing("truncate");
  const write: LogFs["write"] = (fd, bytes, offset, length, position) => {
    if (!fault.on) return nodeFs.write(fd, bytes, offset, length, position);
    if (position > 200) throw new Error("i/o error");
    return nodeFs.write(fd, bytes, offset, Math.min(length, 20), position);
  };
  const log = open({ fs: { ...fault.fs, write } });
  append(log, ["one", "two"]);
  fault.on = true;
  expect(() => append(log, five)).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  fault.on = false;
  expect(() => append(log, five)).toThrow(expect.objectContaining({ code: "ESC_LOG_SYNC_FAILED" }));
  log.close();
  open().close();
  expect(checkLog({ lane: "test", dir })).toMatchObject({ sound: true });
  expect(readAll().slice(0, 2)).toEqual(["1:one", "2:two"]);
});

test("an append with any but the next sequence is the caller's mistake", () => {
  const log = open();
  const { bytes } = makeRecords(["two"], 2);
  expect(() => log.append(bytes, 0, bytes.length, 2, 1)).toThrow(expect.objectContaining({ code: "ESC_LOG_SEQUENCE" }));
  log.close();
});

test("a reader that follows a log that grows sees each record once, also across segments", () => {
  const log = open({ segmentBytes: 500 });
  using reader = new LogReader({ dir });
  const seen: number[] = [];
  for (let i = 0; i < 50; i++) {
    append(log, [`event ${i}`]);
    for (const view of reader) seen.push(view.sequence);
  }
  log.close();
  expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
});

test("a record longer than the reader's buffer is read whole", () => {
  const { bytes } = makeRecords(["small", Buffer.alloc(1_000_000, 7), "small"]);
  writeFileSync(join(dir, segmentName(1)), bytes);
  using reader = new LogReader({ dir, bufferBytes: 65_536 });
  expect(Array.from(reader, (view) => view.payload.length)).toEqual([5, 1_000_000, 5]);
});

test("a writer killed at any moment leaves a log that opens, with every synced record in it", async () => {
  const index = new URL("./index.ts", import.meta.url).href;
  const fixture = new URL("./records.fixture.ts", import.meta.url).href;
  for (let round = 0; round < 5; round++) {
    const script = `
      import { SegmentedLog } from ${JSON.stringify(index)};
      import { makeRecords } from ${JSON.stringify(fixture)};
      const log = SegmentedLog.open({ dir: ${JSON.stringify(dir)}, segmentBytes: 20_000 });
      for (;;) {
        const { bytes } = makeRecords(["a".repeat(100), "b".repeat(300)], log.nextSequence);
        log.append(bytes, 0, bytes.length, log.nextSequence, 2);
        log.sync();
        process.stdout.write(String(log.nextSequence - 1) + "\\n");
      }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (output.length > 40 + round * 30) child.kill("SIGKILL");
    });
    const signal = await new Promise((resolve) => child.once("close", (_, by) => resolve(by)));
    expect(signal, "the writer ended by itself").toBe("SIGKILL");
    const synced = Number(output.split("\n").at(-2));
    const { nextSequence } = recoverLog(dir);
    expect(nextSequence).toBeGreaterThan(synced);
    expect(checkLog({ lane: "test", dir }).sound).toBe(true);
    const expected = Array.from({ length: nextSequence - 1 }, (_, i) => (i % 2 === 0 ? 100 : 300));
    expect(readAll().map((line) => line.split(":")[1]?.length)).toEqual(expected);
  }
});

test("a quarantined segment that is repaired, its mark taken away, is read anew and sound again", () => {
  const log = open({ segmentBytes: 400 });
  for (let i = 0; i < 20; i++) append(log, [`event ${i}`]);
  log.close();
  const [{ path }] = listSegments(dir) as [{ path: string }, ...unknown[]];
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[40] = (damaged[40] as number) ^ 1;
  writeFileSync(path, damaged);
  rmSync(path.replace(".log", ".idx"));
  const mark = path.replace(".log", ".quarantine");
  // Found by reading; from then on known by the mark.
  const found = recoverLog(dir);
  expect(found).toMatchObject({ damage: [{ path, missingFrom: 1, missingTo: 1 }], rebuiltIndexes: 1 });
  expect(recoverLog(dir)).toMatchObject({ damage: found.damage, rebuiltIndexes: 0 });
  expect(statLog({ lane: "test", dir })).toMatchObject({ quarantined: 1, records: 19 });
  writeFileSync(path, whole);
  rmSync(mark);
  expect(recoverLog(dir)).toMatchObject({ damage: [], rebuiltIndexes: 1 });
  expect(statLog({ lane: "test", dir })).toMatchObject({ quarantined: 0, records: 20 });
  expect(readAll()).toHaveLength(20);
});

test("an append makes no objects: half a million of them leave the heap as it was, across segments and indexes too", async () => {
  const index = new URL("./index.ts", import.meta.url).href;
  const script = `
    import { SegmentedLog, nodeFs } from ${JSON.stringify(index)};
    // What the system's calls make is not the log's.
    const fs = { ...nodeFs, create: () => 3, write: (fd, bytes, offset, length) => length, datasync() {}, truncate() {},
      close() {}, rename() {}, remove() {}, syncDirectory() {} };
    const log = SegmentedLog.open({ dir: ${JSON.stringify(dir)}, segmentBytes: 64 << 20, preallocateBytes: 1 << 20, fs });
    const records = new DataView(new SharedArrayBuffer(192));
    for (const at of [0, 64, 128]) { records.setUint32(at, 64, true); records.setUint32(at + 20, 400_000_000, true); }
    const bytes = new Uint8Array(records.buffer);
    const run = (times) => { for (let i = 0; i < times; i++) { log.append(bytes, 0, 192, log.nextSequence, 3); log.sync(); } };
    run(100_000);
    gc();
    const before = process.memoryUsage().heapUsed;
    run(500_000);
    console.log(process.memoryUsage().heapUsed - before);`;
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  // The smallest object takes 12 bytes; a segment's end every 350,000 appends makes some.
  expect(Number(output)).toBeLessThan(500_000 * 6);
  expect(output).not.toBe("");
});
