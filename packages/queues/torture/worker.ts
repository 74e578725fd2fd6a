/** A thread of a round: puts records or numbers in, or takes them out and checks every one. */

import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle, type BytesView } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import {
  BackoffWaitStrategy,
  BlockingWaitStrategy,
  BusySpinWaitStrategy,
  MpmcSlots,
  MpscRing,
  MpscSlots,
  SpscRing,
  SpscSlots,
  type Waitable,
  type WaitStrategy,
} from "../src/index.ts";
import { mix, type Plan, seeded, type Wait } from "./plan.ts";

export interface WorkerTask {
  readonly handle: ArenaHandle;
  readonly plan: Plan;
  readonly role: "producer" | "consumer";
  readonly index: number;
}

/** What a consumer found: per producer how many, and the sum of their numbers, which tells also where several share. */
export interface Found {
  readonly counts: readonly number[];
  readonly sums: readonly number[];
}

const { handle, plan, role, index } = workerData as WorkerTask;
const arena = Arena.attach(handle);
const random = seeded(plan.seed * 31 + index * 7 + (role === "producer" ? 1 : 0));
const strategy = strategyOf((role === "producer" ? plan.producers : plan.consumers)[index] as Wait);
/** Longer than any honest wait: a thread that waits so long has lost its wake-up. */
const LOST_MS = 30_000;
const total = plan.each * plan.producers.length;
const PRODUCER_SHIFT = 2 ** 32;

function strategyOf(wait: Wait): WaitStrategy {
  if (wait === "spin") return new BusySpinWaitStrategy();
  return wait === "block" ? new BlockingWaitStrategy() : new BackoffWaitStrategy({ spins: 100 });
}

function waitFor(source: Waitable): void {
  if (!strategy.wait(source, LOST_MS)) throw new Error(`${role} ${index} waited ${LOST_MS} ms`);
}

/** Now and then a thread is late. */
function sometimesLate(): void {
  if (random() < 0.000_02) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random() * 2);
}

class Checker {
  readonly counts = plan.producers.map(() => 0);
  readonly sums = plan.producers.map(() => 0);
  readonly #inOrder: boolean;
  readonly #last = plan.producers.map(() => 0);
  /** @param inOrder every number comes here: none is missing; else they are still in order. */
  constructor(inOrder: boolean) {
    this.#inOrder = inOrder;
  }

  see(producer: number, n: number): void {
    const last = this.#last[producer];
    if (last === undefined) throw new Error(`a producer ${producer}?`);
    if (this.#inOrder ? n !== last + 1 : n <= last) throw new Error(`producer ${producer}: ${n} after ${last}`);
    this.#last[producer] = n;
    this.counts[producer] = (this.counts[producer] as number) + 1;
    this.sums[producer] = (this.sums[producer] as number) + n;
  }

  get seen(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}

// --- framed records: u32 producer, u32 n, u32 words, words, u32 checksum of all before it ---

function fill(view: BytesView, n: number, words: number): void {
  view.setUint32(0, index);
  view.setUint32(4, n);
  view.setUint32(8, words);
  let sum = mix(mix(mix(0, index), n), words);
  for (let i = 0; i < words; i++) {
    const word = Math.imul(n + i, 0x85ebca6b) >>> 0;
    view.setUint32(12 + 4 * i, word);
    sum = mix(sum, word);
  }
  view.setUint32(12 + 4 * words, sum);
}

function produceRecords(ring: SpscRing | MpscRing): void {
  const producer = ring.producer();
  const most = Math.min(60, plan.capacity / 64);
  for (let n = 1; n <= plan.each; ) {
    const words = Math.floor(random() * most);
    const length = 16 + 4 * words;
    const count = Math.min(1 + Math.floor(random() * 3), plan.each - n + 1);
    const claim = producer.claimMany(count, length);
    if (claim === undefined) {
      if (!producer.waitForSpace(count * (length + 16), strategy, LOST_MS))
        throw new Error(`producer ${index}: no space`);
      continue;
    }
    // A claim that is given up must not leave anything behind.
    if (random() < 0.01) {
      claim.abort();
      continue;
    }
    for (let i = 0; i < count; i++) fill(claim.view(i), n + i, words);
    claim.commit();
    n += count;
    sometimesLate();
  }
  producer[Symbol.dispose]();
}

function consumeRecords(ring: SpscRing | MpscRing, checker: Checker): void {
  const reader = ring.reader();
  ready();
  const check = (record: BytesView) => {
    const words = record.getUint32(8);
    if (record.length !== 16 + 4 * words) throw new Error(`a record of ${record.length} bytes with ${words} words`);
    let sum = 0;
    for (let at = 0; at < 12 + 4 * words; at += 4) sum = mix(sum, record.getUint32(at));
    if (sum !== record.getUint32(12 + 4 * words)) throw new Error("torn record");
    checker.see(record.getUint32(0), record.getUint32(4));
  };
  for (let seen = 0; seen < total; ) {
    const handled = reader.take(check, strategy, LOST_MS, 1 + Math.floor(random() * 100));
    if (handled === 0) throw new Error(`consumer ${index} waited ${LOST_MS} ms at ${seen} of ${total}`);
    seen += handled;
    sometimesLate();
  }
}

// --- numbers: producer × 2^32 + n ---

interface Pushes extends Waitable {
  push(value: number): boolean;
  pushMany?(values: Float64Array, from: number, to: number): number;
}

function produceNumbers(to: Pushes): void {
  const values = new Float64Array(100);
  for (let n = 1; n <= plan.each; ) {
    const count = Math.min(1 + Math.floor(random() * values.length), plan.each - n + 1);
    let pushed: number;
    if (to.pushMany === undefined || random() < 0.3) {
      pushed = to.push(index * PRODUCER_SHIFT + n) ? 1 : 0;
    } else {
      for (let i = 0; i < count; i++) values[i] = index * PRODUCER_SHIFT + n + i;
      pushed = to.pushMany(values, 0, count);
    }
    n += pushed;
    if (pushed === 0) waitFor(to);
    sometimesLate();
  }
}

function consumeNumbers(from: Waitable, popMany: (target: Float64Array) => number, checker: Checker): void {
  const values = new Float64Array(100);
  while (checker.seen < total) {
    const count = popMany(values);
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      checker.see(Math.floor(value / PRODUCER_SHIFT), value % PRODUCER_SHIFT);
    }
    if (count === 0) waitFor(from);
    sometimesLate();
  }
}

/** Consumers share the numbers of these: who has taken the last one of all pushes one end mark for each. */
function consumeShared(slots: MpmcSlots, checker: Checker): void {
  for (;;) {
    const value = slots.pop();
    if (value < 0) return;
    if (Number.isNaN(value)) waitFor(slots.values);
    else checker.see(Math.floor(value / PRODUCER_SHIFT), value % PRODUCER_SHIFT);
    sometimesLate();
  }
}

function ready(): void {
  parentPort?.postMessage("ready");
  Atomics.wait(new Int32Array(arena.memory.buffer, regionAddress(arena.region("start")), 1), 0, 0);
}

function run(): Found | undefined {
  const { kind } = plan;
  const checker = new Checker(kind !== "MpmcSlots");
  if (kind === "SpscRing" || kind === "MpscRing") {
    const ring = (kind === "SpscRing" ? SpscRing : MpscRing).attach(arena, "torture");
    if (role === "consumer") consumeRecords(ring, checker);
    else {
      ready();
      produceRecords(ring);
    }
  } else if (kind === "MpmcSlots") {
    const slots = MpmcSlots.attach(arena, "torture");
    ready();
    if (role === "consumer") consumeShared(slots, checker);
    else produceNumbers({ ...slots.space, push: (value) => slots.push(value) });
  } else if (role === "consumer") {
    const consumer =
      kind === "SpscSlots"
        ? SpscSlots.attach(arena, "torture").consumer({ releaseEvery: 1 + Math.floor(random() * plan.capacity) })
        : MpscSlots.attach(arena, "torture").consumer();
    ready();
    consumeNumbers(consumer, (target) => consumer.popMany(target), checker);
  } else {
    const producer = (kind === "SpscSlots" ? SpscSlots : MpscSlots).attach(arena, "torture").producer();
    ready();
    produceNumbers(producer);
  }
  return role === "consumer" ? { counts: checker.counts, sums: checker.sums } : undefined;
}

parentPort?.postMessage(run() ?? "done");
