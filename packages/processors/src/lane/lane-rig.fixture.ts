/** A lane with everything it has in the server, in one thread: real rings and files, clocks that tests move. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Arena } from "@esc/arena";
import {
  createCrcTable,
  encodeMetadata,
  LANE_NAMES,
  type LaneName,
  Priority,
  type PriorityName,
  RecordFlag,
  RecordOffset,
} from "@esc/events";
import { CounterBlock } from "@esc/metrics";
import { Parker, RecordRing, type RingConsumer, type ShareOptions } from "@esc/queues";
import { RecordShare, runAddress } from "@esc/queues/kernel";
import { CursorFile, cursorFile, decodeDeadLetter, logDirectory, SegmentedLog } from "@esc/storage";
import { type BuiltInResult, BuiltInState } from "../bulk/built-in-state.ts";
import { DeadLetters } from "../dead-letters/dead-letters.ts";
import { toDefinitions } from "../handler-module.ts";
import { HandlerTable } from "../handler-table.ts";
import { LaneProcessor, type ProcessorMode } from "../lane-processor.ts";
import { NO_RETRY, type RetryPolicy } from "../retry/retry-policy.ts";
import { openShards } from "../shards/shard-layout.ts";
import type { TopicRule } from "../topic-policy.ts";
import { CheckpointFile } from "./checkpoint-file.ts";
import { PROCESSOR_COUNTERS, type ProcessorCounter } from "./counters.ts";
import { createIdWindow } from "./duplicates.ts";
import { Emitter } from "./emitter.ts";
import { HandledEvent } from "./handled-event.ts";
import { LaneState } from "./lane-state.ts";
import { Outlet } from "./outlet.ts";

export interface RigOptions {
  readonly lane?: LaneName;
  /** What a handler module exports. */
  readonly handlers: unknown;
  readonly retry?: RetryPolicy;
  readonly rules?: readonly TopicRule[];
  readonly slaMs?: number;
  readonly concurrency?: number;
  readonly maxHeld?: number;
  readonly delayedEvents?: number;
  readonly debug?: boolean;
  readonly timeoutMs?: number;
  readonly deadBytes?: number;
  readonly emitBytes?: number;
  /** The lane is divided, and this is one of its shards; the only one unless given. */
  readonly share?: ShareOptions;
  /** Go on in a directory, as after a crash of the process. */
  readonly dataDir?: string;
}

/** An event to put into the lane. */
export interface Put {
  readonly topic?: string;
  readonly payload?: string | Uint8Array;
  readonly id?: number;
  readonly priority?: PriorityName;
  readonly timeMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Seen {
  readonly topic: string;
  readonly payload: string;
  readonly id: string | undefined;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
}

const LANE_BYTES = 1 << 18;
const PAUSE_MS = 5;

export class LaneRig implements AsyncDisposable {
  readonly dataDir: string;
  readonly lane: LaneName;
  readonly state: LaneState;
  readonly ring: RecordRing;
  /** Milliseconds since the epoch: moved by tests. */
  clockMs = 1_700_000_000_000;
  readonly alerts: string[] = [];
  /** What the lane told of how far it has come, in order; a handler may push into it. */
  readonly told: (readonly [what: string, position: number])[] = [];
  readonly lines: string[] = [];
  mode: ProcessorMode = "run";
  readonly #options: RigOptions;
  readonly #arena: Arena;
  readonly #bytes: Uint8Array;
  readonly #rings: Readonly<Record<string, RecordRing>>;
  readonly #counters: CounterBlock<ProcessorCounter>;
  readonly #log: SegmentedLog;
  readonly #logConsumer: RingConsumer;
  readonly #deadConsumer: RingConsumer;
  readonly #emitConsumers: Readonly<Record<string, RingConsumer>>;
  readonly #producer: ReturnType<RecordRing["appender"]>;
  readonly #to: number;
  readonly #storing: NodeJS.Timeout;
  #dead = false;
  #writing: Promise<void> = Promise.resolve();
  #slot: number | undefined;
  #threads = 0;
  #running: Promise<void> | undefined;
  #processor: LaneProcessor | undefined;

  constructor(options: RigOptions) {
    const { lane = "transactional", deadBytes = 1 << 18, emitBytes = 1 << 16 } = options;
    this.#options = options;
    this.lane = lane;
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "esc-lane-"));
    this.#log = SegmentedLog.open({ dir: logDirectory(this.dataDir, lane), segmentBytes: 1 << 20 });
    this.#to = this.#log.nextSequence;
    const arena = Arena.create({ bytes: 16 << 20 });
    this.#arena = arena;
    createCrcTable(arena);
    this.#bytes = new Uint8Array(arena.memory.buffer);
    this.ring = RecordRing.create(arena, "lane", { capacityBytes: LANE_BYTES, firstSequence: this.#to });
    const dead = RecordRing.create(arena, "dead", { capacityBytes: deadBytes });
    const emits = LANE_NAMES.map((name) => [
      name,
      name === lane ? this.ring : RecordRing.create(arena, `emit ${name}`, { capacityBytes: emitBytes }),
    ]);
    this.#rings = { ...Object.fromEntries(emits), dead };
    this.#emitConsumers = Object.fromEntries(
      LANE_NAMES.filter((name) => name !== lane).map((name) => [name, (this.#rings[name] as RecordRing).consumer()]),
    );
    this.#logConsumer = this.ring.consumer();
    this.#deadConsumer = dead.consumer();
    this.#producer = this.ring.appender("producer");
    this.#counters = CounterBlock.create(arena, "counters", PROCESSOR_COUNTERS);
    this.state = LaneState.create(arena, lane, this.#to, {
      concurrency: options.concurrency ?? 8,
      delayedEvents: options.delayedEvents ?? 16,
    });
    Parker.create(arena, "parker");
    this.#storing = setInterval(() => this.storesDead && this.storeDead(), PAUSE_MS);
  }

  /** Starts a thread's work: the first of the process, or one that takes over from one that died. */
  async start(deathOf = ""): Promise<this> {
    const { handlers, retry = NO_RETRY, rules = [], slaMs = 5, debug = false, timeoutMs = 1e8 } = this.#options;
    const { lane } = this;
    const arena = this.#arena;
    const fresh = this.#threads++ === 0;
    if (!fresh) this.state.blame();
    const { share = { by: "hash", shares: 1, share: 0 } } = this.#options;
    const divided = await openShards(
      { dataDir: this.dataDir, lane, onError: (text) => void this.lines.push(text) },
      { shards: share.shares, by: share.by },
      this.#log.nextSequence,
    );
    const { file, checkpoint, inherited } = divided.resumes[share.share] as (typeof divided.resumes)[0];
    if (fresh) this.state.next = checkpoint.cursor;
    const checkpoints = new CheckpointFile(CheckpointFile.pathIn(this.dataDir, file));
    const cursors = new CursorFile(cursorFile(this.dataDir, file));
    const consumer = this.ring.consumer(this.#slot === undefined ? {} : { adopt: this.#slot });
    this.#slot = consumer.slot;
    const line = (text: string) => void this.lines.push(text);
    const names = this.#threads;
    const appenders = Object.fromEntries(
      LANE_NAMES.map((name) => [
        name,
        (this.#rings[name] as RecordRing).appender(`emit ${name} ${names}`, { maxRecordBytes: 4_096 }),
      ]),
    ) as Record<LaneName, ReturnType<RecordRing["appender"]>>;
    const deadRing = this.#rings.dead as RecordRing;
    const dead = new Outlet(deadRing, deadRing.appender(`dead ${names}`));
    const policy = { retry, slaMs, delayMs: 0 };
    const processor = new LaneProcessor({
      ring: this.ring,
      consumer,
      share: share.shares > 1 ? new RecordShare(arena, "share", share) : undefined,
      arena,
      arenaBytes: this.#bytes,
      parker: Parker.attach(arena, "parker"),
      handlers: new HandlerTable(toDefinitions(handlers, "test"), lane, {
        rules,
        policy,
        watchesSla: lane === "realtime",
      }),
      context: {
        lane,
        logger: { info: line, warn: line, error: line },
        signal: new AbortController().signal,
        emitter: new Emitter({ appenders, maxBytes: 2_048, override: () => undefined, clock: () => this.clockMs }),
        alert: (level, text) => void this.alerts.push(`${level} ${text}`),
      },
      deadLetters: new DeadLetters(dead, lane),
      outlets: [dead],
      counters: this.#counters,
      state: this.state,
      cursor: { write: (next) => this.#write(() => cursors.write(next)) },
      checkpoint: { write: (text) => this.#write(() => checkpoints.write(text)) },
      stages: {
        taken: (position) => void this.told.push(["taken", position]),
        handled: (position) => void this.told.push(["handled", position]),
        counted: (position) => void this.told.push(["counted", position]),
        skipped: (position) => void this.told.push(["skipped", position]),
      },
      onlyDurable: lane === "transactional",
      skipOldest: lane === "realtime",
      watchesSla: lane === "realtime",
      ids: lane === "transactional" ? createIdWindow({ capacity: 10_000, windowMs: 60_000 }) : undefined,
      handlerTimeoutMs: timeoutMs,
      concurrency: this.#options.concurrency ?? 8,
      maxHeld: this.#options.maxHeld ?? 64,
      maxHeldBytes: 1 << 20,
      maxDelayedBytes: 1 << 20,
      retry,
      debug,
      deathOf,
      now: () => performance.now(),
      clock: () => this.clockMs,
      random: () => 0,
    });
    this.#processor = processor;
    this.#dead = false;
    const mode = () => {
      // What a thread's end looks like from inside: nothing goes on behind this point.
      if (this.#dead) throw new Error("the thread died");
      return this.mode;
    };
    const dir = logDirectory(this.dataDir, lane);
    this.#running = processor.run(mode, {
      ...{ dir, to: this.#to, fresh, checkpoint, inherited, past: divided.past },
    });
    this.#running.catch(() => undefined);
    return this;
  }

  get processor(): LaneProcessor {
    return this.#processor as LaneProcessor;
  }

  /** Puts events into the lane's ring. */
  put(...events: readonly Put[]): void {
    for (const { topic = "t", payload = "", id, priority = "MEDIUM", timeMs = this.clockMs, metadata } of events) {
      const block =
        metadata && encodeMetadata(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value)]));
      const appended = this.#producer.append({
        topic: Buffer.from(topic),
        payload: Buffer.from(payload),
        priority: Priority[priority],
        source: 1,
        timeMs,
        id: id === undefined ? undefined : new Uint8Array(16).fill(id),
        metadata: block,
      });
      if (!appended) throw new Error("the lane is full");
    }
  }

  /** Puts a record without an event: what a producer that ended in the midst of its claim leaves. */
  putTombstone(): void {
    const consumer = this.#logConsumer;
    const position = this.ring.publishedPosition;
    this.put({ topic: "gone" });
    consumer.next(1 << 20);
    const data = runAddress(consumer) - ((consumer.runEnd - consumer.runBytes) % LANE_BYTES);
    const at = data + (position % LANE_BYTES);
    // What is left before the ring's end may be padding.
    const last = this.#bytes[at] === 0 ? data : at;
    const flags = last + RecordOffset.flags;
    this.#bytes[flags] = (this.#bytes[flags] as number) | RecordFlag.tombstone;
  }

  /** What the log's thread does: everything in the ring becomes durable. */
  store(): void {
    const consumer = this.#logConsumer;
    while (consumer.next(1 << 20) > 0) {
      this.#log.append(this.#bytes, runAddress(consumer), consumer.runBytes, consumer.runSequence, consumer.runRecords);
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
    this.#log.sync();
    this.ring.publishDurable(consumer.position, this.#log.nextSequence);
  }

  /** Puts events and makes them durable. */
  send(...events: readonly Put[]): void {
    this.put(...events);
    this.store();
  }

  /** What the lane's built-ins have come to. */
  builtIns(): BuiltInResult[] {
    const { builtIns } = toDefinitions(this.#options.handlers, "test");
    const state = BuiltInState.ensure(this.#arena, this.lane);
    return builtIns.map((builtIn, n) => state.result(n, builtIn));
  }

  counter(name: ProcessorCounter): number {
    const counted = this.#counters.value(name);
    return name === "processed" ? counted + this.state.uncounted : counted;
  }

  /** Events that ended, however. */
  get ended(): number {
    const names = ["processed", "deadLettered", "dropped.overflow", "duplicates", "cancelled"] as const;
    return names.reduce((sum, name) => sum + this.counter(name), 0);
  }

  /** Waits for a condition that other work of this thread brings about. */
  async until(condition: () => boolean, what = "the condition"): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`${what} did not come: ${this.lines.join("; ")}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Waits until the lane's file says what is needed from a sequence on only. */
  async saved(needed: number): Promise<void> {
    const path = cursorFile(this.dataDir, this.lane);
    await this.until(
      () => existsSync(path) && Number(readFileSync(path, "utf8").split(" ")[0]) === needed,
      `a cursor of ${needed}`,
    );
  }

  /** Lets what can go on go on. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 4 * PAUSE_MS));
  }

  /** Wakes the lane, as the next event would: the clock was moved. */
  wake(): void {
    Parker.attach(this.#arena, "parker").unpark();
  }

  /** Ends in order: "drain" handles what there is, "stop" leaves it. */
  async end(mode: ProcessorMode): Promise<void> {
    this.mode = mode;
    this.wake();
    await this.#running;
  }

  /** The thread dies where it is. A handler that never answers keeps it there for good, as long as its time isn't over. */
  async die(): Promise<void> {
    this.#dead = true;
    this.wake();
    await Promise.race([this.#running?.catch(() => undefined), this.rest()]);
  }

  /** Dead letters become durable by themselves, as beside a log's thread; else when {@link storeDead} is called. */
  storesDead = true;

  /** What the log's thread does with dead letters. */
  storeDead(): void {
    const dead = this.#rings.dead as RecordRing;
    dead.publishDurable(dead.publishedPosition, dead.publishedSequence);
  }

  /** The dead letters so far, oldest first; given back as they are read. */
  deadLetters(): {
    topic: string;
    payload: string;
    reason: string;
    attempts: number;
    sequence: number;
    error: string;
  }[] {
    return this.#read(this.#deadConsumer).map((view) => {
      const { letter } = decodeDeadLetter(view.metadata) as NonNullable<ReturnType<typeof decodeDeadLetter>>;
      const { reason, attempts, sequence, error } = letter;
      return { topic: view.topic, payload: view.text(), reason, attempts, sequence, error };
    });
  }

  /** What handlers published into another lane. */
  emitted(lane: LaneName): Seen[] {
    return this.#read(this.#emitConsumers[lane] as RingConsumer).map((view) => ({
      topic: view.topic,
      payload: view.text(),
      id: view.id && Buffer.from(view.id).toString("hex"),
      metadata: view.metadata,
    }));
  }

  #read(consumer: RingConsumer): HandledEvent[] {
    const views: HandledEvent[] = [];
    while (consumer.next(1 << 20) > 0) {
      const view = new HandledEvent(this.#bytes);
      for (let at = runAddress(consumer); at < runAddress(consumer) + consumer.runBytes; at += view.paddedBytes) {
        view.moveTo(at);
        if (!view.tombstone) views.push(HandledEvent.copyOf(view));
      }
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
    return views;
  }

  /** A dead thread begins no write; one that is under way has an end, since files are looked at behind a crash. */
  #write(write: () => Promise<void>): Promise<void> {
    if (this.#dead) return new Promise(() => undefined);
    const writing = write();
    this.#writing = writing.catch(() => undefined);
    return writing;
  }

  /** The process is gone: only files are left. */
  async crash(): Promise<void> {
    await this.die();
    await this.#writing;
    clearInterval(this.#storing);
    this.#log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
    clearInterval(this.#storing);
    this.#log.close();
    // A write of the thread that died may still be under way.
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}
