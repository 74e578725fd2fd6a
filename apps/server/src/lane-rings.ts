/**
 * A lane's thread's places in rings. A shard's consumer is one for the whole life of the process: each thread takes it
 * over, so what it gates stays gated. Producers are each thread's own, and are cleared away behind one that died, be it a
 * lane's or a publisher's. This is the only place that does so.
 */
import type { LaneName } from "@esc/events";
import { Outlet } from "@esc/processors";
import type { RecordRing, RingConsumer } from "@esc/queues";
import type { Config } from "./config/schema.ts";
import { type Pipeline, perLane, producerBytes } from "./pipeline.ts";
import { shardNames } from "./shards.ts";

/** Looks at a claim of a dead thread that waits for its turn: other producers publish theirs in microseconds. */
const RECLAIM_LOOKS = 100;
const RECLAIM_MS = 5;

export class LaneRings {
  readonly consumer: RingConsumer;
  readonly deadLetters: Outlet;
  /** For what handlers publish. */
  readonly producers: Readonly<Record<LaneName, Outlet>>;

  /** In the lane's thread. */
  constructor(pipeline: Pipeline, lane: LaneName, shard: string, config: Config) {
    const producer = (name: string, ring: RecordRing, maxRecordBytes: number) =>
      new Outlet(ring, ring.appender(`produce.${shard}.${name}`, { maxRecordBytes }));
    this.consumer = pipeline.lane(lane).consumer({ adopt: pipeline.state(shard).consumer });
    this.deadLetters = producer("dead", pipeline.deadLetters, pipeline.deadLetters.maxRecordBytes);
    this.producers = perLane((to) => producer(to, pipeline.lane(to), producerBytes(config)));
  }

  /**
   * Takes the places of a lane's shards as consumers of its ring, once, before any lane's thread runs: handlers of another lane may
   * publish into it before its own thread is there.
   */
  static reserve(pipeline: Pipeline, lane: LaneName): void {
    for (const shard of shardNames(lane, pipeline.shards)) {
      pipeline.state(shard).consumer = pipeline.lane(lane).consumer().slot;
    }
  }

  /**
   * Clears up behind a thread that has ended.
   * @returns the names of the rings in which it had left a claim open.
   * @throws EscError `ESC_RING_RECLAIM`.
   */
  static async reclaim(pipeline: Pipeline, endedThreadId: number): Promise<string[]> {
    pipeline.latency.release(endedThreadId);
    const closed = new Set<string>();
    for (const [name, ring] of Object.entries(pipeline.rings)) {
      for (let looks = 0; looks < RECLAIM_LOOKS; looks++) {
        const { closedClaims, pending } = ring.reclaim(endedThreadId, { keepConsumers: true });
        if (closedClaims > 0) closed.add(name);
        if (pending === 0) break;
        await new Promise((resolve) => setTimeout(resolve, RECLAIM_MS));
      }
    }
    return [...closed];
  }
}
