/** Chunks of frames into lanes and out of them: our kernel, and for usual frames the same steps in plain TypeScript. */
import { crc32 } from "node:zlib";
import { encodeFrame, LANE_NAMES, type LaneName, type Priority } from "@esc/events";
import { Histogram, monotonicClock, StageRecorder } from "@esc/metrics";
import { inRounds, line, machine, type Way } from "@esc/tooling/rounds";
import { IngestRig } from "../src/ingest-rig.fixture.ts";

const FRAMES = 1_000;

/** A scan of the chunk, and every lane emptied. */
function ours(frames: readonly Uint8Array[], stamped = false): Way {
  const room = { capacity: 16, readers: 1 };
  const stamps = { realtime: room, transactional: room, batch: room };
  const rig = new IngestRig({ capacityBytes: 1 << 20, ...(stamped && { stamps }) });
  const { input, tcp, consumers } = rig;
  const stages = stamped ? LANE_NAMES.map((name) => follow(rig, name)) : [];
  const bytes = Buffer.concat(frames);
  input.readView.set(bytes);
  return {
    name: stamped ? "stamped" : "ours",
    things: frames.length,
    run: (times) => {
      for (let i = 0; i < times; i++) {
        tcp.scan(input.readStart, input.readStart + bytes.length, false);
        if (tcp.taken !== bytes.length) throw new Error(`The scan took ${tcp.taken} bytes of ${bytes.length}.`);
        for (const name of LANE_NAMES) {
          const consumer = consumers[name];
          while (consumer.next(1 << 20) > 0) consumer.release(consumer.runEnd, consumer.runRecords);
        }
        for (let lane = 0; lane < stages.length; lane++) (stages[lane] as () => void)();
      }
      return 0;
    },
  };
}

/** What a lane's thread does for one stage: a look at the clock, and the groups up to where it is into a histogram. */
function follow({ arena, consumers, stamps }: IngestRig, lane: LaneName): () => void {
  if (stamps === undefined) throw new Error("The rig stamps nothing.");
  const histogram = Histogram.create(arena, `latency.${lane}`, { significantDigits: 2 }).recorder();
  const { now } = monotonicClock();
  const recorder = new StageRecorder(arena, { stamps: [stamps[lane]], reader: 0, histogram, now });
  return () => recorder.reach(consumers[lane].position);
}

/** A number below `end`, the same in every run. */
function pick(i: number, end: number): number {
  return ((Math.imul(i + 1, 0x9e3779b1) >>> 16) * end) >>> 16;
}

const usual = Array.from({ length: FRAMES }, () => framed(32));
const mixed = Array.from({ length: FRAMES }, (_, i) =>
  encodeFrame({
    topic: `${["order.created.", "device.", "sensor.room."][pick(i, 3)]}${pick(i + 7, 40)}`,
    payload: Buffer.alloc(pick(i + 13, 120), "x"),
    priority: pick(i + 29, 5) as Priority,
    id: pick(i + 31, 4) === 0 ? Buffer.alloc(16, i) : undefined,
  }),
);

function framed(payloadBytes: number, crc = false): Uint8Array {
  return encodeFrame({ topic: "order.created", payload: Buffer.alloc(payloadBytes, "x"), priority: 2, crc });
}

/** Check, hash, look up, copy, CRC: what the kernel does, frame by frame on a DataView. */
const target = Buffer.alloc(1 << 20);
const topics = new Map<number, number>();
const chunk = Buffer.concat(usual);
function plain(): number {
  let at = 0;
  let to = 0;
  while (at < chunk.length) {
    const length = chunk.readUInt32BE(at);
    const topicLength = chunk.readUInt16BE(at + 5);
    let hash = 0;
    for (let i = 0; i < topicLength; i++) hash = (Math.imul(hash, 31) + (chunk[at + 7 + i] as number)) | 0;
    topics.set(hash, topics.get(hash) ?? 0);
    target.set(chunk.subarray(at + 7, at + 4 + length), to + 32);
    target.writeUInt32LE(crc32(target.subarray(to + 8, to + 29 + length)), to + 4);
    target.writeUInt32LE(29 + length, to);
    to += (29 + length + 7) & ~7;
    at += 4 + length;
  }
  return to;
}

console.log(machine());
console.log(
  "ns a frame into a lane and out, least / median\n\n| frames | ours | plain TypeScript with zlib.crc32 | ratio |\n|---|---|---|---|",
);
const steps: Way = {
  name: "plain",
  things: FRAMES,
  run: (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) sum ^= plain();
    return sum;
  },
};
console.log(line("52 bytes", inRounds([ours(usual), steps])));
console.log("\n| frames a scan, one lane | stamped and one stage recorded | ours | ratio |\n|---|---|---|---|");
for (const count of [1, 16, 256, 1_000]) {
  const some = usual.slice(0, count);
  console.log(line(String(count), inRounds([ours(some, true), ours(some)])));
}
console.log("\n| frames | ours |\n|---|---|");
const others: [string, readonly Uint8Array[]][] = [
  ["52 bytes and a CRC", usual.map(() => framed(32, true))],
  ["no payload", usual.map(() => framed(0))],
  ["256 bytes of payload", usual.slice(0, 700).map(() => framed(256))],
  ["1 KiB of payload", usual.slice(0, 200).map(() => framed(1_024))],
  ["topics, lengths, lanes and ids mixed", mixed],
];
for (const [label, frames] of others) console.log(line(label, inRounds([ours(frames)])));
