/** A live log: a thread that appends events as fast as it can, a thread that stores them, and the end to follow it by. */

import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { createCrcTable } from "@esc/events";
import { Parker, RecordRing } from "@esc/queues";
import { RingDurableEnd } from "./index.ts";
import type { LiveLogThread } from "./live-log-thread.fixture.ts";

const RING_BYTES = 1 << 20;

export class LiveLog implements AsyncDisposable {
  readonly end: RingDurableEnd;
  readonly ring: RecordRing;
  readonly #arena: Arena;
  readonly #options: Omit<LiveLogThread, "handle" | "role">;
  readonly #parker: Parker;
  readonly #stopped: Int32Array;
  readonly #log: Worker;

  private constructor(options: Omit<LiveLogThread, "handle" | "role">) {
    this.#options = options;
    this.#arena = Arena.create({ bytes: RecordRing.bytesFor(RING_BYTES) + RING_BYTES + 65_536 });
    createCrcTable(this.#arena);
    this.ring = RecordRing.create(this.#arena, "lane", { capacityBytes: RING_BYTES });
    this.#parker = Parker.create(this.#arena, "parker.log");
    this.end = new RingDurableEnd(this.ring, Parker.create(this.#arena, "parker.end"));
    this.#stopped = new Int32Array(this.#arena.memory.buffer, regionAddress(this.#arena.allocate("stopped", 4)), 1);
    this.#log = this.#thread("log");
  }

  /** Starts the thread that stores; call {@link produce} for events to come. */
  static async start(options: Omit<LiveLogThread, "handle" | "role">): Promise<LiveLog> {
    const live = new LiveLog(options);
    await new Promise((resolve, reject) => live.#log.once("message", resolve).once("error", reject));
    return live;
  }

  /** Appends all events from a thread of its own; resolves once they are in the ring. */
  async produce(): Promise<void> {
    const producer = this.#thread("producer");
    await new Promise((resolve, reject) => producer.once("exit", resolve).once("error", reject));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = new Promise((resolve) => this.#log.once("exit", resolve));
    Atomics.store(this.#stopped, 0, 1);
    this.#parker.unpark();
    await exit;
  }

  #thread(role: LiveLogThread["role"]): Worker {
    const workerData: LiveLogThread = { ...this.#options, role, handle: this.#arena.handle };
    return new Worker(new URL("./live-log-thread.fixture.ts", import.meta.url), { workerData });
  }
}
