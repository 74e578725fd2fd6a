/** A thread of the stress tests: records and adds as told, then says what it has done, or ends without a word. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { GaugeBlock, Histogram } from "./index.ts";

export interface MetricsThread {
  readonly handle: ArenaHandle;
  /** Values it records: 1, 2, 3, …, each this often in all threads together. */
  readonly values: number;
  /** Times that it adds 1 to the one gauge and takes 1 from the other. */
  readonly adds: number;
}

const { handle, values, adds } = workerData as MetricsThread;
const arena = Arena.attach(handle);
const gauges = GaugeBlock.attach(arena, "gauges", ["up", "down"]);
try {
  const recorder = Histogram.attach(arena, "latency").recorder();
  for (let value = 1; value <= values; value++) {
    if ((value & 3) === 0) recorder.recordMany(value, 2);
    else recorder.record(value);
  }
  for (let n = 0; n < adds; n++) {
    gauges.add("up");
    gauges.add("down", -0.5);
  }
  parentPort?.postMessage("done");
} catch (error) {
  parentPort?.postMessage((error as { code: string }).code);
}
