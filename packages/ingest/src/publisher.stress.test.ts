import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { LANE_NAMES, type LaneName } from "@esc/events";
import { expect, test } from "vitest";
import { PublisherRig } from "./publisher-rig.fixture.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Reads the lanes as the threads write: the numbers by lane and thread must rise. */
class Reader {
  readonly seen: Record<LaneName, number> = { realtime: 0, transactional: 0, batch: 0 };
  readonly #rig: PublisherRig;
  readonly #last = new Map<string, number>();

  constructor(rig: PublisherRig) {
    this.#rig = rig;
  }

  read(): number {
    let read = 0;
    for (const lane of LANE_NAMES) {
      for (const { payload, tombstone } of this.#rig.take(lane)) {
        if (tombstone) continue;
        const bytes = Buffer.from(payload, "hex");
        const thread = `${lane} ${bytes.readUInt32LE(0)}`;
        const n = bytes.readUInt32LE(4);
        if (n <= (this.#last.get(thread) ?? 0)) throw new Error(`${n} of ${thread} is out of order`);
        this.#last.set(thread, n);
        this.seen[lane]++;
        read++;
      }
    }
    return read;
  }
}

/** What the server does behind a thread that has ended. */
function clearUp(rig: PublisherRig, threadId: number): void {
  const closed = LANE_NAMES.filter((lane) => {
    for (let claims = 0; ; ) {
      const { closedClaims, pending } = rig.rings[lane].reclaim(threadId);
      claims += closedClaims;
      if (pending === 0) return claims > 0;
    }
  });
  rig.places.giveUp(threadId, closed);
}

function start(rig: PublisherRig, index: number, events: number): Worker {
  return new Worker(new URL("./publisher-thread.fixture.ts", import.meta.url), {
    workerData: { handle: rig.handle, index, events },
  });
}

test("four threads publish into small lanes at once: every event is in its lane once and in order, none is dropped", async () => {
  const rig = new PublisherRig({ capacityBytes: 16_384, maxFrameBytes: 2_048 });
  const reader = new Reader(rig);
  const failures: unknown[] = [];
  let running = 4;
  for (let index = 0; index < 4; index++) {
    const worker = start(rig, index, 40_000);
    worker.on("error", (error) => failures.push(error));
    worker.on("exit", () => running--);
  }
  while (running > 0 && failures.length === 0) {
    reader.read();
    await nextTurn();
  }
  reader.read();
  expect(failures).toEqual([]);
  expect(LANE_NAMES.reduce((sum, lane) => sum + reader.seen[lane], 0)).toBe(4 * 40_000);
  for (const lane of LANE_NAMES) expect(rig.accepted(lane)).toBe(reader.seen[lane]);
});

test("threads that are ended while they publish give their places back; others go on, and the counts hold", async () => {
  const rig = new PublisherRig({ capacityBytes: 16_384, maxFrameBytes: 2_048, places: 3 });
  const reader = new Reader(rig);
  const steady = start(rig, 0, 2 ** 31);
  await once(steady, "message");
  for (let round = 1; round <= 40; round++) {
    const worker = start(rig, round, 2 ** 31);
    const { threadId } = worker;
    await once(worker, "message");
    // Another moment each round, counted in turns of reading and not on a clock.
    for (let turns = (round * 7) % 23; turns > 0; turns--) {
      reader.read();
      await nextTurn();
    }
    await worker.terminate();
    clearUp(rig, threadId);
    expect(rig.places.holds(threadId)).toBe(false);
    const before = LANE_NAMES.reduce((sum, lane) => sum + reader.seen[lane], 0);
    // The steady one's events come through: nothing is held up.
    for (let more = 0; more < 200; more = LANE_NAMES.reduce((sum, lane) => sum + reader.seen[lane], 0) - before) {
      reader.read();
      await nextTurn();
    }
  }
  const { threadId } = steady;
  await steady.terminate();
  clearUp(rig, threadId);
  while (reader.read() > 0);
  for (const lane of LANE_NAMES) expect([lane, rig.accepted(lane)]).toEqual([lane, reader.seen[lane]]);
});
