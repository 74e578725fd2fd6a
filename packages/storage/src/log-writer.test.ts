import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Arena } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { Parker, RecordRing } from "@esc/queues";
import { parkerAddress } from "@esc/queues/kernel";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type LogFs,
  LogReader,
  type LogState,
  LogWriter,
  MemoryLog,
  nodeFs,
  SegmentedLog,
  type SyncPolicy,
} from "./index.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-writer-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A lane's ring and the writer that takes from it, with a clock and a disk that the test holds. */
interface LaneOptions {
  readonly sync?: SyncPolicy;
  readonly groupBytes?: number;
  readonly groupDelayMs?: number;
  readonly spinMs?: number;
  readonly gatherMs?: number;
  readonly ringBytes?: number;
}

function lane(options: LaneOptions = {}) {
  const arena = Arena.create({ bytes: 1 << 24 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: options.ringBytes ?? 1 << 16 });
  const producer = ring.appender("producer");
  const disk = { full: false, broken: false, syncs: 0 };
  const fs: LogFs = {
    ...nodeFs,
    write: (...args) => {
      if (disk.full) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      return nodeFs.write(...args);
    },
    datasync: (fd) => {
      if (disk.broken) throw Object.assign(new Error("i/o error"), { code: "EIO" });
      disk.syncs++;
      nodeFs.datasync(fd);
    },
  };
  const clock = { ms: 0 };
  const states: LogState["kind"][] = [];
  /** What was told as durable, and what everybody could see as durable at that moment. */
  const durable: { lane: string; position: number; seen: number }[] = [];
  const log = SegmentedLog.open({ dir, segmentBytes: 1 << 20, fs });
  const parker = Parker.create(arena, "parker");
  const writer = new LogWriter({
    lanes: [{ name: "lane", ring, log, sync: options.sync ?? "group" }],
    arenaBytes: new Uint8Array(arena.memory.buffer),
    parker,
    groupBytes: options.groupBytes ?? 1 << 15,
    groupDelayMs: options.groupDelayMs ?? 0,
    syncIntervalMs: 100,
    spinMs: options.spinMs ?? 0,
    gatherMs: options.gatherMs ?? 0,
    now: () => clock.ms,
    onState: (_, state) => states.push(state.kind),
    onDurable: (lane, position) => durable.push({ lane, position, seen: ring.durablePosition }),
  });
  const append = (count: number) => {
    for (let i = 0; i < count; i++) {
      const event = { topic: Buffer.from("a"), payload: Buffer.from("b"), priority: 2, source: 0, timeMs: 1 } as const;
      expect(producer.append(event)).toBe(true);
    }
  };
  const stored = () => {
    using reader = new LogReader({ dir });
    return Array.from(reader, (view) => view.sequence);
  };
  return { ring, writer, parker, append, stored, disk, clock, states, durable };
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

test("what gathered in the ring is written and synced as one group, and is durable then", () => {
  const { ring, writer, append, stored, disk } = lane();
  append(100);
  expect(ring.durableSequence).toBe(1);
  expect(writer.step()).toBe(true);
  expect([ring.durableSequence, ring.durablePosition, disk.syncs]).toEqual([101, ring.publishedPosition, 1]);
  expect(stored()).toEqual(upTo(100));
  expect(writer.step()).toBe(false);
});

test("how far a lane is durable is told once per sync, right before it can be seen; a failed sync tells nothing", () => {
  const { ring, writer, append, disk, durable } = lane();
  append(10);
  writer.step();
  const first = ring.publishedPosition;
  append(5);
  writer.step();
  writer.step();
  const second = ring.publishedPosition;
  disk.broken = true;
  append(1);
  writer.step();
  expect(durable).toEqual([
    { lane: "lane", position: first, seen: 0 },
    { lane: "lane", position: second, seen: first },
  ]);
});

test("a group ends at its limit; the next step takes up the rest", () => {
  const { writer, append, stored, disk } = lane({ groupBytes: 400 });
  append(100);
  for (let steps = 0; writer.step(); steps++) expect(steps).toBeLessThan(100);
  expect(stored()).toEqual(upTo(100));
  expect(disk.syncs).toBeGreaterThan(5);
});

test("always: one sync for each record, and it is durable before the next one is written", () => {
  const { ring, writer, append, stored, disk } = lane({ sync: "always" });
  append(5);
  for (let n = 1; n <= 5; n++) {
    expect(writer.step()).toBe(true);
    expect([ring.durableSequence, disk.syncs, stored()]).toEqual([n + 1, n, upTo(n)]);
  }
  expect(writer.step()).toBe(false);
});

test("a group with a delay waits for more, acknowledgements with it, until the delay is over or the group is full", () => {
  const { ring, writer, append, clock, disk } = lane({ groupBytes: 1_000, groupDelayMs: 10 });
  append(1);
  ring.askToSync(ring.publishedPosition);
  writer.step();
  clock.ms = 9;
  append(1);
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([1, 0]);
  clock.ms = 10;
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([3, 1]);
  append(30);
  writer.step();
  expect([ring.durableSequence > 3, disk.syncs]).toEqual([true, 2]);
});

test("a writer takes any log: one in memory does as well", () => {
  const arena = Arena.create({ bytes: 1 << 20 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: 1 << 16 });
  const log = new MemoryLog();
  const writer = new LogWriter({
    lanes: [{ name: "lane", ring, log, sync: "group" }],
    arenaBytes: new Uint8Array(arena.memory.buffer),
    parker: Parker.create(arena, "parker"),
    groupBytes: 1 << 15,
    syncIntervalMs: 100,
    now: () => 0,
  });
  ring.appender("producer").append({
    topic: Buffer.from("a"),
    payload: Buffer.from("b"),
    priority: 2,
    source: 0,
    timeMs: 1,
  });
  writer.step();
  using reader = log.read();
  expect([Array.from(reader, (view) => view.text()), ring.durableSequence]).toEqual([["b"], 2]);
});

test("an interval lane is durable only after the interval, or at once when an acknowledgement asks", () => {
  const { ring, writer, append, clock, disk } = lane({ sync: "interval" });
  append(1);
  writer.step();
  clock.ms = 99;
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([1, 0]);
  clock.ms = 100;
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([2, 1]);
  append(1);
  ring.askToSync(ring.publishedPosition);
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([3, 2]);
});

test("a lane that never syncs counts as durable what the system has taken", () => {
  const { ring, writer, append, disk } = lane({ sync: "never" });
  append(3);
  writer.step();
  expect([ring.durableSequence, disk.syncs]).toEqual([4, 0]);
});

test("a full disk: nothing is durable, the state says so once, and a second later writing goes on without loss", () => {
  const { ring, writer, append, stored, disk, clock, states } = lane();
  append(2);
  disk.full = true;
  expect(writer.step()).toBe(false);
  expect([ring.durableSequence, states]).toEqual([1, ["waiting"]]);
  clock.ms = 1_000;
  writer.step();
  append(2);
  disk.full = false;
  expect([writer.step(), states]).toEqual([false, ["waiting"]]);
  clock.ms = 2_000;
  expect(writer.step()).toBe(true);
  expect([ring.durableSequence, states]).toEqual([5, ["waiting", "writing"]]);
  expect(stored()).toEqual(upTo(4));
});

test("a failed sync: nothing is durable from then on, whatever the disk says later", () => {
  const { ring, writer, append, disk, clock, states } = lane();
  append(1);
  disk.broken = true;
  writer.step();
  disk.broken = false;
  clock.ms = 10_000;
  append(1);
  expect(writer.step()).toBe(false);
  expect([ring.durableSequence, states]).toEqual([1, ["failed"]]);
});

test("a writer that is stopped leaves nothing unsynced that the ring had", () => {
  const { ring, writer, append, stored } = lane({ sync: "interval" });
  append(10);
  writer.run(() => true);
  expect(ring.durableSequence).toBe(11);
  expect(stored()).toEqual(upTo(10));
});

test("a full disk at the end: writing is tried until it is given up; what is lost stays behind the durable position", () => {
  const { ring, writer, parker, append, stored, disk, clock, states } = lane();
  append(3);
  writer.step();
  disk.full = true;
  append(5);
  let asked = 0;
  // Space comes while the writer is told to stop, and goes again.
  writer.run(
    () => true,
    () => {
      asked++;
      parker.unpark();
      clock.ms += 1_000;
      if (asked === 3) disk.full = false;
      return asked > 100;
    },
  );
  expect([stored(), ring.durableSequence, states]).toEqual([upTo(8), 9, ["waiting", "writing"]]);
});

test("a full disk at the end that stays full: it ends once it is given up, and says what it has not taken", () => {
  const { ring, writer, parker, append, stored, disk, states } = lane();
  append(3);
  writer.step();
  disk.full = true;
  append(5);
  let asked = 0;
  writer.run(
    () => true,
    () => {
      parker.unpark();
      return ++asked > 4;
    },
  );
  expect(asked).toBeGreaterThan(4);
  expect([stored(), ring.durableSequence, ring.publishedSequence, states]).toEqual([upTo(3), 4, 9, ["waiting"]]);
});

test("space that comes right before the end is used: the last try doesn't wait for its second", () => {
  const { ring, writer, append, stored, disk } = lane({ groupBytes: 400 });
  disk.full = true;
  append(50);
  writer.step();
  disk.full = false;
  writer.run(() => true);
  expect([stored(), ring.durableSequence]).toEqual([upTo(50), 51]);
});

test("the thread looks on for a while before it sleeps, as long as its last rest was a short one", () => {
  const { writer, parker, append, clock, stored } = lane({ spinMs: 1 });
  let looks = 0;
  const looksBeforeSleep: number[] = [];
  const rests = [5, 0.5, 0.25, 5];
  vi.spyOn(parker, "park").mockImplementation(() => {
    looksBeforeSleep.push(looks);
    looks = 0;
    clock.ms += rests[looksBeforeSleep.length - 1] as number;
    append(1);
  });
  writer.run(() => {
    looks++;
    clock.ms += 0.125;
    return looksBeforeSleep.length === rests.length;
  });
  // At first, and behind half a millisecond, it looks on; behind what took longer than looking on would have, it sleeps at once.
  expect(looksBeforeSleep.map((n) => n > 6)).toEqual([true, false, true, false]);
  expect(stored()).toEqual(upTo(4));
});

describe("where nobody waits for durability", () => {
  const gathering = (more: LaneOptions = {}) => lane({ sync: "interval", gatherMs: 2, ringBytes: 1 << 23, ...more });

  test("a record after a silence is written at once, and what follows gathers until its time is over", () => {
    const { writer, append, clock, stored } = gathering();
    append(1);
    expect([writer.step(), stored()]).toEqual([true, upTo(1)]);
    append(5);
    clock.ms = 1.9;
    expect([writer.step(), stored()]).toEqual([false, upTo(1)]);
    append(5);
    clock.ms = 2;
    expect([writer.step(), stored()]).toEqual([true, upTo(11)]);
  });

  test.each(["interval", "never"] as const)("%s: who asks for durability has it at once", (sync) => {
    const { ring, writer, append } = gathering({ sync });
    append(1);
    writer.step();
    append(5);
    ring.askToSync(ring.publishedPosition);
    expect([writer.step(), ring.durableSequence]).toEqual([true, 7]);
  });

  test.each(["group", "always"] as const)("%s gathers nothing beyond its own rule", (sync) => {
    const { writer, append, stored } = gathering({ sync });
    append(1);
    writer.step();
    append(1);
    expect([writer.step(), stored()]).toEqual([true, upTo(2)]);
  });

  test("a quarter of the ring is written without waiting longer", () => {
    const { ring, writer, append, stored } = gathering({ groupBytes: 1 << 22 });
    append(1);
    writer.step();
    while (ring.publishedPosition < ring.capacityBytes / 4) append(1);
    expect(writer.step()).toBe(false);
    append(1);
    expect(writer.step()).toBe(true);
    expect(stored().length).toBeGreaterThan(1_000);
  });

  test("no longer than a quarter of the ring takes at 1 GiB/s", () => {
    const { writer, append, clock } = gathering({ gatherMs: 1_000, ringBytes: 1 << 20 });
    append(1);
    writer.step();
    append(1);
    clock.ms = 0.2;
    expect(writer.step()).toBe(false);
    clock.ms = 0.25;
    expect(writer.step()).toBe(true);
  });

  test("while writes fail the thread sleeps and doesn't nap: other lanes' publications wake it", () => {
    const { writer, parker, append, disk, clock } = gathering();
    const rests: string[] = [];
    vi.spyOn(parker, "nap").mockImplementation((ms) => {
      rests.push("nap");
      if (rests.length > 9) throw new Error("it never sleeps");
      clock.ms += ms;
    });
    vi.spyOn(parker, "park").mockImplementation(() => rests.push("park"));
    append(1);
    writer.step();
    disk.full = true;
    append(1);
    writer.run(() => rests.at(-1) === "park");
    expect(rests).toEqual(["nap", "park"]);
  });

  test("what gathers at a stop is written", () => {
    const { writer, append, stored } = gathering();
    append(1);
    writer.step();
    append(1);
    writer.run(() => true);
    expect(stored()).toEqual(upTo(2));
  });

  test("a napping thread is woken by lanes that don't gather, and by none that does", () => {
    const arena = Arena.create({ bytes: 1 << 24 });
    createCrcTable(arena);
    const parker = Parker.create(arena, "parker");
    const event = { topic: Buffer.from("a"), payload: Buffer.from("b"), priority: 2, source: 0, timeMs: 1 } as const;
    const side = (name: string, sync: SyncPolicy) => {
      const ring = RecordRing.create(arena, name, { capacityBytes: 1 << 22 });
      const producer = ring.appender(`${name}.producer`);
      return { lane: { name, ring, log: new MemoryLog(), sync }, append: () => producer.append(event) };
    };
    const [unhurried, hurried] = [side("batch", "interval"), side("transactional", "group")];
    const writer = new LogWriter({
      ...{ lanes: [hurried.lane, unhurried.lane], parker, groupBytes: 1 << 20, syncIntervalMs: 100, gatherMs: 1 },
      arenaBytes: new Uint8Array(arena.memory.buffer),
      now: () => 0,
    });
    const words = new Int32Array(arena.memory.buffer);
    const asleep = () => Atomics.load(words, parkerAddress(parker) / 4) !== 0;
    const seen: boolean[] = [];
    vi.spyOn(parker, "nap").mockImplementation(() => {
      unhurried.append();
      seen.push(asleep());
      hurried.append();
      seen.push(asleep());
    });
    unhurried.append();
    writer.run(() => seen.length > 0);
    expect(seen).toEqual([true, false]);
  });

  test("a small ring gathers nothing", () => {
    const { writer, append } = gathering({ ringBytes: 1 << 16 });
    for (let n = 0; n < 3; n++) {
      append(1);
      expect(writer.step()).toBe(true);
    }
  });

  test("the thread naps while records come, sleeps once none came for as long, and leaves none in the ring at a stop", () => {
    const { writer, parker, append, clock, stored } = gathering();
    const rests: string[] = [];
    vi.spyOn(parker, "nap").mockImplementation((ms) => {
      rests.push(`nap ${ms}`);
      if (rests.length > 9) throw new Error("it never sleeps");
      clock.ms += ms;
      if (rests.length <= 2) append(1);
    });
    vi.spyOn(parker, "park").mockImplementation(() => {
      rests.push("park");
      append(2);
    });
    append(1);
    writer.run(() => rests.at(-1) === "park");
    expect(rests).toEqual(["nap 2", "nap 2", "nap 2", "park"]);
    expect(stored()).toEqual(upTo(5));
  });
});
