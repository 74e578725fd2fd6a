/**
 * Memory of the arena that frames are written into, one behind the other. Bytes are stored a word at a time: a call of
 * `TypedArray.set` costs more than a usual event's payload.
 */
import { type Arena, BytesView } from "@esc/arena";
import { moveView } from "@esc/arena/kernel";
import { EscError, EVENT_ID_BYTES, type Priority } from "@esc/events";
import type { PreparedTopic } from "./prepared-topic.ts";

const HEAD_BYTES = 7;
const CONTROL_METADATA = 0x08;
const CONTROL_ID = 0x10;
/** From so many bytes on a call of `set` is cheaper than a loop. */
const COPY_BYTES = 96;

export class FrameArea {
  /** Where the area begins in the arena. */
  readonly start: number;
  /** Where it ends. Up to 7 bytes behind it are written, too. */
  readonly limit: number;
  /** Where the frames end. */
  end: number;
  readonly #maxFrameBytes: number;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #window: BytesView;

  constructor(arena: Arena, start: number, byteLength: number, maxFrameBytes: number) {
    this.start = start;
    this.limit = start + byteLength;
    this.end = start;
    this.#maxFrameBytes = maxFrameBytes;
    this.#view = new DataView(arena.memory.buffer);
    this.#bytes = new Uint8Array(arena.memory.buffer);
    this.#window = new BytesView(arena);
  }

  /** Writes a frame without id and metadata. @returns false when it doesn't fit any more. */
  add(topic: PreparedTopic, payload: Uint8Array, priority: Priority): boolean {
    const length = payload.length;
    const at = this.#begin(topic, length, priority, 0);
    if (at < 0) return false;
    this.#copy(at, payload, length);
    return true;
  }

  /** The same with an id (16 bytes) and a block of metadata, where given. */
  addWhole(
    topic: PreparedTopic,
    payload: Uint8Array,
    priority: Priority,
    id: Uint8Array | undefined,
    metadata: Uint8Array | undefined,
  ): boolean {
    const idBytes = id === undefined ? 0 : EVENT_ID_BYTES;
    const metadataBytes = metadata === undefined ? 0 : 2 + metadata.length;
    const control = (idBytes > 0 ? CONTROL_ID : 0) | (metadataBytes > 0 ? CONTROL_METADATA : 0);
    const length = idBytes + metadataBytes + payload.length;
    let at = this.#begin(topic, length, priority | control, idBytes);
    if (at < 0) return false;
    if (id !== undefined) this.#bytes.set(id, at - topic.byteLength - idBytes);
    if (metadata !== undefined) {
      this.#view.setUint16(at, metadata.length, true);
      this.#bytes.set(metadata, at + 2);
      at += metadataBytes;
    }
    this.#copy(at, payload, payload.length);
    return true;
  }

  /** Writes a frame's head and topic; the payload is the caller's to fill in. Undefined when it doesn't fit any more. */
  reserve(topic: PreparedTopic, byteLength: number, priority: Priority): BytesView | undefined {
    const at = this.#begin(topic, byteLength, priority, 0);
    return at < 0 ? undefined : moveView(this.#window, at, byteLength);
  }

  /** Head and topic of a frame with `rest` bytes beside its topic, `before` of which stand before it; where it goes on, or -1. */
  #begin(topic: PreparedTopic, rest: number, control: number, before: number): number {
    const start = this.end;
    const { byteLength, words } = topic;
    const length = 3 + byteLength + rest;
    const end = start + 4 + length;
    if (length > this.#maxFrameBytes) throw tooLarge(length, this.#maxFrameBytes);
    if (end > this.limit) return -1;
    const view = this.#view;
    view.setUint32(start, length);
    view.setUint8(start + 4, control);
    view.setUint16(start + 5, byteLength);
    let at = start + HEAD_BYTES + before;
    for (let i = 0; i < words.length; i++) {
      view.setUint32(at, words[i] as number, true);
      at += 4;
    }
    this.end = end;
    return start + HEAD_BYTES + before + byteLength;
  }

  #copy(at: number, payload: Uint8Array, length: number): void {
    if (length >= COPY_BYTES) {
      this.#bytes.set(payload, at);
      return;
    }
    const view = this.#view;
    const whole = length & ~3;
    let i = 0;
    for (; i < whole; i += 4) {
      const word =
        (payload[i] as number) |
        ((payload[i + 1] as number) << 8) |
        ((payload[i + 2] as number) << 16) |
        ((payload[i + 3] as number) << 24);
      view.setInt32(at + i, word, true);
    }
    for (; i < length; i++) view.setUint8(at + i, payload[i] as number);
  }
}

function tooLarge(length: number, most: number): EscError {
  return new EscError(
    "ESC_PUBLISH_TOO_LARGE",
    `An event takes ${length} bytes; ingestion.max_frame_bytes lets it have ${most}.`,
  );
}
