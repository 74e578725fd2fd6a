/** The exports of this package's kernel; `assembly/` says what they do. `Flag` is a bool, which crosses as 0 or 1. */
import type { Arena } from "@esc/arena";
import { loadKernel } from "@esc/arena/kernel";
import { kernelBase64 } from "./kernel.generated.ts";

type Flag = number;

export interface RingKernel {
  ringInit(ring: number, kind: number, capacity: number, data: number, sequence: number): void;
  setPlaces(ring: number, producers: number, consumers: number, moreParkers: number): void;
  producerPlaces(ring: number): number;
  consumerPlaces(ring: number): number;
  kind(ring: number): number;
  // Producers.
  addProducer(ring: number, thread: number, most: number): number;
  removeProducer(ring: number, producer: number): Flag;
  producerOf(ring: number, thread: number, from: number): number;
  producerParker(ring: number, producer: number): number;
  hasSpace(ring: number, producer: number, bytes: number): Flag;
  blockedBy(ring: number): number;
  orphan(ring: number, producer: number): number;
  freeProducer(ring: number, producer: number): Flag;
  claimStart(ring: number, producer: number): number;
  claimBytes(ring: number, producer: number): number;
  // Framed records.
  claimRecords(ring: number, producer: number, count: number, length: number): number;
  claimMixed(ring: number, producer: number, count: number, bytes: number): number;
  writeHeaderAt(ring: number, producer: number, count: number, index: number, at: number, length: number): number;
  commitClaim(ring: number, producer: number): void;
  abortClaim(ring: number, producer: number): void;
  // Cells.
  claimCells(ring: number, producer: number, most: number): number;
  pushCell(ring: number, producer: number, value: number): Flag;
  voidCells(ring: number, producer: number): void;
  // Event records.
  appendRecord(
    ring: number,
    producer: number,
    crcTable: number,
    timeMs: number,
    timeNs: number,
    priority: number,
    source: number,
    id: number,
    topic: number,
    topicLength: number,
    metadata: number,
    metadataLength: number,
    payload: number,
    payloadLength: number,
  ): number;
  voidRecords(ring: number, producer: number, crcTable: number, timeMs: number): void;
  // Consumers.
  addConsumer(ring: number, thread: number): number;
  addTap(ring: number, thread: number): number;
  setCopy(ring: number, consumer: number, copy: number, copyBytes: number): void;
  adoptConsumer(ring: number, consumer: number, thread: number): Flag;
  removeConsumer(ring: number, consumer: number): void;
  consumerOf(ring: number, thread: number, from: number): number;
  consumerState(ring: number, consumer: number): number;
  consumerThread(ring: number, consumer: number): number;
  consumerParker(ring: number, consumer: number): number;
  consumerRun(ring: number, consumer: number): number;
  consumerPosition(ring: number, consumer: number): number;
  consumerCount(ring: number, consumer: number): number;
  consumerHighWater(ring: number, consumer: number): number;
  overrunBytes(ring: number, consumer: number): number;
  overrunRecords(ring: number, consumer: number): number;
  ready(ring: number, consumer: number): Flag;
  poll(ring: number, consumer: number, framed: Flag): number;
  take(ring: number, consumer: number, bytes: number, records: number): void;
  pollTap(ring: number, consumer: number): number;
  takeTap(ring: number, consumer: number, bytes: number, records: number, expected: number): void;
  nextRun(ring: number, consumer: number, from: number, onlyDurable: Flag, maxBytes: number): number;
  advance(ring: number, consumer: number, position: number, records: number): void;
  ownRecords(from: number, to: number, index: number, most: number, by: number, shares: number, share: number): number;
  // Wake-ups.
  wakeOnPublish(ring: number, parker: number, letsNap: number): Flag;
  wakeOnSpace(ring: number, parker: number): Flag;
  wakeOnDurable(ring: number, parker: number): Flag;
  wantSpace(ring: number): void;
  unpark(parker: number): void;
  // Positions.
  claimedPosition(ring: number): number;
  publishedPosition(ring: number): number;
  publishedSequence(ring: number): number;
  durablePosition(ring: number): number;
  durableSequence(ring: number): number;
  publishDurable(ring: number, position: number, nextSequence: number): void;
  askToSkip(ring: number, position: number): void;
  skipTarget(ring: number): number;
  askToSync(ring: number, position: number): void;
  syncTarget(ring: number): number;
  // SpscSlots.
  slotsInit(slots: number, capacity: number, cells: number): void;
  slotsTake(slots: number, consumer: Flag): Flag;
  slotsLeave(slots: number, consumer: Flag): void;
  slotsReleaseEvery(slots: number, values: number): void;
  slotsParker(slots: number, consumer: Flag): number;
  slotsDepth(slots: number): number;
  slotsFree(slots: number, most: number): number;
  slotsPublish(slots: number, count: number): void;
  slotsAvailable(slots: number, most: number): number;
  slotsRelease(slots: number, count: number): void;
  slotsPush(slots: number, value: number): Flag;
  slotsPop(slots: number): number;
  // MpmcSlots.
  mpmcInit(slots: number, capacity: number, cells: number): void;
  mpmcParker(slots: number, space: Flag): number;
  mpmcDepth(slots: number): number;
  mpmcPush(slots: number, value: number): Flag;
  mpmcPop(slots: number): number;
  mpmcReady(slots: number, space: Flag): Flag;
}

/** This thread's kernel over an arena. */
export function ringKernel(arena: Arena): RingKernel {
  return loadKernel<RingKernel>(kernelBase64, arena);
}
