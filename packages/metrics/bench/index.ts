/** What recording costs, beside counting into a plain typed array of one thread, and what it allocates. Run with --expose-gc. */
import { Arena } from "@esc/arena";
import { bench, do_not_optimize, run, summary } from "mitata";
import { CounterBlock, GaugeBlock, Histogram, monotonicClock, StageRecorder, StampRing } from "../src/index.ts";

const arena = Arena.create({ bytes: 8 << 20 });
const histogram = Histogram.create(arena, "latency");
const recorder = histogram.recorder();
const counters = CounterBlock.create(arena, "counters", ["n"]);
const gauges = GaugeBlock.create(arena, "gauges", ["n"]);
const stamps = StampRing.create(arena, "stamps", { capacity: 16, readers: 1 });
const clock = monotonicClock();
const stage = new StageRecorder(arena, { stamps: [stamps], reader: 0, histogram: recorder, now: clock.now });
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
/** What a group costs from its scan to one stage, and what it costs to look for one in vain. */
const GROUPS = RECORDS / 10;
const loops: readonly [string, () => void][] = [
  ["a group stamped and recorded by one stage, clock included", () => stampAndReach(GROUPS)],
  ["the same, the clock read before", () => stampAndReach(GROUPS, clock.now())],
  ["a stage that finds no group", () => reachInVain(GROUPS)],
];
for (const [what, loop] of loops) {
  loop();
  const before = process.threadCpuUsage();
  loop();
  const { user, system } = process.threadCpuUsage(before);
  console.log(`${what}: ${(((user + system) * 1e3) / GROUPS).toFixed(1)} ns, by CPU time`);
}
for (const n of [0, RECORDS / 10, RECORDS]) console.log(`  heap after ${n} records: ${heapGrowth(n)} bytes more`);

function records(count: number): void {
  for (let i = 0; i < count; i++) recorder.record(values[i & 4_095] as number);
}

function stampAndReach(groups: number, nowNs?: number): void {
  const first = at;
  for (let i = 1; i <= groups; i++) {
    stamps.stamp(first + i, 1, 256);
    stage.reach(first + i, nowNs);
  }
  at = first + groups;
}

function reachInVain(looks: number): void {
  stamps.stamp(at + 1, 1, 256);
  for (let i = 0; i < looks; i++) stage.reach(at);
  stage.reach(++at);
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
