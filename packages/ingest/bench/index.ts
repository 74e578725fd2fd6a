/** A chunk of frames into a lane: our kernel against the same steps in plain TypeScript. */
import { crc32 } from "node:zlib";
import { encodeFrame } from "@esc/events";
import { bench, run, summary } from "mitata";
import { IngestRig } from "../src/ingest-rig.fixture.ts";

const FRAMES = 1_000;
const frame = encodeFrame({ topic: "order.created", payload: Buffer.alloc(32, "x"), priority: 2 });
const chunk = Buffer.concat(Array.from({ length: FRAMES }, () => frame));
const rig = new IngestRig({ capacityBytes: 1 << 20 });
const { input, tcp, consumers } = rig;
input.readView.set(chunk);

/** Check, hash, look up, copy, CRC: what the kernel does, frame by frame on a DataView. */
const target = Buffer.alloc(1 << 20);
const topics = new Map<number, number>();
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

summary(() => {
  bench(`@esc/ingest: ${FRAMES} frames of 52 bytes into a lane and out`, () => {
    tcp.scan(input.readStart, input.readStart + chunk.length, false);
    while (consumers.transactional.next(1 << 20) > 0) {
      consumers.transactional.release(consumers.transactional.runEnd, consumers.transactional.runRecords);
    }
  }).baseline(true);
  bench(`the same steps in plain TypeScript with zlib.crc32`, plain);
});
await run();
