/** Lanes with places for publishers, small enough to fill: what the publisher's tests stand on. */
import { Arena } from "@esc/arena";
import { type TopicOverride, TopicTable } from "@esc/dispatcher";
import { createCrcTable, decodeMetadata, LANE_NAMES, type LaneName, RecordFlag, RecordOffset } from "@esc/events";
import { RecordRing, type RingConsumer } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { acceptedCounter, endedCounter, Publisher, type PublisherHandle, PublisherPlaces } from "./index.ts";

/** A record as the tests look at it. */
export interface PublishedRecord {
  readonly sequence: number;
  readonly topic: string;
  readonly priority: number;
  readonly source: number;
  readonly id: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly payload: string;
  readonly tombstone: boolean;
}

export interface PublisherRigOptions {
  readonly capacityBytes?: number;
  readonly maxFrameBytes?: number;
  readonly places?: number;
  readonly overrides?: readonly TopicOverride[];
}

export class PublisherRig {
  readonly arena = Arena.create({ bytes: 1 << 26 });
  readonly rings: Readonly<Record<LaneName, RecordRing>>;
  readonly consumers: Readonly<Record<LaneName, RingConsumer>>;
  readonly places: PublisherPlaces;

  constructor({ capacityBytes = 65_536, maxFrameBytes = 8_192, places = 4, overrides = [] }: PublisherRigOptions = {}) {
    const { arena } = this;
    createCrcTable(arena);
    TopicTable.create(arena, "topics", { overrides, maxTopics: 64 });
    const each = <T>(make: (lane: LaneName) => T) =>
      Object.fromEntries(LANE_NAMES.map((lane) => [lane, make(lane)])) as Record<LaneName, T>;
    this.rings = each((lane) => RecordRing.create(arena, lane, { capacityBytes }));
    this.consumers = each((lane) => this.rings[lane].consumer());
    this.places = PublisherPlaces.create(arena, { places, maxFrameBytes, batchBytes: 1 << 19 });
    this.places.watch(this.rings);
    this.places.open();
  }

  get handle(): PublisherHandle {
    return { arena: this.arena.handle };
  }

  publisher(): Publisher {
    return Publisher.attach(this.handle);
  }

  /** Events counted as accepted, less those that were lost with their thread. */
  accepted(lane: LaneName): number {
    return this.places.value(acceptedCounter(lane)) - this.places.value(endedCounter(lane));
  }

  /** What a lane holds, taken out of it. */
  take(lane: LaneName): PublishedRecord[] {
    const consumer = this.consumers[lane];
    const bytes = Buffer.from(this.arena.memory.buffer);
    const seen: PublishedRecord[] = [];
    while (consumer.next(1 << 20) > 0) {
      const end = runAddress(consumer) + consumer.runBytes;
      for (let at = runAddress(consumer); at < end; at += (bytes.readUInt32LE(at) + 7) & ~7)
        seen.push(record(bytes, at));
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
    return seen;
  }
}

function record(bytes: Buffer, start: number): PublishedRecord {
  const flags = bytes.readUInt8(start + RecordOffset.flags);
  let at = start + RecordOffset.body;
  const part = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const id = flags & RecordFlag.id ? part(16).toString("hex") : undefined;
  const topic = part(bytes.readUInt16LE(start + RecordOffset.topicLength)).toString("utf8");
  const block = flags & RecordFlag.metadata ? part(part(2).readUInt16LE()) : Buffer.alloc(0);
  return {
    sequence: Number(bytes.readBigUInt64LE(start + RecordOffset.sequence)),
    topic,
    priority: bytes.readUInt8(start + RecordOffset.priority),
    source: flags & 7,
    id,
    metadata: Object.fromEntries([...decodeMetadata(block)].map(([k, v]) => [k, Buffer.from(v).toString("hex")])),
    payload: bytes.toString("hex", at, start + bytes.readUInt32LE(start)),
    tombstone: (flags & RecordFlag.tombstone) !== 0,
  };
}
