/**
 * The threads of the publishing bench: one sends events of 32 bytes, the other takes them; by our publisher into a lane, by a
 * ringbuf.js ring, by `postMessage`. With a rate they are sent on a schedule, whatever happens to those before (open loop).
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { Publisher, type PublisherHandle } from "@esc/ingest";
import { BusySpinWaitStrategy, RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { RingBuffer } from "ringbuf.js";
import { idle, type Outcome, type Role, serveRuns } from "../peers/js/pinned-threads.ts";

export interface PublishRun {
  readonly way: "ours" | "ringbuf.js" | "postMessage";
  /** Events of one call. */
  readonly batch: number;
  /** Events a second; 0 is as fast as it goes. */
  readonly rate: number;
  readonly handle: PublisherHandle;
  readonly ring: SharedArrayBuffer;
  /** Messages that the taker of `postMessage` has had. */
  readonly taken: Int32Array;
}

export const TOPIC = "order.created";
export const PAYLOAD_BYTES = 32;
/** A record's header and the topic. */
const PAYLOAD_AT = 32 + TOPIC.length;
/** What peers carry: topic and payload in doubles, no CRC, no routing. */
export const DOUBLES = 6;
const MESSAGES_UNDER_WAY = 8_192;

/**
 * Nanoseconds on a clock that all threads share, read as cheaply as `performance.now()`: its origin differs from thread to
 * thread and is known to 0.2 µs only, so it is compared with the monotonic clock first, as often as makes it sure.
 */
export function sharedClock(): () => number {
  let narrowest = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let i = 0; i < 20_000; i++) {
    const before = process.hrtime.bigint();
    const now = performance.now();
    const width = Number(process.hrtime.bigint() - before);
    if (width >= narrowest) continue;
    narrowest = width;
    // Modulo an hour or so: doubles then have fractions of a nanosecond.
    offset = Number(before % 4_000_000_000_000n) + width / 2 - now * 1e6;
  }
  return () => performance.now() * 1e6 + offset;
}

type Send = (from: number, count: number, stamp: number) => void;

/** Sends `count` events by `send`, a batch a call; on schedule where there is a rate. */
function paced(send: Send, { batch, rate }: PublishRun, count: number, clock: () => number): void {
  if (rate === 0) {
    for (let sent = 0; sent < count; sent += batch) send(sent, Math.min(batch, count - sent), 0);
    return;
  }
  const begin = clock() + 1e6;
  for (let sent = 0; sent < count; sent++) {
    const due = begin + (sent * 1e9) / rate;
    while (clock() < due) Atomics.pause();
    send(sent, 1, due);
  }
}

/** Into a lane, through a publisher. */
export function publisherOf({ handle, batch: events }: Pick<PublishRun, "handle" | "batch">): Send {
  const publisher = Publisher.attach(handle);
  const topic = publisher.topic(TOPIC);
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const stamps = new Float64Array(payload.buffer);
  const waiting = new BusySpinWaitStrategy();
  const batch = publisher.batch();
  return (_, count, stamp) => {
    stamps[0] = stamp;
    if (events === 1) {
      while (publisher.publish({ topic, payload }) !== "accepted") publisher.waitForSpace(waiting);
      return;
    }
    for (let i = 0; i < count; i++) batch.add(topic, payload);
    while (publisher.publishBatch(batch) !== "accepted") publisher.waitForSpace(waiting);
  };
}

function sender(run: PublishRun, port: MessagePort | undefined): Send {
  if (run.way === "ours") return publisherOf(run);
  const values = new Float64Array(DOUBLES * run.batch);
  if (run.way === "postMessage") {
    let sent = 0;
    return (from, _, stamp) => {
      if (from === 0) sent = 0;
      for (;;) {
        const seen = Atomics.load(run.taken, 0);
        if (sent - seen < MESSAGES_UNDER_WAY / run.batch) break;
        Atomics.wait(run.taken, 0, seen);
      }
      values[0] = stamp;
      sent++;
      port?.postMessage(values);
    };
  }
  const ring = new RingBuffer(run.ring, Float64Array);
  return (_, count, stamp) => {
    values[0] = stamp;
    const doubles = count * DOUBLES;
    let rounds = 0;
    for (let done = ring.push(values, doubles); done < doubles; ) {
      const more = ring.push(values, doubles - done, done);
      done += more;
      rounds = more === 0 ? idle(rounds) : 0;
    }
  };
}

/** Takes `count` events; gives their latencies where they carry a stamp. */
type Take = (count: number, samples: Float64Array | undefined) => void | Promise<void>;

function laneTaker(run: PublishRun, clock: () => number): Take {
  const arena = Arena.attach(run.handle.arena);
  const consumer = RecordRing.attach(arena, "transactional").consumer();
  const view = new DataView(arena.memory.buffer);
  return (count, samples) => {
    for (let taken = 0; taken < count; ) {
      const records = consumer.next(samples === undefined ? 65_536 : 1);
      if (records === 0) Atomics.pause();
      else {
        if (samples !== undefined) {
          samples[taken] = clock() - view.getFloat64(runAddress(consumer) + PAYLOAD_AT, true);
        }
        consumer.release(consumer.runEnd, records);
        taken += records;
      }
    }
  };
}

function taker(run: PublishRun, port: MessagePort | undefined, clock: () => number): Take {
  if (run.way === "ours") return laneTaker(run, clock);
  if (run.way === "postMessage") {
    return (count, samples) =>
      new Promise((resolve) => {
        let [messages, taken] = [0, 0];
        const onMessage = (values: Float64Array) => {
          if (samples !== undefined) samples[taken] = clock() - (values[0] as number);
          taken += values.length / DOUBLES;
          Atomics.store(run.taken, 0, ++messages);
          Atomics.notify(run.taken, 0);
          if (taken < count) return;
          port?.off("message", onMessage);
          Atomics.store(run.taken, 0, 0);
          resolve();
        };
        port?.on("message", onMessage);
      });
  }
  const ring = new RingBuffer(run.ring, Float64Array);
  const values = new Float64Array(DOUBLES * (run.rate > 0 ? 1 : 256));
  return (count, samples) => {
    // The ring holds a whole number of events, so that none is taken in parts.
    for (let taken = 0; taken < count * DOUBLES; ) {
      const doubles = ring.pop(values);
      if (doubles === 0) Atomics.pause();
      else if (samples !== undefined) samples[taken / DOUBLES] = clock() - (values[0] as number);
      taken += doubles;
    }
    if (ring.available_read() > 0) throw new Error("wrong result: more events than were sent");
  };
}

const { port, alone } = (workerData ?? {}) as { port?: MessagePort; alone?: Pick<PublishRun, "handle" | "batch"> };
if (alone !== undefined) {
  // For a whole server: there is nobody on the other side but its lane.
  const send = publisherOf(alone);
  parentPort?.on("message", (count: number) => {
    for (let sent = 0; sent < count; sent += alone.batch) send(sent, alone.batch, 0);
    parentPort?.postMessage("sent");
  });
  parentPort?.postMessage("ready");
} else if (parentPort !== null) {
  serveRuns<PublishRun>((role: Role, run) => {
    const clock = sharedClock();
    const send = role === "producer" ? sender(run, port) : undefined;
    const take = role === "producer" ? undefined : taker(run, port, clock);
    return async (count, startTogether): Promise<Outcome> => {
      const samples = take !== undefined && run.rate > 0 ? new Float64Array(count) : undefined;
      startTogether();
      const start = performance.now();
      if (send !== undefined) paced(send, run, count, clock);
      await take?.(count, samples);
      return { seconds: (performance.now() - start) / 1e3, ...(samples && { samples }) };
    };
  });
}
