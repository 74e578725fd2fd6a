/** A thread of an embedding program that publishes numbered events with ids, the same for each of its numbers. */
import { parentPort, workerData } from "node:worker_threads";
import { Publisher, type PublisherHandle } from "@esc/ingest";
import { BackoffWaitStrategy } from "@esc/queues";

const {
  publisher: handle,
  index,
  events,
} = workerData as { publisher: PublisherHandle; index: number; events: number };
const publisher = Publisher.attach(handle);
const waiting = new BackoffWaitStrategy();
const topics = ["a", "b", "c"].map((name) => publisher.topic(`thread.${index}.${name}`));
const payload = Buffer.alloc(8);
const id = Buffer.alloc(16, index + 1);
payload.writeUInt32LE(index, 0);
parentPort?.postMessage("publishing");
for (let n = 1; n <= events; n++) {
  payload.writeUInt32LE(n, 4);
  id.writeUInt32LE(n, 0);
  const topic = topics[n % 3] as (typeof topics)[0];
  while (publisher.publish({ topic, payload, id, priority: "MEDIUM" }) === "full") publisher.waitForSpace(waiting);
}
const ticket = publisher.ticket();
await publisher.untilDurable(ticket);
publisher.close();
parentPort?.postMessage("done");
