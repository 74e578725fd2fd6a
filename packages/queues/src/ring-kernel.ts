/** The exports of this package's kernel; `assembly/index.ts` says what they do. */
export interface RingKernel {
  ringInit(ring: number, capacity: number, data: number, sequence: number): void;
  addProducer(ring: number): number;
  addConsumer(ring: number): number;
  removeConsumer(ring: number, consumer: number): void;
  wakeOnPublish(ring: number, parker: number): number;
  wakeOnSpace(ring: number, parker: number): number;
  wakeOnDurable(ring: number, parker: number): number;
  wantSpace(ring: number): void;
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
  publishedPosition(ring: number): number;
  publishedSequence(ring: number): number;
  durablePosition(ring: number): number;
  durableSequence(ring: number): number;
  publishDurable(ring: number, position: number, nextSequence: number): void;
  consumerPosition(ring: number, consumer: number): number;
  consumerCount(ring: number, consumer: number): number;
  advance(ring: number, consumer: number, position: number, records: number): void;
  nextRun(ring: number, from: number, onlyDurable: number, maxBytes: number, run: number): number;
  askToSkip(ring: number, position: number): void;
  skipTarget(ring: number): number;
  askToSync(ring: number, position: number): void;
  syncTarget(ring: number): number;
}
