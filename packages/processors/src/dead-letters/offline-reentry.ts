/** Puts events into lanes' logs while no server runs: the next start takes them up. Under the directory's lock. */

import { Arena } from "@esc/arena";
import { createCrcTable, type LaneName } from "@esc/events";
import { type RecordInput, RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { logDirectory, SegmentedLog } from "@esc/storage";
import type { Reentry } from "./dead-letter-book.ts";

export interface OfflineReentryOptions {
  readonly dataDir: string;
  /** As the server's `storage.segment_bytes`. */
  readonly segmentBytes: number;
}

interface OpenLane {
  readonly log: SegmentedLog;
  readonly put: (event: RecordInput) => void;
}

/** Room for the longest record that a server's rings take: a frame of 64 MiB with all around it. */
const RING_BYTES = 1 << 28;

export class OfflineReentry implements Reentry, Disposable {
  readonly #options: OfflineReentryOptions;
  readonly #lanes = new Map<LaneName, OpenLane>();

  constructor(options: OfflineReentryOptions) {
    this.#options = options;
  }

  nextSequence(lane: LaneName): number {
    return this.#open(lane).log.nextSequence;
  }

  append(lane: LaneName, event: RecordInput): boolean {
    this.#open(lane).put(event);
    return true;
  }

  settle(lane: LaneName): void {
    this.#open(lane).log.sync();
  }

  [Symbol.dispose](): void {
    for (const { log } of this.#lanes.values()) log.close();
  }

  #open(lane: LaneName): OpenLane {
    const known = this.#lanes.get(lane);
    if (known !== undefined) return known;
    const { dataDir, segmentBytes } = this.#options;
    const log = SegmentedLog.open({ dir: logDirectory(dataDir, lane), segmentBytes });
    // A ring makes the record, as it does in the server; untouched pages cost nothing.
    const arena = Arena.create({ bytes: RecordRing.bytesFor(RING_BYTES) + RING_BYTES / 2 + 65_536 });
    createCrcTable(arena);
    const ring = RecordRing.create(arena, lane, { capacityBytes: RING_BYTES, firstSequence: log.nextSequence });
    const consumer = ring.consumer();
    const producer = ring.appender("producer");
    const bytes = new Uint8Array(arena.memory.buffer);
    const put = (event: RecordInput) => {
      producer.append(event);
      while (consumer.next(1) > 0) {
        log.append(bytes, runAddress(consumer), consumer.runBytes, consumer.runSequence, consumer.runRecords);
        consumer.release(consumer.runEnd, consumer.runRecords);
      }
    };
    const lanes = { log, put };
    this.#lanes.set(lane, lanes);
    return lanes;
  }
}
