import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import type { StressWork } from "./deduplicator-rounds.fixture.ts";
import { Deduplicator } from "./index.ts";

const THREADS = 3;
const ROUNDS = 150;
const IDS = 1_000;

const start = (work: StressWork): Worker =>
  new Worker(new URL("./deduplicator-rounds.fixture.ts", import.meta.url), { workerData: work });

test(`each of ${ROUNDS * IDS} ids is offered by ${THREADS} threads at once while tables rotate: new once, and a round later a duplicate`, async () => {
  // Twice a round's ids: so many are remembered whatever happens, and a table is full about once a round.
  const options = { capacity: 2 * IDS, windowMs: 1_000_000 };
  const arena = Arena.create({ bytes: Deduplicator.bytesFor(options) });
  using dedup = Deduplicator.create(arena, "stress", options);
  const shared = (bytes: number): Uint8Array<SharedArrayBuffer> => new Uint8Array(new SharedArrayBuffer(bytes));
  const ids = shared(ROUNDS * IDS * 16);
  ids.set(randomFillSync(new Uint8Array(ids.length)));
  const told = shared(THREADS * ROUNDS * 2 * IDS);
  const barrier = new Int32Array(new SharedArrayBuffer(4));
  const common = {
    handle: arena.handle,
    mode: "rounds",
    threads: THREADS,
    rounds: ROUNDS,
    ids,
    idsPerRound: IDS,
  } as const;
  const workers = Array.from({ length: THREADS }, (_, index) => start({ ...common, index, barrier, told }));
  const codes = await Promise.all(workers.map(async (worker) => (await once(worker, "exit"))[0]));
  expect(codes).toEqual(workers.map(() => 0));

  const newTimes = (again: number) => (round: number, i: number) => {
    let sum = 0;
    for (let thread = 0; thread < THREADS; thread++) {
      sum += told[((thread * ROUNDS + round) * 2 + again) * IDS + i] as number;
    }
    return sum;
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < IDS; i++) {
      if (newTimes(0)(round, i) !== 1)
        throw new Error(`id ${i} of round ${round} was new ${newTimes(0)(round, i)} times`);
      if (newTimes(1)(round, i) !== 0) throw new Error(`id ${i} of round ${round} - 1 was new again a round later`);
    }
  }
  const { inserts, duplicates, forgottenEarly, rotations, generations } = dedup.statistics(ROUNDS);
  expect(inserts).toBe(ROUNDS * IDS);
  expect(duplicates).toBe((2 * ROUNDS - 1) * THREADS * IDS - inserts);
  expect(rotations).toBeGreaterThan(ROUNDS / 2);
  // Nothing gets lost between the tables: each id is in one or was counted when it was forgotten.
  expect(forgottenEarly + generations.reduce((sum, { ids }) => sum + ids, 0)).toBe(inserts);
  expect(dedup.liveIds(ROUNDS)).toBe(inserts - forgottenEarly);
  expect(dedup.participants()).toEqual([{ slot: dedup.slot, inOperation: false }]);
});

test("a thread that is terminated anywhere is evicted by its slot, and tables go on rotating", async () => {
  const options = { capacity: 100, threads: 2 };
  const arena = Arena.create({ bytes: Deduplicator.bytesFor(options) });
  using dedup = Deduplicator.create(arena, "stress", options);
  const barrier = new Int32Array(new SharedArrayBuffer(4));
  const none = new Uint8Array(0);
  for (let round = 0; round < 5; round++) {
    Atomics.store(barrier, 0, 0);
    const worker = start({
      ...{ handle: arena.handle, mode: "busy", index: 0, threads: 1, rounds: 0, ids: none, idsPerRound: 1 },
      barrier,
      told: none,
    });
    const wait = Atomics.waitAsync(barrier, 0, 0);
    if (wait.async) await wait.value;
    await worker.terminate();
    expect(dedup.participants().map(({ slot }) => slot)).toEqual([0, 1]);
    dedup.evict(1);
    expect(dedup.participants()).toEqual([{ slot: 0, inOperation: false }]);
    const before = dedup.statistics(0).rotations;
    const id = new Uint8Array(16).fill(round + 1);
    for (let n = 0; n < 400; n++) {
      new DataView(id.buffer).setUint32(4, n);
      expect(dedup.checkAndInsert(id, 1_000_000)).toBe(true);
    }
    expect(dedup.statistics(0).rotations).toBeGreaterThan(before + 5);
  }
});
