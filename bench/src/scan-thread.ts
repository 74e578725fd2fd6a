/** A thread that scans frames into lanes which others may scan into as well; says what a frame cost it on a core. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { TopicTable, WAITING_PRODUCER } from "@esc/dispatcher";
import { LANE_NAMES, type LaneName, Source } from "@esc/events";
import { FrameScanner, INGEST_COUNTERS, InputArea, LaneGate, ScanStatus } from "@esc/ingest";
import { CounterBlock } from "@esc/metrics";
import { Parker, RecordRing } from "@esc/queues";

export interface ScanThreadStart {
  readonly handle: ArenaHandle;
  readonly index: number;
  readonly frame: Uint8Array;
  readonly events: number;
}

const { handle, index, frame, events } = workerData as ScanThreadStart;
const maxFrameBytes = 65_536;
const arena = Arena.attach(handle);
const rings = Object.fromEntries(LANE_NAMES.map((lane) => [lane, RecordRing.attach(arena, lane)])) as Record<
  LaneName,
  RecordRing
>;
const parker = Parker.create(arena, `parker.${index}`);
const gate = new LaneGate(rings, parker);
const input = new InputArea(arena, `input.${index}`, { maxFrameBytes });
const lane = (name: LaneName) => ({ ring: rings[name], producer: rings[name].addProducer() });
const scanner = new FrameScanner(arena, `scan.${index}`, {
  ...{ source: Source.tcp, maxFrameBytes, overflow: WAITING_PRODUCER, topics: TopicTable.attach(arena, "topics") },
  lanes: { realtime: lane("realtime"), transactional: lane("transactional"), batch: lane("batch") },
  counters: CounterBlock.create(arena, `counters.${index}`, INGEST_COUNTERS),
});
const frames = Math.floor(input.readView.length / frame.length);
for (let i = 0; i < frames; i++) input.readView.set(frame, i * frame.length);
const end = input.readStart + frames * frame.length;
let scanned = 0;
let before = process.threadCpuUsage();
let counted = 0;
while (scanned < events) {
  let start = input.readStart;
  while (start < end) {
    let status = scanner.scan(start, end, false);
    start += scanner.taken;
    if (status !== ScanStatus.blocked) continue;
    // Its own time alone counts: a full lane is the consumer's doing.
    parker.prepare();
    gate.wantSpace("transactional");
    status = scanner.scan(start, end, false);
    start += scanner.taken;
    if (status === ScanStatus.blocked && scanner.taken === 0) parker.park(100);
    else parker.cancel();
  }
  scanned += frames;
  if (counted === 0 && scanned >= events / 4) {
    // The first quarter is the compiler's.
    before = process.threadCpuUsage();
    counted = scanned;
  }
}
const { user, system } = process.threadCpuUsage(before);
parentPort?.postMessage(((user + system) * 1_000) / (scanned - counted));
