/** An ingest thread of the stress test: scans its own frames into lanes that another thread scans into as well. */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { TopicTable, WAITING_PRODUCER } from "@esc/dispatcher";
import { encodeFrame, LANE_NAMES, type LaneName, type Priority, RefusalCode, Source } from "@esc/events";
import { CounterBlock } from "@esc/metrics";
import { Parker, RecordRing } from "@esc/queues";
import { FrameScanner, INGEST_COUNTERS, InputArea, LaneGate, ScanStatus } from "./index.ts";

const { handle, index, frames } = workerData as { handle: ArenaHandle; index: number; frames: number };
const arena = Arena.attach(handle);
const rings = Object.fromEntries(LANE_NAMES.map((lane) => [lane, RecordRing.attach(arena, lane)])) as Record<
  LaneName,
  RecordRing
>;
const parker = Parker.create(arena, `parker ${index}`);
const gate = new LaneGate(rings, parker);
const input = new InputArea(arena, `input ${index}`, { maxFrameBytes: 2_000 });
const scanner = new FrameScanner(arena, `scanner ${index}`, {
  source: Source.tcp,
  maxFrameBytes: 2_000,
  topics: TopicTable.attach(arena, "topics"),
  lanes: Object.fromEntries(
    LANE_NAMES.map((lane) => [lane, { ring: rings[lane], producer: rings[lane].addProducer() }]),
  ) as Record<LaneName, { ring: RecordRing; producer: number }>,
  overflow: WAITING_PRODUCER,
  counters: CounterBlock.attach(arena, `counters ${index}`, INGEST_COUNTERS),
});

let n = 0;
/** Frames that the scans said were dropped. */
let told = 0;
const scan = (start: number, end: number): ScanStatus => {
  const status = scanner.scan(start, end, false);
  for (let i = 0; i < scanner.refused; i++) if (scanner.refusedCode(i) === RefusalCode.laneFull) told++;
  return status;
};
let state = index + 1;
const next = () => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return state >>> 8;
};
while (n < frames) {
  const chunk: Uint8Array[] = [];
  for (let size = 1 + (next() % 80); size > 0 && n < frames; size--) {
    const payload = Buffer.alloc(8 + (next() % 400), index);
    payload.writeUInt32LE(index, 0);
    payload.writeUInt32LE(++n, 4);
    chunk.push(encodeFrame({ topic: `thread.${index}`, payload, priority: (n % 5) as Priority }));
  }
  const bytes = Buffer.concat(chunk);
  input.readView.set(bytes);
  let start = input.readStart;
  const end = start + bytes.length;
  for (;;) {
    let status = scan(start, end);
    start += scanner.taken;
    if (status === ScanStatus.done) break;
    if (status !== ScanStatus.blocked) continue;
    parker.prepare();
    gate.wantSpace(scanner.blockedLane);
    status = scan(start, end);
    start += scanner.taken;
    if (status === ScanStatus.done) {
      parker.cancel();
      break;
    }
    if (status === ScanStatus.blocked && scanner.taken === 0) parker.park(1_000);
    else parker.cancel();
  }
}
parentPort?.postMessage(told);
