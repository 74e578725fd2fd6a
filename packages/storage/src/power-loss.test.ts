import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogReader, recoverLog, SegmentedLog } from "./index.ts";
import { seeded } from "./random.fixture.ts";
import { makeRecords } from "./records.fixture.ts";
import { PowerLoss, SimulatedDisk } from "./simulated-disk.fixture.ts";
import { testDirectory } from "./test-directory.fixture.ts";

let parent: string;
beforeEach(() => {
  parent = testDirectory("power");
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** What a log should hold: every record as it was given to the log last, and how far it said it was durable. */
class Truth {
  readonly payloads = new Map<number, string>();
  durable = 1;
  truncated = 1;
  generation = 0;

  /** Never acknowledged, and gone with a crash. */
  readonly gone = new Set<number>();

  /** After a start: what was not acknowledged may be gone; what is there from now on stays. */
  opened(log: SegmentedLog): void {
    using reader = log.read({ fromSequence: this.durable });
    const there = new Set(Array.from(reader, (view) => view.sequence));
    for (let s = this.durable; s < log.nextSequence; s++) if (!there.has(s)) this.gone.add(s);
    this.durable = log.durableSequence;
  }

  /** Appends, syncs and truncates at random until the power fails. */
  work(log: SegmentedLog, random: () => number): void {
    for (;;) {
      const what = random();
      if (what < 0.6) {
        const first = log.nextSequence;
        const payloads = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) =>
          `${this.generation}.${first + i}.`.padEnd(Math.floor(random() * 900), "x"),
        );
        for (const [i, payload] of payloads.entries()) {
          this.payloads.set(first + i, payload);
          this.gone.delete(first + i);
        }
        const { bytes } = makeRecords(payloads, first);
        log.append(bytes, 0, bytes.length, first, payloads.length);
      } else if (what < 0.95) {
        log.sync();
        this.durable = log.durableSequence;
      } else {
        const before = Math.floor(random() * this.durable);
        this.truncated = Math.max(this.truncated, before);
        log.truncateBefore(before);
      }
    }
  }

  /** Reads everything and compares. */
  check(dir: string): void {
    const lost: number[] = [];
    let next = 0;
    using reader = new LogReader({
      dir,
      onGap: ({ fromSequence, toSequence = Number.POSITIVE_INFINITY }) => {
        for (let s = fromSequence; s <= Math.min(toSequence, this.durable - 1); s++)
          if (!this.gone.has(s)) lost.push(s);
      },
    });
    for (const view of reader) {
      if (next === 0) {
        for (let s = this.truncated; s < Math.min(view.sequence, this.durable); s++)
          if (!this.gone.has(s)) lost.push(s);
      } else expect(view.sequence).toBeGreaterThanOrEqual(next);
      expect(view.text()).toBe(this.payloads.get(view.sequence));
      next = view.sequence + 1;
    }
    expect({ lost, to: Math.max(next, this.durable) }).toEqual({ lost: [], to: Math.max(next, 1) });
  }
}

test.each([1_000, 2_000, 3_000])(
  "the process or the power ends in the midst of any operation, recovery's too, and what was not synced may go: no acknowledged event is lost, none is wrong (forty seeds from %i on)",
  (from) => {
    for (let seed = from; seed < from + 40; seed++) {
      const random = seeded(seed);
      const dir = join(parent, String(seed));
      const truth = new Truth();
      let disk = new SimulatedDisk(dir, random);
      for (let round = 0; round < 5; round++) {
        // Some die while they recover.
        disk.failAfter(1 + Math.floor(random() * (random() < 0.3 ? 10 : 120)));
        truth.generation++;
        try {
          const preallocateBytes = random() < 0.5 ? 0 : 16_384;
          const segmentBytes = 4_096 + Math.floor(random() * 8_192);
          const log = SegmentedLog.open({ dir, segmentBytes, preallocateBytes, fs: disk.fs });
          truth.opened(log);
          truth.work(log, random);
        } catch (error) {
          // A loss within a write or sync comes out as that operation's failure.
          const { cause } = error as Error;
          if (!(error instanceof PowerLoss || cause instanceof PowerLoss)) throw error;
        }
        // A third of the ends are the process's only: what it had written and not synced is found by the next one.
        if (round < 4 && random() < 0.33) {
          disk.endProcess();
        } else {
          disk.crash();
          disk = new SimulatedDisk(dir, random);
        }
      }
      const { nextSequence } = recoverLog(dir);
      expect(nextSequence, `seed ${seed}`).toBeGreaterThanOrEqual(truth.durable);
      truth.check(dir);
      rmSync(dir, { recursive: true });
    }
  },
);
