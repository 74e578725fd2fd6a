/** `MpscSlots` and `MpmcSlots`: numbers of two producer threads to one consumer thread, one by one and in batches. */
import { isMainThread } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { MpmcSlots, MpscSlots, type MpscSlotsConsumer, type MpscSlotsProducer } from "@esc/queues";
import { idle, PinnedThreads, type Role, serveRuns } from "../peers/js/pinned-threads.ts";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { CAPACITY, named, secondsSince } from "./named.ts";

interface Shared {
  readonly handle: ArenaHandle;
  readonly kind: "mpsc" | "mpmc";
  /** Numbers a push; 1 pushes one by one. */
  readonly batch: number;
}

function pushAll(producer: { push(value: number): boolean }, from: number, to: number): void {
  let rounds = 0;
  for (let i = from; i < to; i++) {
    while (!producer.push(i)) rounds = idle(rounds);
    rounds = 0;
  }
}

function pushBatches(producer: MpscSlotsProducer, from: number, to: number, batch: number): void {
  const values = new Float64Array(batch);
  let rounds = 0;
  for (let i = from; i < to; i += batch) {
    for (let k = 0; k < batch; k++) values[k] = i + k;
    for (let sent = producer.pushMany(values); sent < batch; ) {
      const more = producer.pushMany(values, sent);
      sent += more;
      rounds = more === 0 ? idle(rounds) : 0;
    }
    rounds = 0;
  }
}

/** The sum of `count` numbers, modulo 2^32. */
function popBatches(consumer: MpscSlotsConsumer, count: number, batch: number): number {
  const values = new Float64Array(batch);
  let rounds = 0;
  let sum = 0;
  for (let taken = 0; taken < count; ) {
    const popped = consumer.popMany(values);
    if (popped === 0) {
      rounds = idle(rounds);
      continue;
    }
    rounds = 0;
    taken += popped;
    for (let k = 0; k < popped; k++) sum = (sum + (values[k] as number)) | 0;
  }
  return sum;
}

function popAll(slots: MpmcSlots, count: number): number {
  let rounds = 0;
  let sum = 0;
  for (let taken = 0; taken < count; taken++) {
    let value = slots.pop();
    while (Number.isNaN(value)) {
      rounds = idle(rounds);
      value = slots.pop();
    }
    rounds = 0;
    sum = (sum + value) | 0;
  }
  return sum;
}

/** Of 1 … count, modulo 2^32. */
function expectedSum(count: number): number {
  return Number(BigInt.asIntN(32, (BigInt(count) * BigInt(count + 1)) / 2n));
}

/** What a thread does with the numbers `from` … `to` − 1; a consumer returns their sum. */
function work(role: Role, { handle, kind, batch }: Shared): (from: number, to: number) => number | undefined {
  const arena = Arena.attach(handle);
  if (kind === "mpmc") {
    const slots = MpmcSlots.attach(arena, "bench");
    if (role === "consumer") return (from, to) => popAll(slots, to - from);
    return (from, to) => void pushAll(slots, from, to);
  }
  const slots = MpscSlots.attach(arena, "bench");
  if (role === "consumer") {
    const consumer = slots.consumer();
    // A consumer takes what there is, up to 256: one by one is how it is pushed.
    return (from, to) => popBatches(consumer, to - from, Math.max(batch, 256));
  }
  const producer = slots.producer();
  if (batch === 1) return (from, to) => void pushAll(producer, from, to);
  return (from, to) => void pushBatches(producer, from, to, batch);
}

if (!isMainThread) {
  serveRuns<Shared>((role, shared) => {
    const run = work(role, shared);
    return (count, startTogether) => {
      const middle = 1 + count / 2;
      const from = role === "second producer" ? middle : 1;
      const to = role === "producer" ? middle : count + 1;
      startTogether();
      const start = performance.now();
      const sum = run(from, to);
      const seconds = secondsSince(start);
      if (sum !== undefined && sum !== expectedSum(count)) throw new Error("wrong result: sum of the numbers popped");
      return { seconds };
    };
  });
}

const across =
  (name: string, kind: Shared["kind"], batch: number, variant?: string) => async (options: MeasureOptions) => {
    const arena = Arena.create({ bytes: MpscSlots.bytesFor(CAPACITY * 8) + MpmcSlots.bytesFor(CAPACITY) });
    if (kind === "mpsc") MpscSlots.create(arena, "bench", { capacity: CAPACITY });
    else MpmcSlots.create(arena, "bench", { capacity: CAPACITY });
    const shared: Shared = { handle: arena.handle, kind, batch };
    await using threads = new PinnedThreads(new URL(import.meta.url), shared, { threads: 3 });
    return await measureRate(named(name, variant), async (count) => (await threads.run(count))[1].seconds, options);
  };

export const mpscCases = {
  "mpsc-2p-8B-per-item": across("mpsc-2p-8B-per-item", "mpsc", 1),
  "mpsc-2p-8B-per-item/mpmc": across("mpsc-2p-8B-per-item", "mpmc", 1, "MpmcSlots"),
  "mpsc-2p-8B-batch-64": across("mpsc-2p-8B-batch-64", "mpsc", 64),
  "mpsc-2p-8B-batch-256": across("mpsc-2p-8B-batch-256", "mpsc", 256),
};
