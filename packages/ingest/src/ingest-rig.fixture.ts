/** Lanes, a scanner and an input area, small enough to fill: what the tests of this package stand on. */

import { Arena } from "@esc/arena";
import { DATAGRAM_PRODUCER, type TopicOverride, TopicTable, WAITING_PRODUCER } from "@esc/dispatcher";
import { createCrcTable, LANE_NAMES, type LaneName, RecordOffset, Source } from "@esc/events";
import { CounterBlock, StampRing, type StampRingOptions } from "@esc/metrics";
import { Parker, RecordRing, type RingConsumer } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { CarryBuffers } from "./carry-buffers.ts";
import {
  Connection,
  type ConnectionSocket,
  FrameScanner,
  INGEST_COUNTERS,
  InputArea,
  LaneGate,
  PartialFrames,
} from "./index.ts";
import { openClaim } from "./open-claim.fixture.ts";

/** A record as the tests look at it. */
export interface SeenRecord {
  readonly sequence: number;
  readonly topic: string;
  readonly priority: number;
  readonly flags: number;
  readonly id: string;
  readonly payload: string;
}

export interface RigOptions {
  readonly capacityBytes?: number;
  readonly maxFrameBytes?: number;
  readonly overrides?: readonly TopicOverride[];
  /** For the unfinished frames of all connections. */
  readonly partialFrameBytes?: number;
  /** By lane: what the scans stamp. */
  readonly stamps?: Readonly<Record<LaneName, StampRingOptions>>;
}

export class IngestRig {
  readonly arena = Arena.create({ bytes: 1 << 24 });
  readonly rings: Record<LaneName, RecordRing>;
  readonly consumers: Record<LaneName, RingConsumer>;
  readonly counters: CounterBlock<string>;
  readonly input: InputArea;
  readonly gate: LaneGate;
  readonly parker: Parker;
  readonly tcp: FrameScanner;
  readonly udp: FrameScanner;
  readonly partials: PartialFrames;
  readonly carries = new CarryBuffers();
  readonly stamps: Readonly<Record<LaneName, StampRing>> | undefined;
  /** The connections' clock. */
  readonly clock = { ms: 0 };
  /** Connections that had to give way to others' unfinished frames. */
  shed = 0;

  constructor({
    capacityBytes = 65_536,
    maxFrameBytes = 8_192,
    overrides = [],
    partialFrameBytes = 1 << 20,
    stamps,
  }: RigOptions = {}) {
    const { arena } = this;
    this.partials = new PartialFrames(partialFrameBytes, () => {
      this.shed++;
    });
    createCrcTable(arena);
    const topics = TopicTable.create(arena, "topics", { overrides, maxTopics: 64 });
    const each = <T>(make: (lane: LaneName) => T) =>
      Object.fromEntries(LANE_NAMES.map((lane) => [lane, make(lane)])) as Record<LaneName, T>;
    this.rings = each((lane) => RecordRing.create(arena, lane, { capacityBytes }));
    this.consumers = each((lane) => this.rings[lane].consumer());
    this.counters = CounterBlock.create(arena, "counters", INGEST_COUNTERS);
    this.input = new InputArea(arena, "input", { maxFrameBytes });
    this.parker = Parker.create(arena, "parker");
    this.gate = new LaneGate(this.rings, this.parker);
    const lanes = each((lane) => ({ ring: this.rings[lane], producer: this.rings[lane].addProducer() }));
    this.stamps = stamps && each((lane) => StampRing.create(arena, `stamps.${lane}`, stamps[lane]));
    const latency = this.stamps && { stamps: this.stamps, clock: { at: () => this.clock.ms * 1e6 } };
    const common = { maxFrameBytes, topics, lanes, counters: this.counters, ...(latency && { latency }) };
    this.tcp = new FrameScanner(arena, "tcp", { ...common, source: Source.tcp, overflow: WAITING_PRODUCER });
    this.udp = new FrameScanner(arena, "udp", { ...common, source: Source.udp, overflow: DATAGRAM_PRODUCER });
  }

  connection(socket: ConnectionSocket, answerBytes = 1 << 20): Connection {
    const { tcp: scanner, input, gate, partials, carries, clock } = this;
    return new Connection({ socket, scanner, input, gate, answerBytes, partials, carries, now: () => clock.ms });
  }

  /** As the socket does it: bytes into the input area, then the call. */
  read(connection: Connection, bytes: Uint8Array): boolean {
    this.input.readView.set(bytes);
    return connection.read(bytes.length);
  }

  /** Takes bytes in a lane, as another thread's scan does that isn't done yet. @returns ends it, as a tombstone. */
  openClaim(lane: LaneName): () => void {
    return openClaim(this.rings[lane]);
  }

  /** What a lane holds, taken out of it. */
  take(lane: LaneName, most = Number.POSITIVE_INFINITY): SeenRecord[] {
    const consumer = this.consumers[lane];
    const bytes = Buffer.from(this.arena.memory.buffer);
    const seen: SeenRecord[] = [];
    while (seen.length < most && consumer.next(1) > 0) {
      const at = runAddress(consumer);
      const flags = bytes.readUInt8(at + RecordOffset.flags);
      const idBytes = flags & 8 ? 16 : 0;
      const topicAt = at + RecordOffset.body + idBytes;
      const payloadAt = topicAt + bytes.readUInt16LE(at + RecordOffset.topicLength);
      seen.push({
        sequence: Number(bytes.readBigUInt64LE(at + RecordOffset.sequence)),
        topic: bytes.toString("utf8", topicAt, payloadAt),
        priority: bytes.readUInt8(at + RecordOffset.priority),
        flags,
        id: bytes.toString("hex", topicAt - idBytes, topicAt),
        payload: bytes.toString("latin1", payloadAt, at + bytes.readUInt32LE(at)),
      });
      consumer.release(consumer.runEnd, consumer.runRecords);
    }
    return seen;
  }
}

/** A socket that remembers what was done to it. */
export class FakeSocket implements ConnectionSocket {
  readonly written: Uint8Array[] = [];
  waitingBytes = 0;
  paused = false;
  ended = false;
  wasCutOff = false;
  wasReset = false;

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return true;
  }

  end(): void {
    this.ended = true;
  }

  cutOff(): void {
    this.wasCutOff = true;
  }

  reset(): void {
    this.wasReset = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}
