/** A thread that publishes numbered events, alone and in batches, until it has published all or is ended. */
import { parentPort, threadId, workerData } from "node:worker_threads";
import { LANE_NAMES, type Priority } from "@esc/events";
import { BackoffWaitStrategy } from "@esc/queues";
import { Publisher, type PublisherHandle, type PublishResult } from "./index.ts";

const { handle, index, events } = workerData as { handle: PublisherHandle; index: number; events: number };
const publisher = Publisher.attach(handle);
const waiting = new BackoffWaitStrategy();
const batch = publisher.batch(20_000);
const topic = publisher.topic(`thread.${index}`);
const payload = Buffer.alloc(300, index);
payload.writeUInt32LE(index, 0);
let state = threadId;
const next = () => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return state >>> 8;
};
const through = (publish: () => PublishResult) => {
  while (publish() === "full") publisher.waitForSpace(waiting);
};
parentPort?.postMessage("publishing");
for (let n = 1; n <= events; ) {
  if (next() % 4 === 0) {
    const priority = (next() % 5) as Priority;
    payload.writeUInt32LE(n++, 4);
    through(() => publisher.publish({ topic, payload, priority }));
  } else {
    for (let size = next() % 40; size > 0 && n <= events; size--) {
      payload.writeUInt32LE(n, 4);
      if (!batch.add(topic, payload.subarray(0, 8 + (next() % 290)), (next() % 5) as Priority)) break;
      n++;
    }
    through(() => publisher.publishBatch(batch));
    if (LANE_NAMES.some((lane) => batch.kept[lane] > 0)) throw new Error("accepted, and something was kept");
  }
}
publisher.close();
parentPort?.postMessage("done");
