/** A thread of the stamps' stress tests: a writer that stamps and then publishes, or one that answers what its clock says. */

import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { monotonicClock, StampRing } from "./index.ts";

export interface StampsThread {
  readonly handle: ArenaHandle;
  readonly writer: number;
  readonly groups: number;
}

/** Words of region "shared": position published, whose turn it is; behind them the clock's reading. */
const PUBLISHED = 0;
const TURN = 1;

const { handle, writer, groups } = workerData as StampsThread;
const arena = Arena.attach(handle);
const address = regionAddress(arena.region("shared"));
const words = new Int32Array(arena.memory.buffer, address, 4);
const clock = monotonicClock();

if (writer < 0) {
  // Answers each turn of the other side with a reading of this thread's clock.
  const reading = new Float64Array(arena.memory.buffer, address + 16, 1);
  for (let turn = 0; turn < groups; turn++) {
    while (Atomics.load(words, TURN) !== 2 * turn + 1) Atomics.wait(words, TURN, 2 * turn);
    reading[0] = clock.now();
    Atomics.store(words, TURN, 2 * turn + 2);
    Atomics.notify(words, TURN);
  }
} else {
  const ring = StampRing.attach(arena, `stamps.${writer}`);
  for (let i = 0; i < groups; i++) {
    // As a lane's claims: one after the other, whoever they are.
    while (Atomics.compareExchange(words, TURN, 0, 1) !== 0) Atomics.wait(words, TURN, 1, 1);
    const end = Atomics.load(words, PUBLISHED) + 1;
    ring.stamp(end, clock.now(), 1 + (i % 3));
    Atomics.store(words, PUBLISHED, end);
    Atomics.store(words, TURN, 0);
    Atomics.notify(words, TURN);
  }
}
parentPort?.postMessage(clock.errorNs);
