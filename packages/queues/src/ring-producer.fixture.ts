/** A producer thread of the stress test: appends records whose payload says who made them and in which order. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { Parker, RecordRing } from "./index.ts";

const { handle, index, records } = workerData as { handle: ArenaHandle; index: number; records: number };
const arena = Arena.attach(handle);
const ring = RecordRing.attach(arena, "stress");
const producer = ring.appender(`producer ${index}`);
const parker = Parker.create(arena, `parker ${index}`);
ring.wakeOnSpace(parker);
const topic = Buffer.from(`producer.${index}`);
let state = index + 1;
for (let n = 1; n <= records; n++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  const payload = Buffer.alloc(8 + (state % 300), n & 255);
  payload.writeUInt32LE(index, 0);
  payload.writeUInt32LE(n, 4);
  const record = { topic, payload, priority: 2, source: 0, timeMs: n } as const;
  while (!producer.append(record)) {
    parker.prepare();
    ring.wantSpace();
    if (producer.append(record)) {
      parker.cancel();
      break;
    }
    parker.park(1_000);
  }
}
parentPort?.postMessage("done");
