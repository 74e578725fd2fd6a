/** Events that are packed one behind the other in shared memory, to be published by one call: no object for any of them. */
import type { BytesView } from "@esc/arena";
import type { LaneName, Priority } from "@esc/events";
import type { FrameArea } from "./frame-area.ts";
import { invalid, type PreparedTopic, priorityOf } from "./prepared-topic.ts";

/** Events by lane. */
export type LaneCounts = Readonly<Record<LaneName, number>>;

/**
 * A batch of one publisher, used again and again on its thread.
 *
 * @example
 * for (const payload of payloads) {
 *   if (batch.add(topic, payload)) continue;
 *   while (publisher.publishBatch(batch) === "full") publisher.waitForSpace(strategy);
 *   batch.add(topic, payload);
 * }
 */
export class PublishBatch {
  /** @internal */
  readonly area: FrameArea;
  /** @internal */
  readonly owner: object;
  /** @internal Written by the publisher. */
  readonly counts = { realtime: 0, transactional: 0, batch: 0 };
  /** @internal */
  readonly stayed = { realtime: 0, transactional: 0, batch: 0 };
  #events = 0;

  /** @internal `Publisher.batch` makes them. */
  constructor(owner: object, area: FrameArea) {
    this.owner = owner;
    this.area = area;
  }

  /** Events in it. */
  get events(): number {
    return this.#events;
  }

  /** Bytes that they take. */
  get byteLength(): number {
    return this.area.end - this.area.start;
  }

  /** Bytes that it holds. */
  get capacityBytes(): number {
    return this.area.limit - this.area.start;
  }

  /** What the last `publishBatch` put into the lanes. One object, whose numbers change. */
  get accepted(): LaneCounts {
    return this.counts;
  }

  /** What found its lane full at the last `publishBatch` and stays in the batch. One object, whose numbers change. */
  get kept(): LaneCounts {
    return this.stayed;
  }

  /**
   * Adds an event; the payload is copied.
   * @param priority its topic's unless given.
   * @returns false when the batch is full: nothing was added.
   * @throws EscError `ESC_PUBLISH_INVALID`, `ESC_PUBLISH_TOO_LARGE`.
   */
  add(topic: PreparedTopic, payload: Uint8Array, priority: Priority = topic.priority): boolean {
    if (priority !== topic.priority) priorityOf(priority);
    if (!(payload instanceof Uint8Array)) throw invalid("a batch takes a payload of bytes");
    const added = this.area.add(topic, payload, priority);
    if (added) this.#events++;
    return added;
  }

  /**
   * Adds an event whose payload is filled in afterwards, without a copy.
   * @returns a view of its bytes, valid until the batch is used again; undefined when the batch is full. The bytes hold what an
   *   earlier event left: set all of them.
   * @throws EscError `ESC_PUBLISH_INVALID`, `ESC_PUBLISH_TOO_LARGE`.
   */
  reserve(topic: PreparedTopic, byteLength: number, priority: Priority = topic.priority): BytesView | undefined {
    if (priority !== topic.priority) priorityOf(priority);
    if (!(Number.isInteger(byteLength) && byteLength >= 0)) throw invalid("a payload's length is a whole number");
    const view = this.area.reserve(topic, byteLength, priority);
    if (view !== undefined) this.#events++;
    return view;
  }

  /** Throws away what is in it. */
  clear(): void {
    this.area.end = this.area.start;
    this.#events = 0;
  }

  /** @internal What stays after a publication: so many events, up to `end`. */
  keep(events: number, end: number): void {
    this.area.end = end;
    this.#events = events;
  }
}
