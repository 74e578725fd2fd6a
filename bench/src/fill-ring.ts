/** A thread that fills a ring with events of one kind: 32 bytes of payload, topic order.created, as the wire bench has them. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { RecordRing } from "@esc/queues";

const { handle, events } = workerData as { handle: ArenaHandle; events: number };
const ring = RecordRing.attach(Arena.attach(handle), "lane");
const producer = ring.appender("producer", { maxRecordBytes: 4_096 });
const payload = Buffer.alloc(32, 1);
const event = { topic: Buffer.from("order.created"), payload, priority: 0, source: 0 } as const;
for (let n = 0; n < events; n++) {
  payload.writeUInt32LE(n);
  if (!producer.append({ ...event, timeMs: 1_700_000_000_000 + (n >> 10) })) throw new Error("the ring is full");
}
parentPort?.postMessage("filled");
