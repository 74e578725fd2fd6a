/**
 * A thread of the deduplicator's stress tests. "rounds": offers each round's ids in an order of its own, all threads at the
 * same time, and writes what it was told. "busy": inserts for as long as it lives.
 */
import { workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { Deduplicator } from "./index.ts";

export interface StressWork {
  readonly handle: ArenaHandle;
  readonly mode: "rounds" | "busy";
  readonly index: number;
  readonly threads: number;
  readonly rounds: number;
  /** 16 bytes for each id of all rounds. */
  readonly ids: Uint8Array;
  readonly idsPerRound: number;
  /** [0]: threads that have come to the end of a round, over all rounds. */
  readonly barrier: Int32Array;
  /** For each thread, round and id: 1 new; and again for the ids of the round before. */
  readonly told: Uint8Array;
}

const work = workerData as StressWork;
const { index, threads, rounds, ids, idsPerRound, barrier, told } = work;
const dedup = Deduplicator.attach(Arena.attach(work.handle), "stress");
const isNew = new Uint8Array(idsPerRound);
const offered = new Uint8Array(idsPerRound * 16);

function arrive(round: number): void {
  const goal = threads * (round + 1);
  if (Atomics.add(barrier, 0, 1) + 1 === goal) Atomics.notify(barrier, 0);
  for (let seen = Atomics.load(barrier, 0); seen < goal; seen = Atomics.load(barrier, 0))
    Atomics.wait(barrier, 0, seen);
}

/** Offers a round's ids, each thread beginning elsewhere, in batches of a size of its own; writes what it was told. */
function offer(round: number, now: number, at: number): void {
  const first = Math.floor((idsPerRound * index) / threads / 2);
  for (let i = 0; i < idsPerRound; i++) {
    const from = (round * idsPerRound + ((first + i) % idsPerRound)) * 16;
    offered.set(ids.subarray(from, from + 16), i * 16);
  }
  const batch = [1, 50, idsPerRound][index % 3] as number;
  for (let i = 0; i < idsPerRound; i += batch) {
    const some = Math.min(batch, idsPerRound - i);
    if (batch === 1) isNew[i] = dedup.checkAndInsert(offered.subarray(i * 16, i * 16 + 16), now) ? 1 : 0;
    else dedup.checkAndInsertMany(offered.subarray(i * 16, (i + some) * 16), now, isNew.subarray(i, i + some));
  }
  for (let i = 0; i < idsPerRound; i++) told[at + ((first + i) % idsPerRound)] = isNew[i] as number;
}

if (work.mode === "rounds") {
  for (let round = 0; round < rounds; round++) {
    arrive(2 * round);
    const at = (index * rounds + round) * 2 * idsPerRound;
    offer(round, round, at);
    arrive(2 * round + 1);
    if (round > 0) offer(round - 1, round, at + idsPerRound);
  }
  dedup[Symbol.dispose]();
} else {
  for (let n = 0; ; n++) {
    new DataView(offered.buffer).setFloat64(0, n);
    dedup.checkAndInsert(offered.subarray(0, 16), n);
    if (n === 1_000) {
      Atomics.store(barrier, 0, 1);
      Atomics.notify(barrier, 0);
    }
  }
}
