/** What can go wrong below a log, as one table: whatever it is, no wrong event, no good one lost, and always a report. */
import fs, { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type LogFs,
  type LogGap,
  LogReader,
  listSegments,
  nodeFs,
  type Recovery,
  recoverLog,
  SegmentedLog,
  segmentName,
} from "./index.ts";
import { append } from "./log-store.fixture.ts";
import { seeded } from "./random.fixture.ts";
import { makeRecords } from "./records.fixture.ts";
import { testDirectory } from "./test-directory.fixture.ts";
import { unsyncedFs } from "./unsynced-fs.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = testDirectory("faults");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const EVENTS = 60;
const PER_SEGMENT = 10;
const text = (sequence: number) => `event number ${String(sequence).padStart(3, "0")}`;
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Sixty synced events in six segments with their indexes, as a clean stop leaves them. */
function makeLog(): Map<string, Buffer> {
  const segmentBytes = makeRecords(range(1, PER_SEGMENT).map((i) => text(10 + i))).bytes.length;
  const log = SegmentedLog.open({ dir, segmentBytes, fs: unsyncedFs });
  for (const sequence of range(1, EVENTS)) append(log, [text(sequence)]);
  log.sync();
  log.close();
  expect(listSegments(dir)).toHaveLength(EVENTS / PER_SEGMENT);
  return new Map(fs.readdirSync(dir).map((name) => [name, fs.readFileSync(join(dir, name))]));
}

const log = (first: number) => segmentName(first);
const index = (first: number) => segmentName(first).replace(".log", ".idx");

/** A folder's files, to damage. */
class Files {
  bytes(name: string): Buffer {
    return fs.readFileSync(join(dir, name));
  }
  put(name: string, bytes: Uint8Array): void {
    fs.writeFileSync(join(dir, name), bytes);
  }
  remove(name: string): void {
    fs.rmSync(join(dir, name));
  }
  cut(name: string, by: number): void {
    this.put(name, this.bytes(name).subarray(0, -by));
  }
  swap(a: string, b: string): void {
    const [first, second] = [this.bytes(a), this.bytes(b)];
    this.put(a, second);
    this.put(b, first);
  }
  flip(name: string, bit: number): void {
    const bytes = this.bytes(name);
    bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
    this.put(name, bytes);
  }
}

/** What recovery has to say: nothing, or one of its reports; and an index made anew is counted. */
type Report = "nothing" | "damage" | "missing" | "tornTail" | "preallocatedBytes" | "rebuiltIndexes";

interface Fault {
  readonly name: string;
  readonly inflict: (files: Files) => void;
  /** Events of which no good copy is left. */
  readonly lost?: readonly number[];
  readonly reports: Report;
}

const RECORD = makeRecords([text(11)]).bytes.length;
const faults: readonly Fault[] = [
  { name: "no fault", inflict: () => undefined, reports: "nothing" },
  {
    name: "a segment in the middle is gone",
    inflict: (files) => files.remove(log(21)),
    lost: range(21, 30),
    reports: "missing",
  },
  {
    name: "a segment and its index are gone",
    inflict: (files) => {
      files.remove(log(21));
      files.remove(index(21));
    },
    lost: range(21, 30),
    reports: "missing",
  },
  {
    name: "the last segment is gone: its index says so, and its sequences are not given again",
    inflict: (files) => files.remove(log(51)),
    lost: range(51, 60),
    reports: "missing",
  },
  {
    name: "the last two segments are gone",
    inflict: (files) => {
      files.remove(log(41));
      files.remove(log(51));
    },
    lost: range(41, 60),
    reports: "missing",
  },
  {
    name: "the last segment is cut at a record's end: its index says that more was synced",
    inflict: (files) => files.cut(log(51), 3 * RECORD),
    lost: range(58, 60),
    reports: "missing",
  },
  {
    name: "the last segment is cut within a record",
    inflict: (files) => files.cut(log(51), 5),
    lost: [60],
    reports: "missing",
  },
  {
    name: "the last segment is damaged, and cut within a record behind that",
    inflict: (files) => {
      files.flip(log(51), (2 * RECORD + 40) * 8);
      files.cut(log(51), 5);
    },
    lost: [53, 60],
    reports: "damage",
  },
  {
    name: "a segment in the middle is cut at a record's end",
    inflict: (files) => files.cut(log(31), 2 * RECORD),
    lost: [39, 40],
    reports: "missing",
  },
  {
    name: "a segment in the middle is cut within a record",
    inflict: (files) => files.cut(log(31), RECORD + 9),
    lost: [39, 40],
    reports: "damage",
  },
  {
    name: "a segment in the middle is empty",
    inflict: (files) => files.put(log(31), Buffer.alloc(0)),
    lost: range(31, 40),
    reports: "missing",
  },
  {
    name: "two segments have each other's names",
    inflict: (files) => files.swap(log(21), log(31)),
    // What is ahead of its place is read; what is behind it can't be told from somebody else's, and is kept.
    lost: range(21, 30),
    reports: "damage",
  },
  {
    name: "a segment is there a second time under another name",
    inflict: (files) => files.put(log(26), files.bytes(log(1))),
    // The copy is told, and read by nobody; what is under its numbers is in the segment before.
    reports: "damage",
  },
  {
    name: "a sector in the middle is zeros",
    inflict: (files) => files.put(log(31), files.bytes(log(31)).fill(0, 2 * RECORD, 4 * RECORD)),
    lost: [33, 34],
    reports: "nothing",
  },
  {
    name: "the tail of the last segment is zeros",
    inflict: (files) => files.put(log(51), files.bytes(log(51)).fill(0, 8 * RECORD)),
    lost: [59, 60],
    reports: "missing",
  },
  {
    name: "room made ahead stands behind the last record",
    inflict: (files) => files.put(log(51), Buffer.concat([files.bytes(log(51)), Buffer.alloc(10_000)])),
    reports: "preallocatedBytes",
  },
  {
    name: "a write that was cut off stands in room made ahead",
    inflict: (files) => {
      const torn = makeRecords(["never acknowledged"], 61).bytes.subarray(0, -6);
      files.put(log(51), Buffer.concat([files.bytes(log(51)), torn, Buffer.alloc(10_000)]));
    },
    reports: "tornTail",
  },
  { name: "an index is gone", inflict: (files) => files.remove(index(21)), reports: "rebuiltIndexes" },
  { name: "an index is empty", inflict: (files) => files.put(index(21), Buffer.alloc(0)), reports: "rebuiltIndexes" },
  { name: "an index is cut off", inflict: (files) => files.cut(index(21), 1), reports: "rebuiltIndexes" },
  {
    name: "two indexes have each other's names",
    inflict: (files) => files.swap(index(21), index(31)),
    reports: "rebuiltIndexes",
  },
  {
    name: "an index of a shorter state stands beside its segment",
    inflict: (files) => {
      const whole = files.bytes(log(21));
      files.put(log(21), whole.subarray(0, 4 * RECORD));
      files.remove(index(21));
      recoverLog(dir, unsyncedFs);
      files.put(log(21), whole);
    },
    reports: "rebuiltIndexes",
  },
  {
    name: "a mark of quarantine is unreadable",
    inflict: (files) => {
      files.flip(log(31), (3 * RECORD + 40) * 8);
      files.remove(index(31));
      recoverLog(dir, unsyncedFs);
      files.put(log(31).replace(".log", ".quarantine"), Buffer.from("?"));
    },
    lost: [34],
    reports: "damage",
  },
  {
    name: "files of nobody's lie beside",
    inflict: (files) => {
      for (const name of ["notes.txt", "1.log", `${"9".repeat(20)}.log`, "core.idx"]) files.put(name, Buffer.from("x"));
    },
    reports: "nothing",
  },
];

/** Recovers, appends, reads everything, and holds it against what may be lost. */
function judge(lost: readonly number[]): { recovery: Recovery; gaps: LogGap[] } {
  const reopened = SegmentedLog.open({ dir, segmentBytes: 1 << 20, fs: unsyncedFs });
  const { recovery } = reopened;
  expect(reopened.nextSequence, "a durable sequence is given again").toBeGreaterThan(EVENTS);
  const behind = reopened.nextSequence;
  append(reopened, ["appended behind"]);
  reopened.close();
  const gaps: LogGap[] = [];
  const seen: number[] = [];
  using reader = new LogReader({ dir, fromSequence: 1, onGap: (gap) => gaps.push(gap) });
  for (const view of reader) {
    if (view.sequence === behind) continue;
    expect(view.text()).toBe(text(view.sequence));
    seen.push(view.sequence);
  }
  expect(seen).toEqual(range(1, EVENTS).filter((sequence) => !lost.includes(sequence)));
  const told = new Set(gaps.flatMap(({ fromSequence, toSequence }) => range(fromSequence, toSequence ?? fromSequence)));
  expect(
    lost.filter((sequence) => !told.has(sequence)),
    "a reader was not told",
  ).toEqual([]);
  return { recovery, gaps };
}

describe("faults of a log at rest", () => {
  test.each(faults)("$name: recovery reports $reports", ({ inflict, lost = [], reports }) => {
    makeLog();
    inflict(new Files());
    const found = new Map(listSegments(dir).map(({ path }) => [path, fs.readFileSync(path)]));
    const { recovery } = judge(lost);
    // What is damaged stays as it was found, byte for byte.
    for (const { path } of recovery.damage) {
      expect(fs.readFileSync(path).equals(found.get(path) as Buffer), `${path} was changed`).toBe(true);
    }
    const said = (["damage", "missing", "tornTail", "preallocatedBytes", "rebuiltIndexes"] as const).filter((each) => {
      const value = recovery[each];
      return Array.isArray(value) ? value.length > 0 : Boolean(value);
    });
    if (reports === "nothing") expect(said).toEqual([]);
    else expect(said).toContain(reports);
  });

  test("the first segments are gone, as retention leaves it: a reader that wanted them is told that they were removed", () => {
    makeLog();
    new Files().remove(log(1));
    const { gaps } = judge(range(1, 10));
    expect(gaps).toMatchObject([{ kind: "removed", fromSequence: 1, toSequence: 10 }]);
  });

  test.each([1, 2, 3, 4])(
    "two hundred and fifty bits, each flipped anywhere in any file (seed %i): at most the record it hits is lost",
    (seed) => {
      const whole = makeLog();
      const random = seeded(seed);
      const names = [...whole.keys()];
      const sizes = names.map((name) => (whole.get(name) as Buffer).length);
      const total = sizes.reduce((sum, size) => sum + size, 0);
      for (let run = 0; run < 250; run++) {
        let at = Math.floor(random() * total);
        let file = 0;
        for (; at >= (sizes[file] as number); file++) at -= sizes[file] as number;
        const name = names[file] as string;
        for (const each of fs.readdirSync(dir)) fs.rmSync(join(dir, each));
        for (const [each, bytes] of whole) fs.writeFileSync(join(dir, each), bytes);
        new Files().flip(name, at * 8 + Math.floor(random() * 8));
        const hit = Number(basename(name).slice(0, 20)) + recordAt(whole.get(name) as Buffer, at);
        judge(name.endsWith(".log") ? [hit] : []);
      }
    },
  );
});

/** Which record of a segment a byte is in, from 0. */
function recordAt(bytes: Buffer, at: number): number {
  let record = -1;
  for (let offset = 0; offset <= at && offset < bytes.length; record++) offset += (bytes.readUInt32LE(offset) + 7) & ~7;
  return record;
}

/** Faults that a running log meets: the operation, and what the system says. */
const failures = [
  { name: "no space for a write", operation: "write", code: "ENOSPC", final: false },
  { name: "an i/o error in a write", operation: "write", code: "EIO", final: false },
  { name: "no space for a new segment", operation: "create", code: "ENOSPC", final: false },
  { name: "an i/o error in a sync", operation: "datasync", code: "EIO", final: true },
  { name: "an i/o error in a folder's sync", operation: "syncDirectory", code: "EIO", final: true },
  { name: "an i/o error where room is taken away", operation: "truncate", code: "EIO", final: false },
  { name: "an index that can't be put in its place", operation: "rename", code: "EIO", final: undefined },
] as const;

describe("faults of a running log", () => {
  test.each(failures)("$name, at every call: nothing acknowledged is lost", ({ operation, code, final }) => {
    for (let failing = 1; failing < 25; failing++) {
      let calls = 0;
      const faulty: LogFs = {
        ...unsyncedFs,
        [operation]: (...args: never[]) => {
          if (++calls === failing) throw Object.assign(new Error(`${code}: ${operation}`), { code });
          return (unsyncedFs[operation] as (...all: never[]) => unknown)(...args);
        },
      };
      const at = join(dir, String(failing));
      const running = SegmentedLog.open({ dir: at, segmentBytes: 1_000, preallocateBytes: 4_096, fs: faulty });
      let refused = 0;
      for (let i = 0; i < 15; i++) {
        try {
          append(running, [text(running.nextSequence), text(running.nextSequence + 1)]);
          running.sync();
        } catch (error) {
          refused++;
          expect((error as { code: string }).code).toMatch(/^ESC_LOG_(WRITE|SYNC)_FAILED$/);
        }
      }
      if (final === true && refused > 0) expect(running.failure?.code).toBe("ESC_LOG_SYNC_FAILED");
      else expect(running.failure).toBeUndefined();
      // One call failed: what can be tried again was refused once, and what can't ever after.
      if (final !== true) expect(refused).toBeLessThanOrEqual(1);
      const acknowledged = running.durableSequence - 1;
      running.close();
      const recovery = recoverLog(at, unsyncedFs);
      expect(recovery).toMatchObject({ damage: [], missing: [] });
      using reader = new LogReader({ dir: at });
      const seen = Array.from(reader, (view) => view.text());
      expect(seen).toEqual(range(1, recovery.nextSequence - 1).map(text));
      expect(seen.length).toBeGreaterThanOrEqual(acknowledged);
    }
  });

  test("short writes, of any length, are continued until all is written", () => {
    const random = seeded(1);
    const short: LogFs = {
      ...unsyncedFs,
      write: (fd, bytes, offset, length, position) =>
        nodeFs.write(fd, bytes, offset, 1 + Math.floor(random() * length), position),
    };
    const running = SegmentedLog.open({ dir, segmentBytes: 1_000, preallocateBytes: 4_096, fs: short });
    for (let i = 1; i <= 50; i++) append(running, [text(i)]);
    running.close();
    using reader = new LogReader({ dir });
    expect(Array.from(reader, (view) => view.text())).toEqual(range(1, 50).map(text));
  });
});
