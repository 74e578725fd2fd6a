/** What the guard times: the pieces that every event goes through, each on one thread, and a yardstick beside them. */
import { Arena, BytesView } from "@esc/arena";
import { TopicTable, WAITING_PRODUCER } from "@esc/dispatcher";
import { createCrcTable, encodeFrame, LANE_NAMES, Source } from "@esc/events";
import { FrameScanner, INGEST_COUNTERS, InputArea } from "@esc/ingest";
import { CounterBlock } from "@esc/metrics";
import { BlockPool } from "@esc/pool";
import { Deduplicator, RecordRing, SpscRing, SpscSlots } from "@esc/queues";
import type { Way } from "@esc/tooling/rounds";

const BATCH = 64;
const FRAMES = 500;
const RING_BYTES = 1 << 20;

/** Work of the processor's own, no memory: what a cost is told in, so that a faster machine has the same figures. */
export const YARDSTICK: Way = {
  name: "1,000 numbers mixed",
  run: (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) {
      for (let k = 0; k < 1_000; k++) {
        sum = Math.imul(sum ^ (sum >>> 16) ^ k, 0x85ebca6b);
      }
    }
    return sum;
  },
};

/** A way for each cost; each has an arena of its own. */
export function guardedCosts(): Way[] {
  return [frames(0), frames(32), frames(1_024), appends(), slots(), slotBatches(), records(), pool(), dedup()];
}

/** A chunk of frames into the transactional lane, and out of it. */
function frames(payloadBytes: number): Way {
  const arena = Arena.create({ bytes: 1 << 24 });
  createCrcTable(arena);
  const topics = TopicTable.create(arena, "topics", { overrides: [], maxTopics: 64 });
  const rings = LANE_NAMES.map((lane) => RecordRing.create(arena, lane, { capacityBytes: RING_BYTES }));
  const consumers = rings.map((ring) => ring.consumer());
  const [realtime, transactional, batch] = rings.map((ring) => ({ ring, producer: ring.addProducer() }));
  if (realtime === undefined || transactional === undefined || batch === undefined) throw new Error("three lanes");
  const input = new InputArea(arena, "input", { maxFrameBytes: 8_192 });
  const scanner = new FrameScanner(arena, "tcp", {
    ...{ maxFrameBytes: 8_192, topics, source: Source.tcp, overflow: WAITING_PRODUCER },
    lanes: { realtime, transactional, batch },
    counters: CounterBlock.create(arena, "counters", INGEST_COUNTERS),
  });
  const payload = Buffer.alloc(payloadBytes, "x");
  const things = Math.min(FRAMES, Math.floor(60_000 / (payloadBytes + 20)));
  const one = encodeFrame({ topic: "order.created", payload, priority: 2 });
  const bytes = Buffer.concat(Array.from({ length: things }, () => one));
  input.readView.set(bytes);
  return {
    ...{ name: `a frame of ${payloadBytes} bytes into a lane and out`, things },
    run: (times) => {
      for (let i = 0; i < times; i++) {
        scanner.scan(input.readStart, input.readStart + bytes.length, false);
        if (scanner.taken !== bytes.length) throw new Error(`The scan took ${scanner.taken} of ${bytes.length} bytes.`);
        for (const consumer of consumers) {
          while (consumer.next(RING_BYTES) > 0) consumer.release(consumer.runEnd, consumer.runRecords);
        }
      }
      return times;
    },
  };
}

function appends(): Way {
  const arena = Arena.create({ bytes: 1 << 22 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "records", { capacityBytes: RING_BYTES });
  const consumer = ring.consumer();
  const appender = ring.appender("scratch");
  const topic = Buffer.from("order.created");
  const record = { topic, payload: new Uint8Array(32), priority: 2, source: 0, timeMs: 1_700_000_000_000 } as const;
  return {
    name: "a record appended, and passed",
    run: (times) => {
      for (let i = 0; i < times; i++) {
        if (!appender.append(record) || consumer.next(RING_BYTES) === 0) throw new Error("wrong result");
        consumer.release(consumer.runEnd, consumer.runRecords);
      }
      return times;
    },
  };
}

function slots(): Way {
  const arena = Arena.create({ bytes: 1 << 20 });
  const made = SpscSlots.create(arena, "slots", { capacity: 1_024 });
  const producer = made.producer();
  const consumer = made.consumer();
  return {
    name: "a number pushed and popped",
    run: (times) => {
      for (let i = 0; i < times; i++) {
        if (!producer.push(i) || consumer.pop() !== i) throw new Error("wrong result");
      }
      return times;
    },
  };
}

function slotBatches(): Way {
  const arena = Arena.create({ bytes: 1 << 20 });
  const made = SpscSlots.create(arena, "slots", { capacity: 1_024 });
  const producer = made.producer();
  const consumer = made.consumer();
  const values = new Float64Array(BATCH).fill(1.5);
  return {
    ...{ name: "a number in a batch of 64", things: BATCH },
    run: (times) => {
      for (let i = 0; i < times; i++) {
        if (producer.pushMany(values) !== BATCH || consumer.popMany(values) !== BATCH) throw new Error("wrong result");
      }
      return times;
    },
  };
}

function records(): Way {
  const arena = Arena.create({ bytes: 1 << 21 });
  const ring = SpscRing.create(arena, "ring", { capacityBytes: 1 << 16 });
  const producer = ring.producer();
  const reader = ring.reader();
  let sum = 0;
  const handle = (record: BytesView) => {
    sum += record.getUint8(0);
  };
  return {
    ...{ name: "64 bytes claimed, filled and read in place, of 64 a claim", things: BATCH },
    run: (times) => {
      for (let i = 0; i < times; i++) {
        const claim = producer.claimMany(BATCH, 64);
        if (claim === undefined) throw new Error("full");
        for (let k = 0; k < BATCH; k++) claim.view(k).setFloat64(0, k);
        claim.commit();
        while (reader.read(handle) > 0) {}
      }
      return sum;
    },
  };
}

function pool(): Way {
  const arena = Arena.create({ bytes: 1 << 20 });
  const blocks = BlockPool.create(arena, "pool", {
    blockBytes: 64,
    slabBlocks: 1_024,
    maxBlocks: 1_024,
    maxThreads: 2,
  });
  const view = new BytesView(arena);
  return {
    name: "a block acquired, written and released",
    run: (times) => {
      for (let i = 0; i < times; i++) {
        const handle = blocks.acquire();
        blocks.view(handle, view).setFloat64(0, i);
        blocks.release(handle);
      }
      return times;
    },
  };
}

/** Few enough ids to lie in the caches: the code's cost, not the memory's. */
function dedup(): Way {
  const options = { capacity: 10_000, windowMs: 10_000, threads: 1 };
  const set = Deduplicator.create(Arena.create({ bytes: Deduplicator.bytesFor(options) }), "dedup", options);
  const ids = new Uint8Array(16 * BATCH);
  const words = new Uint32Array(ids.buffer);
  const flags = new Uint8Array(BATCH);
  let next = 0;
  return {
    ...{ name: "an id checked and inserted, 64 at once", things: BATCH },
    run: (times) => {
      for (let i = 0; i < times; i++) {
        for (let k = 0; k < BATCH; k++) words[4 * k] = Math.imul(++next, 0x9e3779b1);
        if (set.checkAndInsertMany(ids, next, flags) !== BATCH) throw new Error("wrong result");
      }
      return times;
    },
  };
}
