/** The driver for ringbuf.js: a single-producer ring in a SharedArrayBuffer. Its items are doubles: 8 bytes. */
import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { RingBuffer } from "ringbuf.js";
import { type MeasureOptions, measureRate } from "../../src/measure.ts";
import { pinThread } from "../../src/pin-thread.ts";
import { drive } from "./driver.ts";
import { idle, type Outcome, PinnedThreads, serveRuns } from "./pinned-threads.ts";

const CAPACITY = 8_192;

interface Shared {
  readonly ring: SharedArrayBuffer;
  /** Doubles per push: records a batch × doubles a record. */
  readonly batch: number;
  readonly doublesPerItem: number;
}

/** Doubles 1, 2, 3, … in pushes of `batch`; the next one expected is checked on the other side. */
function produce(ring: RingBuffer, batch: number, doubles: number): void {
  const values = new Float64Array(batch);
  let rounds = 0;
  for (let i = 0; i < doubles; i += batch) {
    for (let k = 0; k < batch; k++) values[k] = i + k + 1;
    for (let sent = ring.push(values); sent < batch; ) {
      const more = ring.push(values, batch - sent, sent);
      sent += more;
      if (sent < batch) rounds = more === 0 ? idle(rounds) : 0;
    }
  }
}

function consume(ring: RingBuffer, batch: number, doubles: number): void {
  const values = new Float64Array(batch);
  let rounds = 0;
  let wrong = 0;
  for (let taken = 0; taken < doubles; ) {
    const popped = ring.pop(values);
    if (popped === 0) {
      rounds = idle(rounds);
      continue;
    }
    rounds = 0;
    for (let k = 0; k < popped; k++) {
      taken++;
      if (values[k] !== taken) wrong++;
    }
  }
  if (wrong > 0) throw new Error(`wrong result: ${wrong} items out of sequence`);
}

function serve(): void {
  serveRuns<Shared>((role, { ring: storage, batch, doublesPerItem }) => {
    const ring = new RingBuffer(storage, Float64Array);
    const work = role === "producer" ? produce : consume;
    return (count, startTogether): Outcome => {
      startTogether();
      const start = performance.now();
      work(ring, batch, count * doublesPerItem);
      return { seconds: (performance.now() - start) / 1e3 };
    };
  });
}

if (isMainThread) {
  // The package exports no package.json; its entry lies one folder below it.
  const manifest = new URL("../package.json", import.meta.resolve("ringbuf.js"));
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const named = (name: string) => ({ peer: "ringbuf.js", version: `ringbuf.js ${version}`, case: name });
  const storage = (doubles: number) => RingBuffer.getStorageForCapacity(doubles, Float64Array);
  const across = (name: string, batch: number, doublesPerItem: number) => async (options: MeasureOptions) => {
    const ring = storage(CAPACITY * doublesPerItem);
    const shared: Shared = { ring, batch: batch * doublesPerItem, doublesPerItem };
    await using threads = new PinnedThreads(new URL(import.meta.url), shared);
    return await measureRate(named(name), async (count) => (await threads.run(count))[1].seconds, options);
  };
  const pairs = (options: MeasureOptions) => {
    pinThread(0);
    const ring = new RingBuffer(storage(CAPACITY), Float64Array);
    const [item, back] = [new Float64Array(1), new Float64Array(1)];
    const transfer = (count: number) => {
      const start = performance.now();
      let wrong = 0;
      for (let i = 1; i <= count; i++) {
        item[0] = i;
        ring.push(item);
        if (ring.pop(back) !== 1 || back[0] !== i) wrong++;
      }
      const seconds = (performance.now() - start) / 1e3;
      if (wrong > 0) throw new Error(`wrong result: ${wrong} items out of sequence`);
      return seconds;
    };
    return measureRate(named("spsc-one-thread-pairs"), transfer, options);
  };
  await drive({
    "spsc-8B-per-item": across("spsc-8B-per-item", 1, 1),
    "spsc-8B-batch-64": across("spsc-8B-batch-64", 64, 1),
    "spsc-8B-batch-256": across("spsc-8B-batch-256", 256, 1),
    "spsc-64B-batch-64": across("spsc-64B-batch-64", 64, 8),
    "spsc-one-thread-pairs": pairs,
  });
} else {
  serve();
}
