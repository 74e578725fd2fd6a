/**
 * One lane's thread alone: a ring that another thread has filled with 32-byte events, drained by the lane's processor with
 * built-ins, a handler of batches, a handler of single events, or nothing. All in one run, turn by turn; every case checks
 * what it counted.
 *
 *     node bench/src/handlers.ts [--events 1000000] [--runs 5] [--case batch]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { createCrcTable } from "@esc/events";
import { CounterBlock } from "@esc/metrics";
import {
  type BuiltInDefinition,
  BuiltInState,
  CheckpointFile,
  DeadLetters,
  defineBatchHandler,
  defineHandler,
  Emitter,
  HandlerTable,
  LaneProcessor,
  LaneState,
  NO_RETRY,
  Outlet,
  PROCESSOR_COUNTERS,
  toDefinitions,
} from "@esc/processors";
import { Parker, RecordRing } from "@esc/queues";
import { CursorFile } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { spread } from "./figure.ts";

const values = commandLine({
  about: "Measures one lane's thread: events a second through built-ins and handlers.",
  options: {
    events: { type: "string", default: "1000000", help: "In the ring, up to 1,600,000" },
    runs: { type: "string", default: "5", help: "Of each case" },
    case: { type: "string", default: "", help: "Only cases whose name has this" },
  },
});
const events = Number(values.events);
const runs = Number(values.runs);
const RING_BYTES = 1 << 27;

/** Something to drain a ring with. */
interface Case {
  readonly name: string;
  readonly goal?: number;
  /** What a handler module exports, and a sum that it makes, where it makes one. */
  readonly handlers: () => { readonly exported: readonly unknown[]; readonly sum?: () => number };
  /** What the sum must be. */
  readonly expected?: number;
}

const firsts = (events * (events - 1)) / 2;
let bytesSum = 0;
for (let n = 0; n < events; n++) bytesSum += (n & 255) + ((n >> 8) & 255) + ((n >> 16) & 255) + (n >>> 24) + 28;

const builtIn = (name: string, more: Partial<BuiltInDefinition>): Case => ({
  name,
  handlers: () => ({ exported: [{ name: "it", topics: "order.*", kind: "sum", ...more }] }),
});
const field = { offset: 0, type: "u32" } as const;
const CASES: readonly Case[] = [
  { name: "no handler: counted only", handlers: () => ({ exported: [] }) },
  builtIn("built-in: count", { kind: "count" }),
  builtIn("built-in: 1 in 10, count", { kind: "count", sample: 10 }),
  builtIn("built-in: sum of a u32", { field }),
  builtIn("built-in: histogram of a u32, 16 bounds", {
    kind: "histogram",
    field,
    bounds: Array.from({ length: 16 }, (_, n) => 1 << (n + 4)),
  }),
  builtIn("built-in: threshold on a u32", { kind: "threshold", field, above: events }),
  {
    name: "batch handler: a u32 of each payload",
    goal: 30e6,
    expected: firsts,
    handlers() {
      let sum = 0;
      const handler = defineBatchHandler({
        topics: "order.*",
        handle({ data, offsets, size }) {
          let part = 0;
          for (let i = 0; i < size; i++) part += data.getUint32(offsets[i] as number, true);
          sum += part;
        },
      });
      return { exported: [handler], sum: () => sum };
    },
  },
  {
    name: "batch handler: all bytes of each payload",
    expected: bytesSum,
    handlers() {
      let sum = 0;
      const handler = defineBatchHandler({
        topics: "order.*",
        handle({ bytes, lengths, offsets, size }) {
          let part = 0;
          for (let i = 0; i < size; i++) {
            const from = offsets[i] as number;
            const end = from + (lengths[i] as number);
            for (let at = from; at < end; at++) part += bytes[at] as number;
          }
          sum += part;
        },
      });
      return { exported: [handler], sum: () => sum };
    },
  },
  {
    name: "handler per event: its sequence",
    goal: 10e6,
    expected: (events * (events + 1)) / 2,
    handlers() {
      let sum = 0;
      const handle = (event: { readonly sequence: number }) => {
        sum += event.sequence;
      };
      return { exported: [defineHandler({ topics: "order.*", handle })], sum: () => sum };
    },
  },
  {
    name: "handler per event: a byte of its payload",
    handlers() {
      let sum = 0;
      const handle = (event: { readonly payload: Uint8Array }) => {
        sum += event.payload[4] as number;
      };
      return { exported: [defineHandler({ topics: "order.*", handle })], sum: () => sum };
    },
    expected: events,
  },
];

/** Fills a ring on another thread, drains it on this one. @returns events a second. */
async function drain({ name, handlers, expected }: Case, dir: string): Promise<number> {
  const arena = Arena.create({ bytes: RING_BYTES + (16 << 20) });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "lane", { capacityBytes: RING_BYTES });
  const dead = RecordRing.create(arena, "dead", { capacityBytes: 1 << 16 });
  const other = RecordRing.create(arena, "other", { capacityBytes: 1 << 16 });
  const consumer = ring.consumer();
  const filler = new Worker(new URL("./fill-ring.ts", import.meta.url), {
    workerData: { handle: arena.handle, events },
  });
  await new Promise((resolve, reject) => filler.once("exit", resolve).once("error", reject));
  const counters = CounterBlock.create(arena, "counters", PROCESSOR_COUNTERS);
  const state = LaneState.create(arena, "batch", 1, { concurrency: 8, delayedEvents: 16 });
  const parker = Parker.create(arena, "parker");
  const { exported, sum } = handlers();
  const definitions = toDefinitions(exported, "bench");
  const appender = other.appender("other.producer", { maxRecordBytes: 4_096 });
  const line = (text: string) => void process.stderr.write(`${text}\n`);
  const outlet = new Outlet(dead, dead.appender("dead.producer"));
  const processor = new LaneProcessor({
    ...{ ring, consumer, arena, parker, counters, state, retry: NO_RETRY, debug: false, deathOf: "" },
    arenaBytes: new Uint8Array(arena.memory.buffer),
    handlers: new HandlerTable(definitions, "batch"),
    context: {
      lane: "batch",
      logger: { info: line, warn: line, error: line },
      signal: new AbortController().signal,
      emitter: new Emitter({
        appenders: { realtime: appender, transactional: appender, batch: appender },
        ...{ maxBytes: 2_048, override: () => undefined, clock: Date.now },
      }),
      alert: (_, text) => line(text),
    },
    deadLetters: new DeadLetters(outlet, "batch"),
    outlets: [],
    cursor: new CursorFile(join(dir, "cursor")),
    checkpoint: new CheckpointFile(join(dir, "checkpoint")),
    ...{ onlyDurable: false, skipOldest: false, watchesSla: false, ids: undefined, handlerTimeoutMs: 30_000 },
    ...{ concurrency: 8, maxHeld: 1_024, maxHeldBytes: 1 << 20, maxDelayedBytes: 1 << 20 },
    ...{ now: () => performance.now(), clock: Date.now, random: Math.random },
  });
  const started = performance.now();
  let took = 0;
  const mode = () => {
    if (took === 0 && consumer.position >= ring.publishedPosition) took = performance.now() - started;
    return "drain" as const;
  };
  const checkpoint = { cursor: 1, finished: [], delayed: [], windows: {}, closed: [], windowsNext: 1 };
  await processor.run(mode, { dir, to: 1, fresh: true, checkpoint });
  if (took === 0) took = performance.now() - started;
  const processed = counters.value("processed");
  if (processed !== events) throw new Error(`${name}: ${processed} of ${events} events were processed`);
  if (expected !== undefined && sum?.() !== expected)
    throw new Error(`${name}: the sum is ${sum?.()}, not ${expected}`);
  const shape = definitions.builtIns[0];
  const matched = shape && BuiltInState.ensure(arena, "batch").result(0, shape).matched;
  if (matched !== undefined && matched !== events) throw new Error(`${name}: ${matched} of ${events} events were seen`);
  return events / (took / 1e3);
}

const out = (text: string) => process.stdout.write(`${text}\n`);
const dir = mkdtempSync(join(tmpdir(), "esc-handlers-"));
try {
  const cases = CASES.filter(({ name }) => name.includes(values.case));
  const rates = new Map(cases.map((one) => [one, [] as number[]]));
  for (let run = 0; run < runs; run++) for (const [one, all] of rates) all.push(await drain(one, dir));
  out(`${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} cores, Node ${process.versions.node}`);
  out(`${events} events of 32 bytes, topic order.created, ${runs} runs; millions of events a second, one thread\n`);
  out("| case | median | lowest | highest | goal |\n|---|---|---|---|---|");
  const million = (rate: number) => (rate / 1e6).toFixed(1);
  for (const [{ name, goal }, all] of rates) {
    const { median, lowest, highest } = spread(all);
    out(
      `| ${name} | ${million(median)} | ${million(lowest)} | ${million(highest)} | ${goal === undefined ? "" : million(goal)} |`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
