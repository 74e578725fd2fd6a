import { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import { createCrcTable, RecordOffset } from "@esc/events";
import { expect, test } from "vitest";
import { Parker, RecordRing } from "./index.ts";
import { runAddress } from "./ring-consumer.ts";

const PRODUCERS = 3;
const RECORDS = 60_000;

test(`${PRODUCERS} threads append ${RECORDS} records each into a ring of 4 KiB: two consumers see every one once, whole, in order`, async () => {
  const arena = Arena.create({ bytes: 1 << 18 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "stress", { capacityBytes: 4_096 });
  const parker = Parker.create(arena, "consumer");
  ring.wakeOnPublish(parker);
  const consumers = [ring.consumer(), ring.consumer()];
  const bytes = Buffer.from(arena.memory.buffer);
  const workers = Array.from(
    { length: PRODUCERS },
    (_, index) =>
      new Worker(new URL("./ring-producer.fixture.ts", import.meta.url), {
        workerData: { handle: arena.handle, index, records: RECORDS },
      }),
  );
  const failures: Error[] = [];
  for (const worker of workers) worker.on("error", (error) => failures.push(error as Error));

  const seen = consumers.map(() => ({ sequence: 0, byProducer: new Array<number>(PRODUCERS).fill(0) }));
  while (failures.length === 0 && seen.some(({ sequence }) => sequence < PRODUCERS * RECORDS)) {
    let moved = false;
    for (const [which, consumer] of consumers.entries()) {
      const state = seen[which] as (typeof seen)[number];
      if (consumer.next(1_024) === 0) continue;
      moved = true;
      const end = runAddress(consumer) + consumer.runBytes;
      for (let at = runAddress(consumer); at < end; ) {
        const length = bytes.readUInt32LE(at);
        const covered = Uint8Array.from(bytes.subarray(at + RecordOffset.sequence, at + length));
        if (crc32(covered) !== bytes.readUInt32LE(at + RecordOffset.crc)) throw new Error(`torn record at ${at}`);
        const sequence = Number(bytes.readBigUInt64LE(at + RecordOffset.sequence));
        if (sequence !== state.sequence + 1) throw new Error(`sequence ${sequence} after ${state.sequence}`);
        state.sequence = sequence;
        const payload = at + RecordOffset.body + bytes.readUInt16LE(at + RecordOffset.topicLength);
        const producer = bytes.readUInt32LE(payload);
        const n = bytes.readUInt32LE(payload + 4);
        if (n !== (state.byProducer[producer] as number) + 1)
          throw new Error(`producer ${producer}: ${n} out of order`);
        state.byProducer[producer] = n;
        at += (length + 7) & ~7;
      }
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
    if (moved) continue;
    parker.prepare();
    if (consumers.some((consumer) => consumer.next(1) > 0)) parker.cancel();
    else await parker.parkAsync(1_000);
  }
  expect(failures).toEqual([]);
  for (const { byProducer } of seen) expect(byProducer).toEqual(new Array(PRODUCERS).fill(RECORDS));
  expect(consumers.map((consumer) => ring.consumerCount(consumer.slot))).toEqual([
    PRODUCERS * RECORDS,
    PRODUCERS * RECORDS,
  ]);
  await Promise.all(workers.map((worker) => worker.terminate()));
});
