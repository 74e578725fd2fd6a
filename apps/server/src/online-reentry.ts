/** Puts events into the lanes of a running server, from its main thread. */
import { EscError, type LaneName } from "@esc/events";
import type { Reentry } from "@esc/processors";
import type { RecordAppender, RecordInput } from "@esc/queues";
import type { Config } from "./config/schema.ts";
import { type Pipeline, perLane, producerBytes } from "./pipeline.ts";

const LOOK_MS = 5;
/** How long a full lane is waited for, and a log that can't be written. */
const ROOM_MS = 5_000;
const DURABLE_MS = 30_000;

export class OnlineReentry implements Reentry {
  readonly #pipeline: Pipeline;
  readonly #appenders: Readonly<Record<LaneName, RecordAppender>>;

  constructor(pipeline: Pipeline, config: Config) {
    this.#pipeline = pipeline;
    const maxRecordBytes = producerBytes(config);
    this.#appenders = perLane((lane) => pipeline.lane(lane).appender(`produce.main.${lane}`, { maxRecordBytes }));
  }

  nextSequence(lane: LaneName): number {
    return this.#pipeline.lane(lane).publishedSequence;
  }

  async append(lane: LaneName, event: RecordInput): Promise<boolean> {
    const deadline = performance.now() + ROOM_MS;
    while (!this.#appenders[lane].append(event)) {
      if (performance.now() > deadline) return false;
      await pause();
    }
    // Counts are read on this thread, so no sample sees the event before it is counted.
    this.#pipeline.admin.add(`retried.${lane}`);
    return true;
  }

  async settle(lane: LaneName): Promise<void> {
    const ring = this.#pipeline.lane(lane);
    const position = ring.publishedPosition;
    const deadline = performance.now() + DURABLE_MS;
    ring.askToSync(position);
    while (ring.durablePosition < position) {
      if (performance.now() > deadline) {
        throw new EscError(
          "ESC_LOG_NOT_DURABLE",
          `The events are in lane ${lane}, but its log could not be written within ${DURABLE_MS} ms. Look at /readyz; the next start finds out which of them were stored.`,
        );
      }
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
