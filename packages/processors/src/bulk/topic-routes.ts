/** A lane's topic routes: what kernels do with the events of each topic. `assembly/topic-routes.ts` has the layout. */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import type { Handler } from "../handler.ts";
import type { HandlerTable, TopicPlan } from "../handler-table.ts";
import { HandledEvent } from "../lane/handled-event.ts";
import { type BulkKernel, bulkKernel } from "./bulk-kernel.ts";

/** Slots: twice the topics. */
const SLOTS = 8_192;
const BYTES = 64 + 64 * SLOTS;
const Route = { pass: 0, batch: 1, each: 2 } as const;

export class TopicRoutes {
  /** Address of the table: for kernels only. */
  readonly address: number;
  readonly #kernel: BulkKernel;
  readonly #handlers: HandlerTable;
  readonly #view: HandledEvent;

  /** An empty table. A thread that takes over a lane, or its shard, uses the memory of the one before. */
  constructor(arena: Arena, name: string, handlers: HandlerTable, arenaBytes: Uint8Array) {
    this.#kernel = bulkKernel(arena);
    this.#handlers = handlers;
    this.#view = new HandledEvent(arenaBytes);
    this.address = regionAddress(arena.ensure(`lane.${name}.routes`, BYTES));
    this.#kernel.clearRoutes(this.address, SLOTS);
  }

  /** Arena bytes of a lane's table, alignment included. */
  static readonly bytes = BYTES + 128;

  /**
   * Works out the topic of the record at an address, and puts it into the table.
   * @returns false when there is no room for it (4,096 topics, or as many numbers given) or it is longer than 44 bytes: ask {@link planAt} each time.
   */
  learn(record: number): boolean {
    const plan = this.planAt(record);
    const handler = batchHandlerOf(plan);
    const route = handler !== undefined ? Route.batch : isNobodys(plan) ? Route.pass : Route.each;
    const number = handler?.batch?.numbers.of(plan.topic) ?? 0;
    if (number < 0) return false;
    const index = handler === undefined ? 0 : this.#handlers.batchHandlers.indexOf(handler);
    return this.#kernel.insertRoute(this.address, record, route, index, number, plan.builtIns) !== 0;
  }

  /** What there is to do with the record at an address. */
  planAt(record: number): TopicPlan {
    return this.#handlers.find(this.#view.moveTo(record));
  }

  /** Bytes of the record at an address. */
  bytesAt(record: number): number {
    return this.#view.moveTo(record).paddedBytes;
  }
}

/** The batch handler that a topic's events go to together; undefined where each goes its own way. */
function batchHandlerOf({ handlers, windows, delayMs }: TopicPlan): Handler | undefined {
  const [handler] = handlers;
  return handlers.length === 1 && handler?.batch !== undefined && windows.length === 0 && delayMs === 0
    ? handler
    : undefined;
}

function isNobodys({ handlers, windows, delayMs }: TopicPlan): boolean {
  return handlers.length === 0 && windows.length === 0 && delayMs === 0;
}
