/**
 * The log alone, against what the disk gives: 64-byte records in groups of 1 MiB beside `dd` with the same block on the same
 * disk, and one record at a time beside one raw `fdatasync`. Then acknowledged events over TCP, beside Redis and NATS
 * JetStream at the same durability. All in one run, turn by turn.
 *
 *     node bench/src/log-alone.ts [--mib 256] [--runs 5] [--syncs 1000] [--events 20000] [--dir /tmp] [--no-peers]
 */

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { createCrcTable } from "@esc/events";
import { Parker, RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { checkLog, SegmentedLog } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { acknowledged } from "./acknowledged.ts";

const values = commandLine({
  about: "Measures the log alone beside what the disk gives, and acknowledged events over TCP beside peers.",
  options: {
    mib: { type: "string", default: "256", help: "Written in groups" },
    runs: { type: "string", default: "5", help: "Of each measurement" },
    syncs: { type: "string", default: "1000", help: "Of single records" },
    events: { type: "string", default: "20000", help: "Acknowledged over TCP" },
    dir: { type: "string", default: tmpdir(), help: "On the disk to measure" },
    peers: { type: "boolean", default: true, help: "Without Redis and NATS" },
  },
});
const mib = Number(values.mib);
const runs = Number(values.runs);
const syncs = Number(values.syncs);
const MIB = 1 << 20;
const RECORD_BYTES = 64;
const PER_GROUP = MIB / RECORD_BYTES;
const out = (text: string) => process.stdout.write(`${text}\n`);
const dir = mkdtempSync(join(values.dir, "esc-log-alone-"));

/** Sealed records of 64 bytes, in sequence, as a ring makes them. */
function makeRecords(count: number): Buffer {
  const arena = Arena.create({ bytes: 24 * MIB });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "records", { capacityBytes: 8 * MIB });
  const consumer = ring.consumer();
  const producer = ring.appender("producer");
  const event = {
    topic: Buffer.from("order.created"),
    payload: Buffer.alloc(19, "x"),
    priority: 2,
    source: 0,
  } as const;
  const records = Buffer.alloc(count * RECORD_BYTES);
  for (let made = 0, copied = 0; copied < count; ) {
    while (made < count && producer.append({ ...event, timeMs: 1_700_000_000_000 + made })) made++;
    for (let n = consumer.next(4 * MIB); n > 0; n = consumer.next(4 * MIB)) {
      records.set(new Uint8Array(arena.memory.buffer, runAddress(consumer), consumer.runBytes), copied * RECORD_BYTES);
      copied += n;
      consumer.release(consumer.runEnd, n);
    }
  }
  return records;
}

/** MiB a second of appending all records in groups of 1 MiB. */
function ours(records: Buffer, syncEach: boolean): number {
  const path = join(dir, "log");
  const log = SegmentedLog.open({ dir: path, segmentBytes: 1_024 * MIB, preallocateBytes: MIB });
  const started = performance.now();
  for (let group = 0; group < mib; group++) {
    log.append(records, group * MIB, MIB, group * PER_GROUP + 1, PER_GROUP);
    if (syncEach) log.sync();
  }
  log.sync();
  const seconds = (performance.now() - started) / 1e3;
  log.close();
  if (!checkLog({ lane: "bench", dir: path }).sound) throw new Error("the log is not sound");
  rmSync(path, { recursive: true });
  return mib / seconds;
}

/** MiB a second of dd, from the memory of zeros, with its own clock. */
function dd(flag: string): number {
  const file = join(dir, "dd");
  const { stderr } = spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=1M", `count=${mib}`, flag], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  rmSync(file);
  const seconds = Number(/, ([\d.e-]+) s, /.exec(stderr)?.[1]);
  return mib / seconds;
}

/** Sorted milliseconds of syncs, each after 64 bytes: to a raw file that grows, or to the log. */
function latencies(kind: "raw" | "log" | "log, no room ahead", records: Buffer): number[] {
  const times: number[] = [];
  const path = join(dir, "latency");
  if (kind === "raw") {
    const fd = openSync(path, "w");
    for (let i = 0; i < syncs; i++) {
      const started = performance.now();
      writeSync(fd, records, i * RECORD_BYTES, RECORD_BYTES, i * RECORD_BYTES);
      fdatasyncSync(fd);
      times.push(performance.now() - started);
    }
    closeSync(fd);
  } else {
    const log = SegmentedLog.open({ dir: path, segmentBytes: 64 * MIB, preallocateBytes: kind === "log" ? MIB : 0 });
    for (let i = 0; i < syncs; i++) {
      const started = performance.now();
      log.append(records, i * RECORD_BYTES, RECORD_BYTES, i + 1, 1);
      log.sync();
      times.push(performance.now() - started);
    }
    log.close();
  }
  rmSync(path, { recursive: true });
  return times.sort((a, b) => a - b);
}

/** The same from a producer on this thread, through a ring, to the log's thread and back. */
async function throughThread(): Promise<number[]> {
  const arena = Arena.create({ bytes: 4 * MIB });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: MIB });
  const logParker = Parker.create(arena, "parker.log");
  const stopped = new Int32Array(arena.memory.buffer, regionAddress(arena.allocate("stopped", 4)), 1);
  const path = join(dir, "thread");
  const worker = new Worker(new URL("./log-thread.ts", import.meta.url), {
    workerData: { handle: arena.handle, dir: path },
  });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  const parker = Parker.create(arena, "parker.durable");
  ring.wakeOnDurable(parker);
  const producer = ring.appender("producer");
  const event = {
    topic: Buffer.from("order.created"),
    payload: Buffer.alloc(19, "x"),
    priority: 2,
    source: 0,
  } as const;
  const times: number[] = [];
  for (let n = 1; n <= syncs; n++) {
    const started = performance.now();
    producer.append({ ...event, timeMs: n });
    while (ring.durableSequence <= n) {
      parker.prepare();
      if (ring.durableSequence > n) parker.cancel();
      else parker.park(1_000);
    }
    times.push(performance.now() - started);
  }
  Atomics.store(stopped, 0, 1);
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  logParker.unpark();
  await exited;
  rmSync(path, { recursive: true });
  return times.sort((a, b) => a - b);
}

const middle = (sorted: readonly number[]) => sorted[Math.floor(sorted.length / 2)] as number;
const median = (numbers: readonly number[]) => middle([...numbers].sort((a, b) => a - b));
const spread = (numbers: readonly number[]) =>
  `${Math.min(...numbers).toFixed(0)} to ${Math.max(...numbers).toFixed(0)}`;
const tail = (sorted: readonly number[]) => (sorted[Math.floor(sorted.length * 0.99)] as number).toFixed(3);

try {
  const kernel = execFileSync("uname", ["-r"], { encoding: "utf8" }).trim();
  out(
    `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} cores, Linux ${kernel}, Node ${process.versions.node}`,
  );
  const records = makeRecords(mib * PER_GROUP);
  for (const [flag, syncEach, what] of [
    ["oflag=dsync", true, "each MiB synced"],
    ["conv=fdatasync", false, "one sync at the end"],
  ] as const) {
    const rates = { log: [] as number[], dd: [] as number[] };
    for (let run = 0; run < runs; run++) {
      rates.dd.push(dd(flag));
      rates.log.push(ours(records, syncEach));
    }
    const ratio = median(rates.log) / median(rates.dd);
    out(
      `${mib} MiB of 64-byte records in groups of 1 MiB, ${what}: log ${median(rates.log).toFixed(0)} MiB/s (${spread(rates.log)}), dd ${flag} ${median(rates.dd).toFixed(0)} MiB/s (${spread(rates.dd)}): ${(ratio * 100).toFixed(0)} % (goal at least 70)`,
    );
  }
  const p50s: Record<string, number[]> = {};
  const p99s: Record<string, string> = {};
  for (let run = 0; run < runs; run++) {
    for (const kind of ["raw", "log", "log, no room ahead"] as const) {
      const times = latencies(kind, records);
      p50s[kind] = [...(p50s[kind] ?? []), middle(times)];
      p99s[kind] = tail(times);
    }
    const times = await throughThread();
    p50s.thread = [...(p50s.thread ?? []), middle(times)];
    p99s.thread = tail(times);
  }
  const raw = median(p50s.raw as number[]);
  for (const [kind, what] of [
    ["raw", "raw: 64 bytes written, fdatasync"],
    ["log", "log: append and sync, room made ahead"],
    ["log, no room ahead", "log: append and sync, no room made ahead"],
    ["thread", "one producer through ring and log thread, acknowledged when durable"],
  ] as const) {
    const p50 = median(p50s[kind] as number[]);
    out(
      `${what}: p50 ${p50.toFixed(3)} ms, p99 ${p99s[kind]} ms, ${(p50 / raw).toFixed(2)} × one raw sync (goal under 2)`,
    );
  }
  if (values.peers) await acknowledged({ dir, events: Number(values.events), runs: Math.min(runs, 3), out });
} finally {
  rmSync(dir, { recursive: true, force: true });
}
