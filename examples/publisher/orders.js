// The thread that publishes: one event by itself, then many in batches.
import { workerData } from "node:worker_threads";
import { BackoffWaitStrategy } from "@esc/queues";
import { Publisher } from "@esc/server";

const publisher = Publisher.attach(workerData.publisher);
const waiting = new BackoffWaitStrategy();

// Back-pressure is a return value.
const order = { topic: "order.created", payload: JSON.stringify({ total: 7 }), priority: "MEDIUM" };
while (publisher.publish(order) === "full") publisher.waitForSpace(waiting);
await publisher.untilDurable(publisher.ticket());

// No object for any of them.
const batch = publisher.batch();
const ticks = publisher.topic("tick", "LOW");
const payload = new Uint8Array(32);
const send = () => {
  while (publisher.publishBatch(batch) === "full") publisher.waitForSpace(waiting);
};
for (let i = 0; i < 100_000; i++) {
  payload[0] = i;
  if (batch.add(ticks, payload)) continue;
  send();
  batch.add(ticks, payload);
}
send();
await publisher.untilDurable(publisher.ticket());
publisher.close();
