/**
 * Publishing from within the process: any thread puts events into the lanes of a running server, without a socket. What is
 * published goes through the kernel that takes frames from sockets (`assembly/publish.ts`), by the same rules.
 */
import { threadId } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { IN_PROCESS_PRODUCER, TopicTable } from "@esc/dispatcher";
import {
  crcTable,
  EscError,
  EVENT_ID_BYTES,
  type EventExtras,
  eventMetadata,
  LANE_NAMES,
  type LaneName,
  type Priority,
  type PriorityName,
  Source,
} from "@esc/events";
import {
  type AsyncWaitOptions,
  AsyncWaitStrategy,
  type Parker,
  RecordRing,
  type Waitable,
  type WaitStrategy,
} from "@esc/queues";
import { type DurableTicket, DurableTickets } from "./durable-tickets.ts";
import { FrameArea } from "./frame-area.ts";
import { kernelBase64 } from "./kernel.generated.ts";
import { invalid, PreparedTopic, priorityOf } from "./prepared-topic.ts";
import { PublishBatch } from "./publish-batch.ts";
import { PUBLISHER_REFUSALS, type PublisherPlace, PublisherPlaces } from "./publisher-places.ts";
import { CONTEXT_BYTES, writeScanContext } from "./scan-context.ts";

interface PublishKernel {
  publishFrames(
    place: number,
    open: number,
    context: number,
    start: number,
    end: number,
    timeMs: number,
    timeNs: number,
  ): number;
}

/** What crosses to the thread that publishes, by `workerData` or `postMessage`. Opaque. */
export interface PublisherHandle {
  readonly arena: ArenaHandle;
}

/** An event to publish. */
export interface PublishedEvent extends EventExtras {
  /** 1 to 65,535 bytes of UTF-8, or what {@link Publisher.topic} has prepared. */
  readonly topic: string | PreparedTopic;
  /** Bytes, which are copied, or a text. */
  readonly payload: Uint8Array | string;
  /** The topic's unless given, which is MEDIUM; a topic's override in `topics.conf` wins. It decides the lane. */
  readonly priority?: Priority | PriorityName | undefined;
  /** 16 bytes: the transactional lane takes an id once within its window. */
  readonly id?: Uint8Array | undefined;
}

/**
 * `accepted`: all is in its lane. `full`: something is not, for want of space; wait and publish it again. `closed`: the
 * server takes nothing more.
 */
export type PublishResult = "accepted" | "full" | "closed";

/** By the kernel's numbers. */
const RESULTS: readonly PublishResult[] = ["accepted", "full", "closed"];
/** Topics by name that are remembered; then it begins anew. */
const MAX_TOPICS = 4_096;
/** A batch's bytes unless told: it stays within a core's L2 cache. */
const BATCH_BYTES = 262_144;
/** Looks at a claim that waits for its turn, when a publisher closes: others publish theirs in microseconds. */
const CLOSE_LOOKS = 100_000;
const SLACK = 8;

/**
 * A publisher. Use it on the thread that attached it. Its events keep their order within a lane, also where some had to wait.
 *
 * @example
 * using publisher = Publisher.attach(workerData.publisher);
 * while (publisher.publish({ topic: "order.created", payload }) === "full") publisher.waitForSpace(strategy);
 */
export class Publisher implements Waitable, Disposable {
  readonly #arena: Arena;
  readonly #places: PublisherPlaces;
  readonly #place: PublisherPlace;
  readonly #rings: Readonly<Record<LaneName, RecordRing>>;
  readonly #producers: Readonly<Record<LaneName, number>>;
  readonly #kernel: PublishKernel;
  readonly #context: Uint32Array;
  /** The place's words: 3 where what stays ends, 4 to 6 accepted, 7 to 9 stay. */
  readonly #out: Uint32Array;
  readonly #positions: Float64Array;
  readonly #single: FrameArea;
  readonly #topics = new Map<string, PreparedTopic>();
  readonly #tickets: DurableTickets;
  readonly #origin = performance.timeOrigin;
  #batchesUsed = 0;
  #closed = false;

  /** Where the thread sleeps for space. Shared with other publishers. */
  readonly parker: Parker;

  private constructor(arena: Arena) {
    const places = PublisherPlaces.attach(arena);
    const place = places.take(threadId);
    const rings = perLane((lane) => RecordRing.attach(arena, lane));
    const taken: LaneName[] = [];
    const producers = { realtime: -1, transactional: -1, batch: -1 };
    try {
      for (const lane of LANE_NAMES) {
        producers[lane] = rings[lane].addProducer();
        taken.push(lane);
      }
    } catch (error) {
      for (const lane of taken) rings[lane].removeProducer(producers[lane]);
      places.free(place.index);
      throw error;
    }
    const { buffer } = arena.memory;
    this.#arena = arena;
    this.#places = places;
    this.#place = place;
    this.#rings = rings;
    this.#producers = producers;
    this.#kernel = loadKernel<PublishKernel>(kernelBase64, arena);
    this.#context = new Uint32Array(buffer, place.context, CONTEXT_BYTES / 4);
    this.#out = new Uint32Array(buffer, place.address, 10);
    this.#positions = new Float64Array(buffer, place.address + 40, LANE_NAMES.length);
    this.#positions.fill(-1);
    this.#out.fill(0, 3);
    const { maxFrameBytes } = places;
    writeScanContext(this.#context, {
      ...{ source: Source.inProcess, maxFrameBytes, overflow: IN_PROCESS_PRODUCER, counters: place.counters },
      topics: TopicTable.attach(arena, "topics"),
      lanes: perLane((lane) => ({ ring: rings[lane], producer: producers[lane] })),
      ...{ crcTable: regionAddress(crcTable(arena)), plan: place.plan },
      ...{ refusals: place.refusals, refusalEntries: PUBLISHER_REFUSALS },
      ...{ forbidden: 0x80, keeps: true, patient: false },
    });
    this.#single = new FrameArea(arena, place.single, place.singleBytes, maxFrameBytes);
    this.parker = places.spaceParker;
    this.#tickets = new DurableTickets(rings, places.durableParker, () => places.hasEnded);
  }

  /**
   * A publisher of this thread. Costs about a millisecond, the first time in a thread.
   * @param handle as `server.publisherHandle()` gives it.
   * @throws EscError `ESC_PUBLISHERS` when all places are taken; `ESC_PUBLISH_HANDLE` when it is no handle.
   */
  static attach(handle: PublisherHandle): Publisher {
    if (!(handle?.arena?.memory instanceof WebAssembly.Memory)) {
      throw new EscError("ESC_PUBLISH_HANDLE", "Publisher.attach takes what `server.publisherHandle()` gives.");
    }
    return new Publisher(Arena.attach(handle.arena));
  }

  /**
   * Prepares a topic, for batches and for whoever publishes to it often.
   * @param priority of its events that don't say another; MEDIUM unless given.
   * @throws EscError `ESC_PUBLISH_INVALID`.
   */
  topic(name: string, priority?: Priority | PriorityName): PreparedTopic {
    return new PreparedTopic(name, priority);
  }

  /**
   * Publishes one event. Returns at once, whatever the lanes are like.
   * @throws EscError `ESC_PUBLISH_INVALID`, `ESC_PUBLISH_TOO_LARGE`, `ESC_PUBLISHER_CLOSED`.
   */
  publish(event: PublishedEvent): PublishResult {
    const { topic, payload, priority, id, metadata, deliverAt } = event;
    const prepared = topic instanceof PreparedTopic ? topic : this.#known(topic);
    const number = priority === undefined ? prepared.priority : priorityOf(priority);
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    if (!(bytes instanceof Uint8Array)) throw invalid("a `payload` is bytes or a string");
    const area = this.#single;
    area.end = area.start;
    let whole: boolean;
    if (id === undefined && metadata === undefined && deliverAt === undefined) {
      whole = area.add(prepared, bytes, number);
    } else {
      if (id !== undefined && !(id instanceof Uint8Array && id.length === EVENT_ID_BYTES)) {
        throw invalid(`an \`id\` has ${EVENT_ID_BYTES} bytes`);
      }
      const block = eventMetadata(event, invalid);
      whole = area.addWhole(prepared, bytes, number, id, block.length > 0 ? block : undefined);
    }
    if (!whole) throw invalid("the event doesn't fit into its memory");
    return RESULTS[this.#publish(area)] as PublishResult;
  }

  /**
   * A batch in this publisher's shared memory. Make it once and use it again: its memory comes back when the publisher closes.
   * @param maxBytes of its events, each with 7 bytes before its topic; 256 KiB unless given.
   * @throws EscError `ESC_PUBLISH_BATCH` when the publisher's batches have no room for it.
   */
  batch(maxBytes = BATCH_BYTES): PublishBatch {
    this.#check();
    const { batches, batchBytes } = this.#place;
    const left = batchBytes - this.#batchesUsed - SLACK;
    if (!(Number.isInteger(maxBytes) && maxBytes > 0 && maxBytes <= left)) {
      throw new EscError(
        "ESC_PUBLISH_BATCH",
        `A batch takes 1 to ${Math.max(0, left)} bytes now, not ${maxBytes}: this publisher's batches have ${batchBytes} together (ingestion.in_process.batch_bytes).`,
      );
    }
    const start = batches + this.#batchesUsed;
    this.#batchesUsed += (maxBytes + SLACK + 127) & ~127;
    return new PublishBatch(this, new FrameArea(this.#arena, start, maxBytes, this.#places.maxFrameBytes));
  }

  /**
   * Publishes what is in a batch by one kernel call. What finds its lane full stays in the batch, in order; the rest goes
   * on, since lanes don't wait for each other. `batch.accepted` and `batch.kept` have the counts.
   * @returns "accepted" when the batch is empty now.
   * @throws EscError `ESC_PUBLISH_BATCH` for another publisher's batch, `ESC_PUBLISHER_CLOSED`.
   */
  publishBatch(batch: PublishBatch): PublishResult {
    if (batch.owner !== this) throw new EscError("ESC_PUBLISH_BATCH", "That batch is another publisher's.");
    const out = this.#out;
    const { area, counts, stayed } = batch;
    const result = this.#publish(area);
    if (result === 2) {
      counts.realtime = counts.transactional = counts.batch = 0;
      return "closed";
    }
    counts.realtime = out[4] as number;
    counts.transactional = out[5] as number;
    counts.batch = out[6] as number;
    stayed.realtime = out[7] as number;
    stayed.transactional = out[8] as number;
    stayed.batch = out[9] as number;
    if (result === 0) batch.clear();
    else batch.keep(stayed.realtime + stayed.transactional + stayed.batch, out[3] as number);
    return RESULTS[result] as PublishResult;
  }

  /**
   * Waits on this thread until a lane that was full has space, or the server takes nothing more. Not on a thread whose
   * event loop must go on: there {@link untilSpace}.
   * @returns false when the time was over first.
   */
  waitForSpace(strategy: WaitStrategy, timeoutMs = Number.POSITIVE_INFINITY): boolean {
    return strategy.wait(this, timeoutMs);
  }

  /** The same while the thread's event loop goes on. */
  untilSpace(options?: AsyncWaitOptions): Promise<boolean> {
    return new AsyncWaitStrategy().wait(this, options);
  }

  /** Whether a lane that was full at the last publication has space now. */
  ready(): boolean {
    let full = false;
    for (let i = 0; i < LANE_NAMES.length; i++) {
      if (this.#out[7 + i] === 0) continue;
      full = true;
      const lane = LANE_NAMES[i] as LaneName;
      // Padding as long as the record may have to go before it.
      const bytes = 2 * (this.#context[29 + i] as number);
      if (this.#rings[lane].hasSpace(this.#producers[lane], bytes)) return true;
    }
    return !full || !this.#places.isOpen;
  }

  /** Announces a sleep for space. */
  prepare(): void {
    this.parker.prepare();
    for (let i = 0; i < LANE_NAMES.length; i++) {
      if (this.#out[7 + i] !== 0) this.#rings[LANE_NAMES[i] as LaneName].wantSpace();
    }
  }

  /** A ticket for everything that this publisher has published so far. */
  ticket(): DurableTicket {
    const [realtime = -1, transactional = -1, batch = -1] = this.#positions;
    return { realtime, transactional, batch };
  }

  /** Whether all that a ticket is for is as durable as its lanes are. */
  isDurable(ticket: DurableTicket): boolean {
    return this.#tickets.isDurable(ticket);
  }

  /**
   * Resolves once all that a ticket is for is durable; asks the log not to wait for its interval.
   * Rejects with EscError `ESC_NOT_DURABLE` when the publisher is closed or the server has stopped before.
   * @throws EscError `ESC_PUBLISH_PENDING` when 1,024 promises wait already.
   */
  untilDurable(ticket: DurableTicket): Promise<void> {
    return this.#tickets.until(ticket);
  }

  /** Gives the publisher's place back. What it has published stays. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tickets.close();
    for (const lane of LANE_NAMES) {
      for (let look = 0; !this.#rings[lane].removeProducer(this.#producers[lane]) && look < CLOSE_LOOKS; look++) {
        Atomics.pause();
      }
    }
    this.#places.free(this.#place.index);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #publish(area: FrameArea): number {
    this.#check();
    const now = this.#origin + performance.now();
    const timeMs = Math.floor(now);
    const { address, openAddress, context } = this.#place;
    return this.#kernel.publishFrames(
      address,
      openAddress,
      context,
      area.start,
      area.end,
      timeMs,
      (now - timeMs) * 1e6,
    );
  }

  #check(): void {
    if (this.#closed) throw new EscError("ESC_PUBLISHER_CLOSED", "The publisher is closed: attach another one.");
  }

  #known(name: string): PreparedTopic {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    if (this.#topics.size >= MAX_TOPICS) this.#topics.clear();
    const topic = new PreparedTopic(name);
    this.#topics.set(name, topic);
    return topic;
  }
}

function perLane<T>(make: (lane: LaneName) => T): Record<LaneName, T> {
  return { realtime: make("realtime"), transactional: make("transactional"), batch: make("batch") };
}
