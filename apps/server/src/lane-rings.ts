/**
 * A lane's thread's places in rings. A thread that takes over from one that died takes over its places: what they gate
 * stays gated, and there is one for each lane however often threads die. This is the only place that does so.
 */
import type { LaneName } from "@esc/events";
import type { RingRole } from "@esc/processors";
import type { RecordAppender, RecordRing, RingConsumer } from "@esc/queues";
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
    pipeline.states[lane].keepSlot("consumer", pipeline.lane(lane).consumer(runName(lane)).slot);
  }

  /** In the lane's thread. */
  constructor(pipeline: Pipeline, lane: LaneName, config: Config) {
    const state = pipeline.states[lane];
    const producer = (role: RingRole, ring: RecordRing, maxRecordBytes: number): RecordAppender => {
      const name = `produce.${lane}.${role}`;
      const adopt = state.slot(role);
      if (adopt !== undefined) return ring.appender(name, { adopt, maxRecordBytes });
      const slot = ring.addProducer();
      pipeline.arena.allocate(name, Math.min(maxRecordBytes, ring.maxRecordBytes));
      state.keepSlot(role, slot);
      return ring.appender(name, { adopt: slot, maxRecordBytes });
    };
    this.consumer = pipeline.lane(lane).consumer(runName(lane), { adopt: state.slot("consumer") as number });
    this.deadLetters = producer("deadLetters", pipeline.deadLetters, pipeline.deadLetters.maxRecordBytes);
    this.producers = perLane((to) => producer(to, pipeline.lane(to), producerBytes(config)));
  }
}

function runName(lane: LaneName): string {
  return `processor.${lane}.run`;
}
