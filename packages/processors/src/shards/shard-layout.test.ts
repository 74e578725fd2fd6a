import { readdirSync, rmSync } from "node:fs";
import { type ShareBy, shareOf } from "@esc/queues";
import { CursorFile, cursorFile, LogReader, logDirectory } from "@esc/storage";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { EventView } from "../handler.ts";
import { LaneRig, type Put, type RigOptions } from "../lane/lane-rig.fixture.ts";
import { openShards, readShards } from "./shard-layout.ts";

const LATER = { attempts: 9, delayMs: 8e7, factor: 1, maxDelayMs: 8e7, jitter: 0 };
const TOPICS = ["a", "b", "c", "d", "e"];
const LANE = "transactional";

/** A directory whose log holds events that nobody has handled. */
async function stored(events: readonly Put[]): Promise<string> {
  const writer = new LaneRig({ handlers: [] });
  writer.send(...events);
  await writer.crash();
  return writer.dataDir;
}

function payloads(count: number): Put[] {
  return Array.from({ length: count }, (_, n) => ({ topic: TOPICS[(n * n + n) % 5] as string, payload: String(n) }));
}

/** What the files say is finished, and so must never be handled again. */
async function finishedOnDisk(dataDir: string): Promise<Set<string>> {
  const options = { dataDir, lane: LANE, onError: (text: string) => expect.unreachable(text) };
  const { by, past, resumes } = await readShards(options);
  const finished = new Set<string>();
  using reader = new LogReader({ dir: logDirectory(dataDir, LANE) });
  for (const { sequence, topicHash, text } of all(reader)) {
    const { checkpoint } = resumes[shareOf(by, resumes.length, topicHash, sequence)] as (typeof resumes)[0];
    const own = checkpoint.finished.some(([from, to]) => sequence >= from && sequence <= to);
    const waits = checkpoint.delayed.some(([delayed]) => delayed === sequence);
    if ((own || sequence < checkpoint.cursor || past?.isFinished(topicHash, sequence)) && !waits) finished.add(text);
  }
  return finished;
}

function* all(reader: LogReader) {
  for (const view of reader) yield { sequence: view.sequence, topicHash: view.topicHash, text: view.text() };
}

test("the division changes again and again, with kills between: nothing that was finished is handled again, all is handled, each topic in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          shards: fc.integer({ min: 1, max: 5 }),
          by: fc.constantFrom<ShareBy>("hash", "sequence"),
          kill: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
          /** Shards that don't get to run in this life. */
          idle: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
          fails: fc.uniqueArray(fc.integer({ min: 0, max: 39 }), { maxLength: 6 }),
        }),
        { minLength: 2, maxLength: 4 },
      ),
      async (lives) => {
        const dataDir = await stored(payloads(40));
        try {
          const last = { shards: 3, by: "hash" as const, kill: [], idle: [], fails: [] };
          const handled = new Set<string>();
          for (const { shards, by, kill, idle, fails } of [...lives, last]) {
            const options = { dataDir, lane: LANE, onError: (text: string) => expect.unreachable(text) };
            const before = await finishedOnDisk(dataDir);
            await openShards(options, { shards, by }, 41);
            // The division itself changes nothing of what is finished.
            expect(await finishedOnDisk(dataDir)).toEqual(before);
            for (let share = 0; share < shards; share++) {
              if (idle[share]) continue;
              const done = await finishedOnDisk(dataDir);
              const twice: string[] = [];
              const order: { topic: string; n: number }[] = [];
              const handle = (event: EventView) => {
                const n = Number(event.text());
                if (done.has(event.text())) twice.push(event.text());
                if (fails.includes(n)) throw new Error("later");
                order.push({ topic: event.topic, n });
                handled.add(event.text());
              };
              const handlers = { topics: ">", handle };
              const rig = await new LaneRig({
                dataDir,
                handlers,
                retry: LATER,
                share: { by, shares: shards, share },
              }).start();
              await rig.until(() => rig.processor.nextSequence === 41, "the end of the log");
              if (!kill[share]) await rig.end("stop");
              await rig.crash();
              expect(twice).toEqual([]);
              for (const topic of TOPICS) {
                const seen = order.filter((one) => one.topic === topic).map(({ n }) => n);
                expect(seen).toEqual([...seen].sort((a, b) => a - b));
              }
            }
          }
          expect(handled.size).toBe(40);
          expect((await finishedOnDisk(dataDir)).size).toBe(40);
        } finally {
          rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
        }
      },
    ),
    { numRuns: 8 },
  );
}, 60_000);

test("an event that waits for its time goes to the shard that its topic belongs to now, and is handled once", async () => {
  const deliverAt = { deliverAt: String(1_700_000_000_000 + 5_000) };
  const dataDir = await stored(TOPICS.map((topic) => ({ topic, payload: topic, metadata: deliverAt })));
  const seen: string[] = [];
  const handlers = { topics: ">", handle: (event: EventView) => void seen.push(event.topic) };
  const shard = (shares: number, share: number): RigOptions => ({
    ...{ dataDir, handlers, share: { by: "hash", shares, share } },
  });
  for (const share of [0, 1]) {
    const rig = await new LaneRig(shard(2, share)).start();
    await rig.until(() => rig.processor.nextSequence === 6, "the end of the log");
    await rig.end("stop");
    await rig.crash();
  }
  expect(seen).toEqual([]);
  for (const share of [0, 1, 2]) {
    const rig = await new LaneRig(shard(3, share)).start();
    await rig.until(() => rig.processor.nextSequence === 6, "the end of the log");
    rig.clockMs += 6_000;
    rig.wake();
    await rig.until(() => rig.state.held === 0 && rig.processor.delayedEvents(9).length === 0, "their time");
    await rig.end("drain");
    await rig.crash();
  }
  expect(seen.sort()).toEqual(TOPICS);
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
});

test("a lane that was never divided has its files under its own name; one that is has them by generation and shard, and no others", async () => {
  const dataDir = await stored(payloads(10));
  const handlers = { topics: ">", handle: () => undefined };
  const run = async (shares: number) => {
    for (let share = 0; share < shares; share++) {
      const rig = await new LaneRig({ dataDir, handlers, share: { by: "hash", shares, share } }).start();
      await rig.until(() => rig.processor.nextSequence === 11, "the end of the log");
      await rig.end("stop");
      await rig.crash();
    }
    return readdirSync(`${dataDir}/cursors`).sort();
  };
  expect(await run(1)).toEqual([LANE]);
  expect(await run(2)).toEqual([`${LANE}.1.0`, `${LANE}.1.1`]);
  expect(await run(1)).toEqual([`${LANE}.2.0`]);
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
});

test("what an old division says of sequences that the log has lost is forgotten before they are given to new events", async () => {
  const dataDir = await stored(payloads(3));
  await new CursorFile(cursorFile(dataDir, LANE)).write(4);
  const options = { dataDir, lane: LANE, onError: (text: string) => expect.unreachable(text) };
  await openShards(options, { shards: 2, by: "hash" }, 4);
  const behind = await openShards(options, { shards: 2, by: "hash" }, 2);
  expect(behind.resumes.map(({ checkpoint }) => checkpoint.cursor)).toEqual([2, 2]);
  const later = await openShards(options, { shards: 2, by: "hash" }, 4);
  expect(later.resumes.map(({ checkpoint }) => checkpoint.cursor)).toEqual([2, 2]);
  rmSync(dataDir, { recursive: true, force: true });
});
