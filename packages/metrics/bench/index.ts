/** What recording costs, beside counting into a plain typed array of one thread, and what it allocates. Run with --expose-gc. */
import { Arena } from "@esc/arena";
import { bench, do_not_optimize, run, summary } from "mitata";
import { CounterBlock, GaugeBlock, Histogram } from "../src/index.ts";

const arena = Arena.create({ bytes: 8 << 20 });
const histogram = Histogram.create(arena, "latency");
const recorder = histogram.recorder();
const counters = CounterBlock.create(arena, "counters", ["n"]);
const gauges = GaugeBlock.create(arena, "gauges", ["n"]);
const plain = new Float64Array(histogram.layout.buckets);

/** Values as latencies are: 1 µs to 1 ms, each size as likely as any other; over 2^31 ns now and then. */
const values = new Float64Array(4_096).map((_, i) => Math.floor(1_000 * 1_000 ** (((i * 1_597) % 4_096) / 4_096)));
for (let i = 0; i < values.length; i += 512) values[i] = 5e9 + i;
let at = 0;
records(1_000_000);
const snapshot = histogram.snapshot();

summary(() => {
  bench("@esc/metrics histogram record", () => recorder.record(values[at++ & 4_095] as number)).baseline(true);
  bench("@esc/metrics histogram recordMany", () => recorder.recordMany(values[at++ & 4_095] as number, 3));
  bench("a plain Float64Array, bucket by Math.clz32, one thread only, no sum", () => {
    const value = values[at++ & 4_095] as number;
    const shift = Math.max(0, 21 - Math.clz32(value));
    const bucket = shift * 1_024 + (value >>> shift);
    plain[bucket] = (plain[bucket] as number) + 1;
  });
  bench("@esc/metrics counter add", () => counters.add("n"));
  bench("@esc/metrics gauge add", () => gauges.add("n"));
  bench("@esc/metrics gauge set", () => gauges.set("n", at++));
});
summary(() => {
  bench("@esc/metrics histogram snapshot, 8 shards of which 1 is used", () => do_not_optimize(histogram.snapshot()));
  bench("@esc/metrics histogram percentile", () => do_not_optimize(snapshot.percentile(99.9)));
});
await run();

const RECORDS = 20_000_000;
for (let round = 0; round < 5; round++) records(RECORDS / 10); // compiled by now
for (let round = 0; round < 3; round++) {
  const before = process.threadCpuUsage();
  records(RECORDS);
  const { user, system } = process.threadCpuUsage(before);
  console.log(`a loop of ${RECORDS} records: ${(((user + system) * 1e3) / RECORDS).toFixed(2)} ns each, by CPU time`);
}
for (const n of [0, RECORDS / 10, RECORDS]) console.log(`  heap after ${n} records: ${heapGrowth(n)} bytes more`);

function records(count: number): void {
  for (let i = 0; i < count; i++) recorder.record(values[i & 4_095] as number);
}

/** No collection before the second look: garbage would be seen. */
function heapGrowth(count: number): number {
  const gc = globalThis.gc;
  if (gc === undefined) throw new Error("run with --expose-gc");
  records(count);
  gc();
  const before = process.memoryUsage().heapUsed;
  records(count);
  return process.memoryUsage().heapUsed - before;
}
