import { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import { TopicTable } from "@esc/dispatcher";
import { createCrcTable, LANE_NAMES, RecordOffset } from "@esc/events";
import { CounterBlock } from "@esc/metrics";
import { Parker, RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { expect, test } from "vitest";
import { acceptedCounter, droppedCounter, INGEST_COUNTERS } from "./index.ts";

const THREADS = 3;
const FRAMES = 200_000;

test("three ingest threads scan into the same small lanes: every frame is in its lane once, whole and in order, or dropped, counted and told", async () => {
  const arena = Arena.create({ bytes: 1 << 24 });
  createCrcTable(arena);
  TopicTable.create(arena, "topics", { overrides: [], maxTopics: 64 });
  const parker = Parker.create(arena, "consumer");
  const lanes = LANE_NAMES.map((lane) => {
    const ring = RecordRing.create(arena, lane, { capacityBytes: 16_384 });
    ring.wakeOnPublish(parker);
    return {
      lane,
      ring,
      consumer: ring.consumer(),
      sequence: 0,
      seen: 0,
      last: new Array<number>(THREADS).fill(0),
    };
  });
  const counters = Array.from({ length: THREADS }, (_, index) =>
    CounterBlock.create(arena, `counters ${index}`, INGEST_COUNTERS),
  );
  let running = THREADS;
  let told = 0;
  const failures: unknown[] = [];
  const workers = counters.map((_, index) => {
    const worker = new Worker(new URL("./scan-producer.fixture.ts", import.meta.url), {
      workerData: { handle: arena.handle, index, frames: FRAMES },
    });
    worker.on("error", (error) => failures.push(error));
    worker.on("message", (dropsTold: number) => {
      told += dropsTold;
      running--;
      parker.unpark();
    });
    return worker;
  });
  const bytes = Buffer.from(arena.memory.buffer);
  for (;;) {
    const last = running === 0;
    let moved = false;
    for (const one of lanes) {
      if (one.consumer.next(2_048) === 0) continue;
      moved = true;
      const end = runAddress(one.consumer) + one.consumer.runBytes;
      for (let at = runAddress(one.consumer); at < end; ) {
        const length = bytes.readUInt32LE(at);
        const covered = Uint8Array.from(bytes.subarray(at + RecordOffset.sequence, at + length));
        if (crc32(covered) !== bytes.readUInt32LE(at + RecordOffset.crc)) throw new Error(`torn record in ${one.lane}`);
        const sequence = Number(bytes.readBigUInt64LE(at + RecordOffset.sequence));
        if (sequence !== ++one.sequence) throw new Error(`${one.lane}: sequence ${sequence}, expected ${one.sequence}`);
        const payload = at + RecordOffset.body + bytes.readUInt16LE(at + RecordOffset.topicLength);
        const thread = bytes.readUInt32LE(payload);
        const n = bytes.readUInt32LE(payload + 4);
        if (n <= (one.last[thread] as number))
          throw new Error(`${one.lane}: frame ${n} of thread ${thread} out of order`);
        one.last[thread] = n;
        one.seen++;
        at += (length + 7) & ~7;
      }
      one.consumer.release(one.consumer.runEnd, one.consumer.runRecords);
    }
    if (failures.length > 0 || (last && !moved)) break;
    if (moved) continue;
    parker.prepare();
    if (running === 0 || lanes.some(({ consumer }) => consumer.next(1) > 0)) parker.cancel();
    else await parker.parkAsync(1_000);
  }
  expect(failures).toEqual([]);
  const sum = (name: string) => counters.reduce((total, block) => total + block.value(name), 0);
  for (const { lane, seen } of lanes)
    expect([lane, seen]).toEqual([lane, sum(acceptedCounter(lane)) - sum(droppedCounter(lane))]);
  expect(LANE_NAMES.reduce((total, lane) => total + sum(acceptedCounter(lane)), 0)).toBe(THREADS * FRAMES);
  expect(sum(droppedCounter("transactional"))).toBe(0);
  expect(told).toBe(LANE_NAMES.reduce((total, lane) => total + sum(droppedCounter(lane)), 0));
  await Promise.all(workers.map((worker) => worker.terminate()));
});
