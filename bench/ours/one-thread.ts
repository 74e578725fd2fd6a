/** `SpscSlots` on one thread: a push and a pop. What the code itself costs, without a second CPU. */
import { Arena } from "@esc/arena";
import { SpscSlots } from "@esc/queues";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { pinThread } from "../src/pin-thread.ts";
import { CAPACITY, named, secondsSince, verify } from "./named.ts";

const CASE = "spsc-one-thread-pairs";

const pairs = (releaseEvery: number, variant?: string) => (options: MeasureOptions) => {
  pinThread(0);
  const arena = Arena.create({ bytes: SpscSlots.bytesFor(CAPACITY) });
  const slots = SpscSlots.create(arena, "bench", { capacity: CAPACITY });
  const producer = slots.producer();
  const consumer = slots.consumer({ releaseEvery });
  const transfer = (count: number) => {
    const start = performance.now();
    let wrong = 0;
    for (let i = 1; i <= count; i++) {
      producer.push(i);
      if (consumer.pop() !== i) wrong++;
    }
    const seconds = secondsSince(start);
    verify(wrong);
    return seconds;
  };
  return measureRate(named(CASE, variant), transfer, options);
};

export const oneThreadCases = {
  [CASE]: pairs(1),
  [`${CASE}/releaseEvery`]: pairs(256, "releaseEvery 256"),
};
