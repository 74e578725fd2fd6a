/** The log worker: rings in, files out. Blocks in writes and syncs; nothing else runs on this thread. */
import { parentPort, workerData } from "node:worker_threads";
import { LANE_NAMES } from "@esc/events";
import { currentTid } from "@esc/numa";
import { LogWriter, logDirectory, SegmentedLog } from "@esc/storage";
import { configName, LOGGED, Pipeline } from "../pipeline.ts";
import type { LogStart, WorkerMessage } from "./messages.ts";
import { startWorker } from "./start-failure.ts";

if (parentPort === null) throw new Error("This is a worker's entry; start the server with `esc start`.");
const port = parentPort;
const { handle, config, recoveries } = workerData as LogStart;

await startWorker(port, () => {
  const pipeline = Pipeline.attach(handle);
  const { storage } = config;
  // Transactional first: its acknowledgements and its processor wait for the sync.
  const order = [...LOGGED].sort((a, b) => Number(b === LANE_NAMES[1]) - Number(a === LANE_NAMES[1]));
  const writer = new LogWriter({
    lanes: order.map((name) => ({
      name,
      ring: pipeline.rings[name] as (typeof pipeline.rings)[string],
      log: SegmentedLog.open({
        dir: logDirectory(storage.path, name),
        segmentBytes: storage.segment_bytes,
        preallocateBytes: storage.preallocate_bytes,
        ...(recoveries[name] && { recovery: recoveries[name] }),
      }),
      sync: storage.sync[configName(name)],
    })),
    arenaBytes: pipeline.bytes,
    parker: pipeline.parker("log"),
    groupBytes: storage.group_bytes,
    groupDelayMs: storage.group_delay_ms,
    syncIntervalMs: storage.sync_interval_ms,
    gatherMs: storage.gather_ms,
    spinMs: config.spin_us / 1_000,
    now: () => performance.now(),
    onDurable: pipeline.latency.durable(),
    onState: (lane, state) =>
      send({
        type: "log-state",
        lane,
        state: state.kind,
        message: state.kind === "writing" ? "" : state.error.message,
      }),
  });
  send({ type: "ready", slots: LOGGED.map((name) => writer.slots[order.indexOf(name)] as number), tid: currentTid() });
  const { log: mode } = pipeline.modes;
  writer.run(
    () => mode.value !== "run",
    () => mode.value === "stop",
  );
  send({ type: "done" });
});

function send(message: WorkerMessage): void {
  port.postMessage(message);
}
