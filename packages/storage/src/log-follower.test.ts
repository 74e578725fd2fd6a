import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TopicPattern } from "@esc/events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyRetention, type DurableEnd, LogFollower, type LogGap, SegmentedLog } from "./index.ts";
import { LiveLog } from "./live-log.fixture.ts";
import { append } from "./log-store.fixture.ts";
import { unsyncedFs } from "./unsynced-fs.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-follower-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** An end that a test moves by hand. */
class HandEnd implements DurableEnd {
  #sequence = 1;
  #moved = Promise.withResolvers<void>();
  waits = 0;

  sequence(): number {
    return this.#sequence;
  }

  async wait(beyond: number, signal?: AbortSignal): Promise<void> {
    this.waits++;
    if (this.#sequence > beyond || signal?.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => resolve(), { once: true });
    await Promise.race([this.#moved.promise, promise]);
  }

  moveTo(sequence: number): void {
    this.#sequence = sequence;
    this.#moved.resolve();
    this.#moved = Promise.withResolvers<void>();
  }
}

test("a follower gives out what is durable, not what is only written, and waits for the rest", async () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 200, fs: unsyncedFs });
  const end = new HandEnd();
  const stop = new AbortController();
  using follower = new LogFollower({ dir, end, signal: stop.signal });
  append(log, ["one", "two", "three"]);
  end.moveTo(3);
  const seen: string[] = [];
  for await (const event of follower) {
    seen.push(event.text());
    if (seen.length === 2) {
      expect(follower.nextSequence).toBe(3);
      append(log, ["four", "five"]);
      setImmediate(() => end.moveTo(5));
    }
    if (seen.length === 4) stop.abort();
  }
  expect(seen).toEqual(["one", "two", "three", "four"]);
});

test("an abort ends a follower that waits, and one that holds events", async () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 200, fs: unsyncedFs });
  append(log, ["one", "two"]);
  const end = new HandEnd();
  end.moveTo(3);
  for (const after of [1, 2]) {
    const stop = new AbortController();
    using follower = new LogFollower({ dir, end, signal: stop.signal });
    let seen = 0;
    for await (const _ of follower) if (++seen === after) setImmediate(() => stop.abort());
    expect(seen).toBe(2);
  }
  const stop = new AbortController();
  using follower = new LogFollower({ dir, end, signal: stop.signal });
  let seen = 0;
  for await (const _ of follower) {
    seen++;
    stop.abort();
  }
  expect(seen).toBe(1);
});

test("a follower from the end gives out what comes from now on; one of a topic, only what matches", async () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 200, fs: unsyncedFs });
  const end = new HandEnd();
  append(log, ["old"]);
  end.moveTo(2);
  const stop = new AbortController();
  using follower = new LogFollower({ dir, end, fromEnd: true, topic: new TopicPattern("test.*"), signal: stop.signal });
  using other = new LogFollower({ dir, end, topic: new TopicPattern("else"), signal: stop.signal });
  append(log, ["new"]);
  end.moveTo(3);
  const seen: string[] = [];
  const nothing = (async () => {
    for await (const event of other) seen.push(`not wanted: ${event.text()}`);
  })();
  for await (const event of follower) {
    seen.push(event.text());
    stop.abort();
  }
  await nothing;
  expect(seen).toEqual(["new"]);
});

test("a follower of an empty log sleeps until there is something", async () => {
  const end = new HandEnd();
  const stop = new AbortController();
  using follower = new LogFollower({ dir: join(dir, "later"), end, signal: stop.signal });
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of follower) {
      seen.push(event.text());
      stop.abort();
    }
  })();
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(end.waits).toBe(1);
  using log = SegmentedLog.open({ dir: join(dir, "later"), segmentBytes: 200, fs: unsyncedFs });
  append(log, ["first"]);
  end.moveTo(2);
  await following;
  expect(seen).toEqual(["first"]);
});

test("a slow follower is told what retention deleted before it got there, and goes on behind it", async () => {
  using log = SegmentedLog.open({ dir, segmentBytes: 100, fs: unsyncedFs });
  const end = new HandEnd();
  const gaps: LogGap[] = [];
  const stop = new AbortController();
  using follower = new LogFollower({ dir, end, signal: stop.signal, onGap: (gap) => gaps.push(gap) });
  for (let i = 1; i <= 20; i++) append(log, [`event ${i}`]);
  end.moveTo(21);
  const seen: number[] = [];
  for await (const event of follower) {
    seen.push(event.sequence);
    if (event.sequence === 1) {
      await applyRetention({
        dir,
        policy: { maxRecords: 5 },
        nextSequence: 21,
        cursor: undefined,
        nowMs: 0,
        fs: unsyncedFs,
      });
    }
    if (event.sequence === 20) stop.abort();
  }
  expect(gaps).toMatchObject([{ kind: "removed", fromSequence: 2, toSequence: (seen[1] as number) - 1 }]);
  expect(seen.slice(1)).toEqual(
    Array.from({ length: 20 - (seen[1] as number) + 1 }, (_, i) => (seen[1] as number) + i),
  );
});

test("followers see each of a million events that arrive meanwhile exactly once, in order; a stalled one holds nobody back", async () => {
  const events = 1_000_000;
  await using live = await LiveLog.start({ events, dir, segmentBytes: 8 << 20 });
  const follow = async (fromSequence: number) => {
    const stop = new AbortController();
    using follower = new LogFollower({ dir, end: live.end, fromSequence, signal: stop.signal });
    let next = fromSequence;
    let wrong = 0;
    for await (const run of follower.runs()) {
      for (const event of run) {
        // The producer counts in the payload, the ring in the sequence.
        if (event.sequence !== next || event.payload[0] !== (next & 0xff) || event.payload[1] !== ((next >> 8) & 0xff))
          wrong++;
        next++;
      }
      if (next > events) stop.abort();
    }
    return { next, wrong };
  };
  const producing = live.produce();
  const [one, two] = await Promise.all([follow(1), follow(1)]);
  // The ring holds a hundredth of the events, and this one hasn't looked at any so far.
  await producing;
  const stalled = await follow(500_000);
  for (const result of [one, two, stalled]) expect(result).toEqual({ next: events + 1, wrong: 0 });
}, 120_000);
