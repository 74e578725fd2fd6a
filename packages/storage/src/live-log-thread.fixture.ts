/** A thread of a live log, for tests and for `torture/follow.ts`: the one that appends events, or the one that stores them. */

import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { Parker, RecordRing } from "@esc/queues";
import { LogWriter, SegmentedLog } from "./index.ts";

export interface LiveLogThread {
  readonly handle: ArenaHandle;
  readonly role: "producer" | "log";
  readonly events: number;
  readonly dir: string;
  readonly segmentBytes: number;
}

const { handle, role, events, dir, segmentBytes } = workerData as LiveLogThread;
const arena = Arena.attach(handle);
const ring = RecordRing.attach(arena, "lane");

if (role === "log") {
  const stopped = new Int32Array(arena.memory.buffer, regionAddress(arena.region("stopped")), 1);
  const writer = new LogWriter({
    lanes: [
      { name: "lane", ring, log: SegmentedLog.open({ dir, segmentBytes, preallocateBytes: 65_536 }), sync: "group" },
    ],
    arenaBytes: new Uint8Array(arena.memory.buffer),
    parker: Parker.attach(arena, "parker.log"),
    groupBytes: 1 << 20,
    syncIntervalMs: 100,
    now: () => performance.now(),
  });
  parentPort?.postMessage("ready");
  writer.run(() => Atomics.load(stopped, 0) === 1);
} else {
  const parker = Parker.create(arena, "parker.producer");
  ring.wakeOnSpace(parker);
  const producer = ring.appender("producer");
  const topics = ["order.created", "order.paid", "user.created"].map((topic) => Buffer.from(topic));
  const payload = Buffer.alloc(32);
  for (let n = 1; n <= events; n++) {
    payload.writeUInt32LE(n, 0);
    const record = { topic: topics[n % 3] as Buffer, payload, priority: 2, source: 0, timeMs: n } as const;
    while (!producer.append(record)) {
      ring.wantSpace();
      parker.prepare();
      if (producer.append(record)) {
        parker.cancel();
        break;
      }
      parker.park(1_000);
    }
  }
}
parentPort?.postMessage("done");
