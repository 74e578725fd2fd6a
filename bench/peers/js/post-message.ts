/**
 * The driver for `postMessage` between two workers over a MessageChannel: what Node offers without shared memory. A batch
 * is one message; as with the rings, no more than 8,192 items are under way.
 */
import { isMainThread, MessageChannel, type MessagePort, workerData } from "node:worker_threads";
import { type MeasureOptions, measureLatency, measureRate, type Trips } from "../../src/measure.ts";
import { drive } from "./driver.ts";
import { type Outcome, PinnedThreads, type Role, serveRuns } from "./pinned-threads.ts";

const CAPACITY = 8_192;
const ROUND_TRIP_BYTES = 64;

interface Shared {
  readonly kind: "items" | "round trips";
  /** Items a message; doubles an item. */
  readonly batch: number;
  readonly doublesPerItem: number;
  /** One word: messages that the consumer has taken in this run. */
  readonly taken: Int32Array;
}

const since = (start: number): Outcome => ({ seconds: (performance.now() - start) / 1e3 });

/** Posts batches; sleeps while half of what may be under way has not been taken. */
function produce(port: MessagePort, { batch, doublesPerItem, taken }: Shared, count: number): void {
  const inFlight = CAPACITY / batch;
  const values = new Float64Array(batch * doublesPerItem);
  const messages = count / batch;
  for (let i = 0; i < messages; i++) {
    for (;;) {
      const seen = Atomics.load(taken, 0);
      if (i - seen < inFlight) break;
      Atomics.wait(taken, 0, seen);
    }
    for (let k = 0; k < values.length; k++) values[k] = i * values.length + k + 1;
    port.postMessage(values.length === 1 ? values[0] : values);
  }
}

/** Takes `messages` messages; every double must be the one after the last. */
function consume(port: MessagePort, { taken }: Shared, messages: number): Promise<void> {
  let got = 0;
  let last = 0;
  let wrong = 0;
  return new Promise((resolve, reject) => {
    const onMessage = (message: number | Float64Array) => {
      if (typeof message === "number") {
        if (message !== ++last) wrong++;
      } else {
        for (let k = 0; k < message.length; k++) if (message[k] !== ++last) wrong++;
      }
      Atomics.store(taken, 0, ++got);
      Atomics.notify(taken, 0);
      if (got < messages) return;
      port.off("message", onMessage);
      if (wrong === 0) resolve();
      else reject(new Error(`wrong result: ${wrong} items out of sequence`));
    };
    port.on("message", onMessage);
  });
}

/** Sends 64 bytes, waits for them to come back, and so on. */
function ask(port: MessagePort, count: number): Promise<Trips> {
  const samples = new Float64Array(count);
  const bytes = new Uint8Array(ROUND_TRIP_BYTES);
  const start = performance.now();
  let sent = 0;
  let i = 0;
  const send = () => {
    bytes[0] = i;
    sent = performance.now();
    port.postMessage(bytes);
  };
  return new Promise((resolve, reject) => {
    const onMessage = (back: Uint8Array) => {
      samples[i] = (performance.now() - sent) * 1e6;
      if (back.length !== ROUND_TRIP_BYTES || back[0] !== (i & 255))
        reject(new Error("wrong result: bytes that came back"));
      if (++i < count) return send();
      port.off("message", onMessage);
      resolve({ ...since(start), samples });
    };
    port.on("message", onMessage);
    send();
  });
}

function echo(port: MessagePort, count: number): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const onMessage = (bytes: Uint8Array) => {
      port.postMessage(bytes);
      if (--left > 0) return;
      port.off("message", onMessage);
      resolve();
    };
    port.on("message", onMessage);
  });
}

function job(role: Role, shared: Shared) {
  const { port } = workerData as { port: MessagePort };
  return async (count: number, startTogether: () => void): Promise<Outcome> => {
    if (role === "producer") Atomics.store(shared.taken, 0, 0);
    startTogether();
    const start = performance.now();
    if (shared.kind === "round trips") {
      if (role === "producer") return await ask(port, count);
      await echo(port, count);
    } else if (role === "producer") {
      produce(port, shared, count);
    } else {
      await consume(port, shared, count / shared.batch);
    }
    return since(start);
  };
}

if (isMainThread) {
  const named = (name: string) => ({ peer: "postMessage", version: `Node ${process.versions.node}`, case: name });
  const pair = (kind: Shared["kind"], batch: number, doublesPerItem: number) => {
    const { port1, port2 } = new MessageChannel();
    const taken = new Int32Array(new SharedArrayBuffer(4));
    const shared: Shared = { kind, batch, doublesPerItem, taken };
    // Two sleepers on two CPUs are woken slowly: on a virtual machine a pinned round trip takes three times as long. So
    // round trips are left to the scheduler, as they are in any program; items go faster pinned.
    const pinned = kind === "items";
    return new PinnedThreads(new URL(import.meta.url), shared, { ports: [port1, port2], pinned });
  };
  const across = (name: string, batch: number, doublesPerItem: number) => async (options: MeasureOptions) => {
    await using threads = pair("items", batch, doublesPerItem);
    return await measureRate(named(name), async (count) => (await threads.run(count))[1].seconds, options);
  };
  await drive({
    "spsc-8B-per-item": across("spsc-8B-per-item", 1, 1),
    "spsc-8B-batch-64": across("spsc-8B-batch-64", 64, 1),
    "spsc-8B-batch-256": across("spsc-8B-batch-256", 256, 1),
    "spsc-64B-batch-64": across("spsc-64B-batch-64", 64, 8),
    roundtrip: async (options) => {
      await using threads = pair("round trips", 1, 8);
      const trips = async (count: number) => (await threads.run(count))[0] as Trips;
      return await measureLatency(named("roundtrip"), trips, options);
    },
  });
} else {
  serveRuns(job);
}
