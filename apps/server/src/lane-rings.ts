/**
 * A lane's thread's places in rings. A thread that follows one which ended takes over the consumer's place, so that what it
 * gates stays gated, and takes producers' places anew, once the old ones are cleared up.
 */
import { LANE_NAMES, type LaneName } from "@esc/events";
import type { RecordAppender, RingConsumer } from "@esc/queues";
import type { Config } from "./config/schema.ts";
import { type Pipeline, perLane, producerBytes } from "./pipeline.ts";

export class LaneRings {
  readonly consumer: RingConsumer;
  readonly deadLetters: RecordAppender;
  /** For what handlers publish. */
  readonly producers: Readonly<Record<LaneName, RecordAppender>>;

  /**
   * Takes the lane's place as a consumer of its ring, once, before any lane's thread runs: handlers of another lane may
   * publish into it before its own thread is there.
   */
  static reserve(pipeline: Pipeline, lane: LaneName): void {
    pipeline.states[lane].consumerSlot = pipeline.lane(lane).consumer().slot;
  }

  /**
   * Clears up behind a lane's thread that has ended: what it was about to append becomes tombstones.
   * @returns whether all is cleared; if not, a claim of it still waits for its turn, and this is to be called again.
   */
  static reclaim(pipeline: Pipeline, endedThreadId: number): boolean {
    const rings = [pipeline.deadLetters, ...LANE_NAMES.map((lane) => pipeline.lane(lane))];
    return rings.every((ring) => ring.reclaim(endedThreadId, { keepConsumers: true }).pending === 0);
  }

  /** In the lane's thread. */
  constructor(pipeline: Pipeline, lane: LaneName, config: Config) {
    this.consumer = pipeline.lane(lane).consumer({ adopt: pipeline.states[lane].consumerSlot });
    this.deadLetters = pipeline.deadLetters.appender(`produce.${lane}.deadLetters`);
    this.producers = perLane((to) =>
      pipeline.lane(to).appender(`produce.${lane}.${to}`, { maxRecordBytes: producerBytes(config) }),
    );
  }
}
