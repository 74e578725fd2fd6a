/** The log's thread of `log-alone.ts`: a ring in, a file out, synced in groups. */

import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { Parker, RecordRing } from "@esc/queues";
import { LogWriter, SegmentedLog } from "@esc/storage";

const { handle, dir } = workerData as { handle: ArenaHandle; dir: string };
const arena = Arena.attach(handle);
const stopped = new Int32Array(arena.memory.buffer, regionAddress(arena.region("stopped")), 1);
const log = SegmentedLog.open({ dir, segmentBytes: 64 << 20, preallocateBytes: 1 << 20 });
const writer = new LogWriter({
  lanes: [{ name: "lane", ring: RecordRing.attach(arena, "lane"), log, sync: "group" }],
  arenaBytes: new Uint8Array(arena.memory.buffer),
  parker: Parker.attach(arena, "parker.log"),
  groupBytes: 1 << 20,
  syncIntervalMs: 100,
  now: () => performance.now(),
});
parentPort?.postMessage("ready");
writer.run(() => Atomics.load(stopped, 0) === 1);
