/** A producer that appends one record at a time, from bytes outside the arena. */

import type { Arena, Region } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import {
  crcTable,
  EscError,
  EVENT_ID_BYTES,
  type Priority,
  paddedLength,
  RecordOffset,
  type Source,
} from "@esc/events";
import type { RecordRing } from "./record-ring.ts";
import { ringAddress } from "./ring.ts";
import type { RingKernel } from "./ring-kernel.ts";

/** An event to append. */
export interface RecordInput {
  /** UTF-8 bytes of the topic, 1 to 65,535. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly priority: Priority;
  readonly source: Source;
  /** Time received: whole milliseconds since the epoch, and the nanoseconds on top of them. */
  readonly timeMs: number;
  readonly timeNs?: number;
  /** 16 bytes. */
  readonly id?: Uint8Array | undefined;
  /** A metadata block as `encodeMetadata` makes it, at most 65,535 bytes. */
  readonly metadata?: Uint8Array | undefined;
}

/** What a scratch region starts with; it takes a record of any size that the ring takes. */
export class RecordAppender implements Disposable {
  readonly #kernel: RingKernel;
  readonly #ring: RecordRing;
  readonly #producer: number;
  readonly #crcTable: number;
  readonly #address: number;
  readonly #scratch: Uint8Array;
  readonly #maxRecordBytes: number;

  /** @internal `RecordRing.appender` makes them. */
  constructor(arena: Arena, kernel: RingKernel, ring: RecordRing, producer: number, scratch: Region) {
    this.#maxRecordBytes = scratch.byteLength;
    this.#kernel = kernel;
    this.#ring = ring;
    this.#producer = producer;
    this.#crcTable = regionAddress(crcTable(arena));
    this.#address = regionAddress(scratch);
    this.#scratch = new Uint8Array(arena.memory.buffer, regionAddress(scratch), scratch.byteLength);
  }

  /**
   * Appends one record and publishes it. The thread that made the appender only. Copies the bytes twice.
   * @returns false when the ring is full: nothing was appended.
   * @throws EscError `ESC_RECORD_TOPIC`, `ESC_RECORD_ID`, or `ESC_RECORD_TOO_LARGE` (over half of the ring).
   */
  append(input: RecordInput): boolean {
    const { topic, payload, id, metadata } = input;
    const metadataBytes = metadata === undefined ? 0 : metadata.length;
    if (topic.length === 0 || topic.length > 0xffff || metadataBytes > 0xffff) {
      throw new EscError(
        "ESC_RECORD_TOPIC",
        `A topic takes 1 to 65535 bytes and metadata at most as many, not ${topic.length} and ${metadataBytes}.`,
      );
    }
    if (id !== undefined && id.length !== EVENT_ID_BYTES) {
      throw new EscError("ESC_RECORD_ID", `An event id has ${EVENT_ID_BYTES} bytes, this one has ${id.length}.`);
    }
    const length = paddedLength(RecordOffset.body + EVENT_ID_BYTES + topic.length + 2 + metadataBytes + payload.length);
    if (length > this.#maxRecordBytes) {
      const { name, maxRecordBytes, capacityBytes } = this.#ring;
      throw new EscError(
        "ESC_RECORD_TOO_LARGE",
        this.#maxRecordBytes < maxRecordBytes
          ? `A record of ${length} bytes: this appender to ring "${name}" was made for up to ${this.#maxRecordBytes}.`
          : `A record of ${length} bytes: ring "${name}" takes up to ${maxRecordBytes}, half of its ${capacityBytes}.`,
      );
    }
    const topicAt = EVENT_ID_BYTES;
    const metadataAt = topicAt + topic.length;
    const payloadAt = metadataAt + metadataBytes;
    if (id !== undefined) this.#scratch.set(id, 0);
    this.#scratch.set(topic, topicAt);
    if (metadata !== undefined) this.#scratch.set(metadata, metadataAt);
    this.#scratch.set(payload, payloadAt);
    return (
      this.#kernel.appendRecord(
        ringAddress(this.#ring),
        this.#producer,
        this.#crcTable,
        input.timeMs,
        input.timeNs ?? 0,
        input.priority,
        input.source,
        id === undefined ? 0 : this.#address,
        this.#address + topicAt,
        topic.length,
        this.#address + metadataAt,
        metadataBytes,
        this.#address + payloadAt,
        payload.length,
      ) === 1
    );
  }

  /** Gives the producer's place back. */
  [Symbol.dispose](): void {
    this.#kernel.removeProducer(ringAddress(this.#ring), this.#producer);
  }
}
