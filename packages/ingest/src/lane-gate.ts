/** What an ingest thread knows of its lanes beyond writing into them: space to wait for, durability to wait for. */
import { LANE_NAMES, type LaneName } from "@esc/events";
import type { Parker, RecordRing } from "@esc/queues";

export class LaneGate {
  readonly #rings: Readonly<Record<LaneName, RecordRing>>;
  readonly #all: readonly RecordRing[];

  /** Registers the thread's parker for both reasons to wake. */
  constructor(rings: Readonly<Record<LaneName, RecordRing>>, parker: Parker) {
    this.#rings = rings;
    this.#all = LANE_NAMES.map((lane) => rings[lane]);
    for (const ring of this.#all) {
      ring.wakeOnSpace(parker);
      ring.wakeOnDurable(parker);
    }
  }

  /** Asks to be woken when the lane has space again. */
  wantSpace(lane: LaneName): void {
    this.#rings[lane].wantSpace();
  }

  /** Durable position of a lane, by its number. */
  durable(lane: number): number {
    return (this.#all[lane] as RecordRing).durablePosition;
  }

  /** An acknowledgement waits for these positions (-1: for nothing in that lane). */
  awaitDurable(realtime: number, transactional: number, batch: number): void {
    if (realtime >= 0) this.#rings.realtime.askToSync(realtime);
    if (transactional >= 0) this.#rings.transactional.askToSync(transactional);
    if (batch >= 0) this.#rings.batch.askToSync(batch);
  }
}
