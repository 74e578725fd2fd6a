/** Runs a round on real threads and adds up what its consumers found. */

import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { MpmcSlots, MpscRing, MpscSlots, SpscRing, SpscSlots } from "../src/index.ts";
import { parkerAddress, parkerAt } from "../src/parker.ts";
import type { Plan } from "./plan.ts";
import type { Found, WorkerTask } from "./worker.ts";

/** @throws what a thread threw, or what doesn't add up. */
export async function runRound(plan: Plan): Promise<void> {
  const arena = Arena.create({ bytes: 4 << 20 });
  const start = new Int32Array(arena.memory.buffer, regionAddress(arena.allocate("start", 4)), 1);
  const { kind, capacity, producers, consumers, each } = plan;
  if (kind === "SpscRing") SpscRing.create(arena, "torture", { capacityBytes: capacity });
  else if (kind === "MpscRing") MpscRing.create(arena, "torture", { capacityBytes: capacity });
  else if (kind === "SpscSlots") SpscSlots.create(arena, "torture", { capacity });
  else if (kind === "MpscSlots") MpscSlots.create(arena, "torture", { capacity });
  else MpmcSlots.create(arena, "torture", { capacity });
  const thread = (role: WorkerTask["role"], index: number) => {
    const workerData: WorkerTask = { handle: arena.handle, plan, role, index };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    const failed = new Promise<never>((_, reject) => worker.once("error", reject));
    failed.catch(() => undefined);
    const ready = Promise.race([failed, new Promise<void>((resolve) => worker.once("message", () => resolve()))]);
    const done = ready.then(() =>
      Promise.race([failed, new Promise<Found | "done">((resolve) => worker.once("message", resolve))]),
    );
    return { worker, ready, done };
  };
  // Consumers first: what is put in before anybody gates is nobody's.
  const taking = consumers.map((_, index) => thread("consumer", index));
  const putting = producers.map((_, index) => thread("producer", index));
  const all = [...taking, ...putting];
  try {
    await Promise.all(all.map(({ ready }) => ready));
    Atomics.store(start, 0, 1);
    Atomics.notify(start, 0);
    const failure = Promise.all(all.map(({ done }) => done));
    await Promise.race([failure, Promise.all(putting.map(({ done }) => done))]);
    if (kind === "MpmcSlots") {
      const slots = MpmcSlots.attach(arena, "torture");
      for (let marks = 0; marks < consumers.length; ) {
        if (slots.push(-1)) marks++;
        else await parkerAt(arena, parkerAddress(slots.space.parker)).parkAsync(1);
      }
    }
    const found = (await failure).filter((result) => result !== "done") as Found[];
    const expected = { count: each, sum: (each * (each + 1)) / 2 };
    const totals = kind === "MpmcSlots" ? [addUp(found)] : found;
    for (const { counts, sums } of totals) {
      for (const producer of producers.keys()) {
        if (counts[producer] !== expected.count || sums[producer] !== expected.sum) {
          throw new Error(`producer ${producer}: ${counts[producer]} of ${expected.count} found, or not the same ones`);
        }
      }
    }
  } finally {
    await Promise.all(all.map(({ worker }) => worker.terminate()));
  }
}

function addUp(found: readonly Found[]): Found {
  const add = (pick: (one: Found) => readonly number[]) =>
    (pick(found[0] as Found) as readonly number[]).map((_, i) =>
      found.reduce((sum, one) => sum + (pick(one)[i] as number), 0),
    );
  return { counts: add((one) => one.counts), sums: add((one) => one.sums) };
}
