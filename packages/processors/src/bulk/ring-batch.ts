/** A batch over a lane's ring: the columns that the kernel fills, and payloads where they lie. */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import type { RecordShare } from "@esc/queues/kernel";
import type { EventView, Handler } from "../handler.ts";
import { HandledEvent } from "../lane/handled-event.ts";
import { MAX_BATCH_EVENTS } from "./batch-handler.ts";
import { type BulkKernel, bulkKernel } from "./bulk-kernel.ts";
import { type EventBatch, noRow } from "./event-batch.ts";
import type { TopicNumbers } from "./topic-numbers.ts";
import type { TopicRoutes } from "./topic-routes.ts";

/** Why a walk stopped; `assembly/batch.ts` has the same. */
export const Stop = { end: 0, full: 1, oneByOne: 2, unknown: 3, other: 4 } as const;

/** The batch handlers that a lane may have: each has its limit in the context. */
export const MAX_BATCH_HANDLERS = 64;
const HEADER = 320;
const ROW_BYTES = 38;
const BYTES = HEADER + ROW_BYTES * MAX_BATCH_EVENTS;
const WORD = {
  routes: 0,
  capacity: 1,
  eachFlags: 2,
  rows: 4,
  records: 5,
  events: 6,
  next: 7,
  handler: 8,
  share: 9,
  limits: 16,
};
/** Flags of records that go one by one: `assembly/record.ts` of @esc/events. */
const ID = 0x08;
const METADATA = 0x10;

export class RingBatch implements EventBatch {
  size = 0;
  readonly attempt = 1;
  readonly sequences: Float64Array;
  readonly timesMs: Float64Array;
  readonly timesNs: Uint32Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly topics: Int32Array;
  readonly priorities: Uint8Array;
  readonly ids: Uint8Array;
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** Addresses of the records. */
  readonly places: Uint32Array;
  readonly #view: HandledEvent;
  readonly #kernel: BulkKernel;
  readonly #address: number;
  readonly #words: Uint32Array;
  readonly #handlers: readonly Handler[];
  #numbers: TopicNumbers | undefined;

  /**
   * @param name of the lane, or its shard. @param idsOneByOne whether the lane looks at ids: then events that have one aren't
   *   taken together. @param share which of the lane's events are taken; all of them unless given.
   */
  constructor(
    arena: Arena,
    name: string,
    routes: TopicRoutes,
    handlers: readonly Handler[],
    idsOneByOne: boolean,
    share: RecordShare | undefined,
  ) {
    if (handlers.length > MAX_BATCH_HANDLERS) {
      throw new EscError("ESC_HANDLER_INVALID", `A lane has up to ${MAX_BATCH_HANDLERS} batch handlers.`);
    }
    const { buffer } = arena.memory;
    this.#kernel = bulkKernel(arena);
    this.#handlers = handlers;
    this.#address = regionAddress(arena.ensure(`lane.${name}.batch`, BYTES));
    this.#words = new Uint32Array(buffer, this.#address, HEADER / 4);
    this.#words[WORD.routes] = routes.address;
    this.#words[WORD.capacity] = MAX_BATCH_EVENTS;
    this.#words[WORD.eachFlags] = METADATA | (idsOneByOne ? ID : 0);
    if (share !== undefined) this.#words.set(share.words, WORD.share);
    for (const [n, { batch }] of handlers.entries()) this.#words[WORD.limits + n] = batch?.maxEvents ?? 1;
    const n = MAX_BATCH_EVENTS;
    let at = this.#address + HEADER;
    const next = (bytes: number) => {
      const start = at;
      at += bytes * n;
      return start;
    };
    this.sequences = new Float64Array(buffer, next(8), n);
    this.timesMs = new Float64Array(buffer, next(8), n);
    this.timesNs = new Uint32Array(buffer, next(4), n);
    this.offsets = new Uint32Array(buffer, next(4), n);
    this.lengths = new Uint32Array(buffer, next(4), n);
    this.topics = new Int32Array(buffer, next(4), n);
    this.places = new Uint32Array(buffer, next(4), n);
    this.priorities = new Uint8Array(buffer, next(1), n);
    this.ids = new Uint8Array(buffer, next(1), n);
    this.bytes = new Uint8Array(buffer);
    this.data = new DataView(buffer);
    this.#view = new HandledEvent(this.bytes);
  }

  /** Arena bytes of a lane's columns, alignment included. */
  static readonly arenaBytes = BYTES + 128;

  /** Walks records of the ring; `resume`: behind what was walked before. @returns why it stopped. */
  fill(from: number, end: number, maxRecords: number, resume: boolean): number {
    const why = this.#kernel.fillBatch(this.#address, from, end, maxRecords, resume ? 1 : 0);
    this.size = this.#words[WORD.rows] as number;
    return why;
  }

  /** Bytes of the records from an address on that each go their own way. */
  eachBytes(from: number, end: number): number {
    return this.#kernel.eachBytes(this.#address, from, end) >>> 0;
  }

  /** Records walked, tombstones and other shards' included. */
  get records(): number {
    return this.#words[WORD.records] as number;
  }

  /** Own events walked, those included that are nobody's. */
  get events(): number {
    return this.#words[WORD.events] as number;
  }

  /** Address behind what was walked. */
  get next(): number {
    return this.#words[WORD.next] as number;
  }

  /** The handler of the rows. */
  handler(): Handler {
    const handler = this.#handlers[this.#words[WORD.handler] as number] as Handler;
    this.#numbers = handler.batch?.numbers;
    return handler;
  }

  topic(number: number): string {
    return (this.#numbers as TopicNumbers).name(number);
  }

  view(i: number): EventView {
    if (!(i >= 0 && i < this.size)) throw noRow(i, this.size);
    const view = this.#view.moveTo(this.places[i] as number);
    view.attempt = 1;
    view.knownTopic = this.topic(this.topics[i] as number);
    return view;
  }
}
