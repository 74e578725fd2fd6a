/** `SpscSlots` between two threads: numbers one by one, and in batches. */
import { isMainThread } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { SpscSlots, type SpscSlotsConsumer, type SpscSlotsProducer } from "@esc/queues";
import { idle, PinnedThreads, serveRuns } from "../peers/js/pinned-threads.ts";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { CAPACITY, named, secondsSince, verify } from "./named.ts";

interface Shared {
  readonly handle: ArenaHandle;
  /** Numbers a push; 1 pushes one by one. */
  readonly pushed: number;
  /** Numbers a pop at most; 1 pops one by one. */
  readonly popped: number;
  readonly releaseEvery: number;
}

/** 1, 2, 3, …, one by one. */
function pushAll(producer: SpscSlotsProducer, count: number): void {
  let rounds = 0;
  for (let i = 1; i <= count; i++) {
    while (!producer.push(i)) rounds = idle(rounds);
    rounds = 0;
  }
}

function popAll(consumer: SpscSlotsConsumer, count: number): void {
  let rounds = 0;
  let wrong = 0;
  for (let i = 1; i <= count; i++) {
    let value = consumer.pop();
    while (Number.isNaN(value)) {
      rounds = idle(rounds);
      value = consumer.pop();
    }
    rounds = 0;
    if (value !== i) wrong++;
  }
  verify(wrong);
}

function pushBatches(producer: SpscSlotsProducer, count: number, batch: number): void {
  const values = new Float64Array(batch);
  let rounds = 0;
  for (let i = 0; i < count; i += batch) {
    for (let k = 0; k < batch; k++) values[k] = i + k + 1;
    for (let sent = producer.pushMany(values); sent < batch; ) {
      const more = producer.pushMany(values, sent);
      sent += more;
      rounds = more === 0 ? idle(rounds) : 0;
    }
    rounds = 0;
  }
}

function popBatches(consumer: SpscSlotsConsumer, count: number, batch: number): void {
  const values = new Float64Array(batch);
  let rounds = 0;
  let wrong = 0;
  for (let taken = 0; taken < count; ) {
    const popped = consumer.popMany(values);
    if (popped === 0) {
      rounds = idle(rounds);
      continue;
    }
    rounds = 0;
    for (let k = 0; k < popped; k++) if (values[k] !== ++taken) wrong++;
  }
  verify(wrong);
}

if (!isMainThread) {
  serveRuns<Shared>((role, { handle, pushed, popped, releaseEvery }) => {
    const slots = SpscSlots.attach(Arena.attach(handle), "bench");
    const producer = role === "producer" ? slots.producer() : undefined;
    const consumer = role === "consumer" ? slots.consumer({ releaseEvery }) : undefined;
    return (count, startTogether) => {
      startTogether();
      const start = performance.now();
      if (producer !== undefined) {
        if (pushed === 1) pushAll(producer, count);
        else pushBatches(producer, count, pushed);
      } else if (consumer !== undefined) {
        if (popped === 1) popAll(consumer, count);
        else popBatches(consumer, count, popped);
      }
      return { seconds: secondsSince(start) };
    };
  });
}

interface Way {
  readonly pushed: number;
  readonly popped: number;
  readonly releaseEvery?: number;
  readonly variant?: string;
}

const across =
  (name: string, { pushed, popped, releaseEvery = 1, variant }: Way) =>
  async (options: MeasureOptions) => {
    const arena = Arena.create({ bytes: SpscSlots.bytesFor(CAPACITY) });
    SpscSlots.create(arena, "bench", { capacity: CAPACITY });
    const shared: Shared = { handle: arena.handle, pushed, popped, releaseEvery };
    await using threads = new PinnedThreads(new URL(import.meta.url), shared);
    return await measureRate(named(name, variant), async (count) => (await threads.run(count))[1].seconds, options);
  };

export const spscCases = {
  "spsc-8B-per-item": across("spsc-8B-per-item", { pushed: 1, popped: 1 }),
  "spsc-8B-per-item/releaseEvery": across("spsc-8B-per-item", {
    pushed: 1,
    popped: 1,
    releaseEvery: 256,
    variant: "releaseEvery 256",
  }),
  "spsc-8B-per-item/popMany": across("spsc-8B-per-item", { pushed: 1, popped: 256, variant: "push, popMany of 256" }),
  "spsc-8B-batch-64": across("spsc-8B-batch-64", { pushed: 64, popped: 64 }),
  "spsc-8B-batch-256": across("spsc-8B-batch-256", { pushed: 256, popped: 256 }),
};
