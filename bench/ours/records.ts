/**
 * `SpscRing` and `MpscRing`: records of 64 bytes, claimed 64 at a time, filled in place and read in place. All eight
 * words of a record are written and read.
 */
import { isMainThread } from "node:worker_threads";
import { Arena, type ArenaHandle, type BytesView } from "@esc/arena";
import { MpscRing, type RingProducer, type RingReader, SpscRing } from "@esc/queues";
import { idle, PinnedThreads, serveRuns } from "../peers/js/pinned-threads.ts";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { CAPACITY, named, secondsSince, verify } from "./named.ts";

const RECORD_BYTES = 64;
const BATCH = 64;
/** 8,192 records with their headers of 8 bytes, to the next power of two. */
const CAPACITY_BYTES = 2 ** Math.ceil(Math.log2(CAPACITY * (RECORD_BYTES + 8)));
interface Shared {
  readonly handle: ArenaHandle;
  readonly producers: 1 | 2;
}

/** Records 1, 2, 3, …, or -1, -2, -3, … with sign -1. The last word makes the sum of all of a record's be its number. */
function claimAll(producer: RingProducer, count: number, sign: 1 | -1): void {
  let rounds = 0;
  for (let number = 0; number < count; number += BATCH) {
    let claim = producer.claimMany(BATCH, RECORD_BYTES);
    while (claim === undefined) {
      rounds = idle(rounds);
      claim = producer.claimMany(BATCH, RECORD_BYTES);
    }
    rounds = 0;
    for (let k = 0; k < BATCH; k++) {
      const record = claim.view(k);
      const n = sign * (number + k + 1);
      record.setFloat64(0, n);
      record.setFloat64(8, n + 1);
      record.setFloat64(16, n + 2);
      record.setFloat64(24, n + 3);
      record.setFloat64(32, n + 4);
      record.setFloat64(40, n + 5);
      record.setFloat64(48, n + 6);
      record.setFloat64(56, -6 * n - 21);
    }
    claim.commit();
  }
}

/** Each producer's records come in its order, and a record's words add up to its number. */
function readAll(reader: RingReader, count: number): void {
  let rounds = 0;
  let wrong = 0;
  let last = 0;
  let lastOfSecond = 0;
  const handle = (record: BytesView) => {
    const n = record.getFloat64(0);
    // In pairs: one long chain of additions would take longer than all else.
    const sum =
      n +
      record.getFloat64(8) +
      (record.getFloat64(16) + record.getFloat64(24)) +
      (record.getFloat64(32) + record.getFloat64(40) + (record.getFloat64(48) + record.getFloat64(56)));
    if (sum !== n) wrong++;
    if (n > 0) {
      if (n !== ++last) wrong++;
    } else if (n !== --lastOfSecond) wrong++;
  };
  for (let taken = 0; taken < count; ) {
    const handled = reader.read(handle);
    taken += handled;
    rounds = handled === 0 ? idle(rounds) : 0;
  }
  verify(wrong);
}

if (!isMainThread) {
  serveRuns<Shared>((role, { handle, producers }) => {
    const arena = Arena.attach(handle);
    const ring = producers === 1 ? SpscRing.attach(arena, "bench") : MpscRing.attach(arena, "bench");
    const reader = role === "consumer" ? ring.reader() : undefined;
    const producer = role === "consumer" ? undefined : ring.producer();
    return (count, startTogether) => {
      startTogether();
      const start = performance.now();
      if (reader !== undefined) readAll(reader, count);
      if (producer !== undefined) claimAll(producer, count / producers, role === "second producer" ? -1 : 1);
      return { seconds: secondsSince(start) };
    };
  });
}

const across = (name: string, producers: 1 | 2) => async (options: MeasureOptions) => {
  const arena = Arena.create({ bytes: SpscRing.bytesFor(CAPACITY_BYTES) });
  (producers === 1 ? SpscRing : MpscRing).create(arena, "bench", { capacityBytes: CAPACITY_BYTES });
  const shared: Shared = { handle: arena.handle, producers };
  await using threads = new PinnedThreads(new URL(import.meta.url), shared, { threads: producers === 1 ? 2 : 3 });
  return await measureRate(named(name), async (count) => (await threads.run(count))[1].seconds, options);
};

export const recordCases = {
  "spsc-64B-batch-64": across("spsc-64B-batch-64", 1),
  "mpsc-2p-64B-batch-64": across("mpsc-2p-64B-batch-64", 2),
};
