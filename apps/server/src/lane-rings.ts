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
    const ring = pipeline.lane(lane);
    const run = `processor.${lane}.run`;
    const adopt = state.slot("consumer");
    this.consumer = ring.consumer(run, adopt === undefined ? {} : { adopt });
    state.keepSlot("consumer", this.consumer.slot);
    this.deadLetters = producer("deadLetters", pipeline.deadLetters, pipeline.deadLetters.maxRecordBytes);
    this.producers = perLane((to) => producer(to, pipeline.lane(to), producerBytes(config)));
  }
}
