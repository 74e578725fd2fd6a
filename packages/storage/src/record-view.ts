/**
 * A record as a reader sees it: a flyweight over its bytes. One view is moved from record to record; what it gives out
 * is valid until it moves, except strings, numbers and what `copy()` returns.
 */
import {
  decodeMetadata,
  EVENT_ID_BYTES,
  PRIORITY_NAMES,
  type PriorityName,
  paddedLength,
  RecordFlag,
  RecordOffset,
  SOURCE_NAMES,
  type SourceName,
} from "@esc/events";

/** An event that outlives its record. */
export interface StoredEvent {
  readonly sequence: number;
  readonly timeMs: number;
  readonly timeNs: number;
  readonly topic: string;
  readonly priority: PriorityName;
  readonly source: SourceName;
  readonly id: Uint8Array | undefined;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  readonly payload: Uint8Array;
}

const NO_METADATA: ReadonlyMap<string, Uint8Array> = new Map();
const TWO_32 = 0x1_0000_0000;

export class RecordView {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;
  #topic: string | undefined;

  /** @param bytes where records lie; may be shared memory. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the record at a byte offset. */
  moveTo(offset: number): this {
    this.#at = offset;
    this.#topic = undefined;
    return this;
  }

  /** Bytes of the record with its padding: where the next one begins. */
  get paddedBytes(): number {
    return paddedLength(this.length);
  }

  /** Bytes of the record, header included. */
  get length(): number {
    return this.#view.getUint32(this.#at, true);
  }

  /** Sequence in the lane, from 1; exact up to 2^53. */
  get sequence(): number {
    return this.#view.getUint32(this.#at + 8, true) + this.#view.getUint32(this.#at + 12, true) * TWO_32;
  }

  /** Time received: whole milliseconds since the epoch. */
  get timeMs(): number {
    return Math.floor(this.#time() / 1_000);
  }

  /** The nanoseconds on top of {@link timeMs}, 0 to 999,999. */
  get timeNs(): number {
    // Nanoseconds since the epoch exceed 2^53: the part below a millisecond is worked out modulo 10^6 by halves.
    const low = this.#view.getUint32(this.#at + RecordOffset.time, true);
    const high = this.#view.getUint32(this.#at + RecordOffset.time + 4, true);
    return ((high % 1_000_000) * (TWO_32 % 1_000_000) + (low % 1_000_000)) % 1_000_000;
  }

  get topicHash(): number {
    return this.#view.getUint32(this.#at + RecordOffset.hash, true);
  }

  get topic(): string {
    const start = this.#topicStart();
    this.#topic ??= this.#bytes.toString("utf8", start, start + this.#topicLength());
    return this.#topic;
  }

  /** Who knows the record's topic already saves its decoding. */
  set knownTopic(topic: string) {
    this.#topic = topic;
  }

  /** Whether these are the topic's bytes. */
  hasTopic(bytes: Uint8Array): boolean {
    const length = this.#topicLength();
    if (bytes.length !== length) return false;
    const start = this.#topicStart();
    for (let i = 0; i < length; i++) if (bytes[i] !== this.#bytes[start + i]) return false;
    return true;
  }

  /** The topic's bytes: valid until the view moves. */
  get topicBytes(): Uint8Array {
    const start = this.#topicStart();
    return this.#bytes.subarray(start, start + this.#topicLength());
  }

  get priority(): PriorityName {
    return PRIORITY_NAMES[this.#bytes[this.#at + RecordOffset.priority] as number] as PriorityName;
  }

  get source(): SourceName {
    return SOURCE_NAMES[this.#flags() & RecordFlag.sourceMask] ?? "inProcess";
  }

  /** Whether the record keeps a sequence without an event. */
  get tombstone(): boolean {
    return (this.#flags() & RecordFlag.tombstone) !== 0;
  }

  /** The 16 bytes of the event id, where it has one: valid until the view moves. */
  get id(): Uint8Array | undefined {
    if ((this.#flags() & RecordFlag.id) === 0) return undefined;
    const start = this.#at + RecordOffset.body;
    return this.#bytes.subarray(start, start + EVENT_ID_BYTES);
  }

  get hasMetadata(): boolean {
    return (this.#flags() & RecordFlag.metadata) !== 0;
  }

  /** The metadata, decoded: a copy. */
  get metadata(): ReadonlyMap<string, Uint8Array> {
    const length = this.#metadataLength();
    if (length === 0) return NO_METADATA;
    const start = this.#topicStart() + this.#topicLength() + 2;
    return decodeMetadata(this.#bytes.subarray(start, start + length));
  }

  /** The payload: valid until the view moves. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(this.#payloadStart(), this.#at + this.length);
  }

  /** The payload as UTF-8. */
  text(): string {
    return this.#bytes.toString("utf8", this.#payloadStart(), this.#at + this.length);
  }

  /** The payload as JSON. @throws SyntaxError when it isn't. */
  json(): unknown {
    return JSON.parse(this.text());
  }

  /** The record's bytes with their padding, copied out of whatever memory they lie in. */
  copyBytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(this.#at, this.#at + this.paddedBytes));
  }

  /** Copies the 16 bytes of the event id; false when it has none. Makes no object. */
  copyIdTo(target: Uint8Array): boolean {
    if ((this.#flags() & RecordFlag.id) === 0) return false;
    const start = this.#at + RecordOffset.body;
    for (let i = 0; i < EVENT_ID_BYTES; i++) target[i] = this.#bytes[start + i] as number;
    return true;
  }

  /** Everything, copied out. */
  copy(): StoredEvent {
    const { id } = this;
    return {
      sequence: this.sequence,
      timeMs: this.timeMs,
      timeNs: this.timeNs,
      topic: this.topic,
      priority: this.priority,
      source: this.source,
      id: id === undefined ? undefined : Uint8Array.from(id),
      metadata: this.metadata,
      payload: Uint8Array.from(this.payload),
    };
  }

  /** Microseconds since the epoch, below 2^53. */
  #time(): number {
    const low = this.#view.getUint32(this.#at + RecordOffset.time, true);
    const high = this.#view.getUint32(this.#at + RecordOffset.time + 4, true);
    // (high·2^32 + low) / 1000, exact in doubles: 2^32 = 4,294,967·1000 + 296.
    return high * 4_294_967 + Math.floor((high * 296 + low) / 1_000);
  }

  #flags(): number {
    return this.#bytes[this.#at + RecordOffset.flags] as number;
  }

  #topicLength(): number {
    return this.#view.getUint16(this.#at + RecordOffset.topicLength, true);
  }

  #topicStart(): number {
    return this.#at + RecordOffset.body + ((this.#flags() & RecordFlag.id) !== 0 ? EVENT_ID_BYTES : 0);
  }

  #metadataLength(): number {
    if ((this.#flags() & RecordFlag.metadata) === 0) return 0;
    return this.#view.getUint16(this.#topicStart() + this.#topicLength(), true);
  }

  #payloadStart(): number {
    const metadata = (this.#flags() & RecordFlag.metadata) !== 0 ? 2 + this.#metadataLength() : 0;
    return this.#topicStart() + this.#topicLength() + metadata;
  }
}
