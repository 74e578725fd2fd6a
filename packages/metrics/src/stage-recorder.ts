/**
 * One stage of the events' way, as the thread that does it sees it: whenever that has come to a position, every group up to
 * there is recorded with its age. What the thread that published them left in {@link StampRing}s tells when that began.
 */
import type { Arena } from "@esc/arena";
import { loadKernel } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import type { HistogramRecorder } from "./histogram.ts";
import { kernelBase64 } from "./kernel.generated.ts";
import type { MetricsKernel } from "./metrics-kernel.ts";
import type { StampRing } from "./stamp-ring.ts";

export interface StageRecorderOptions {
  /** Of every thread that publishes. */
  readonly stamps: readonly StampRing[];
  /** Which of their readers this is, from 0. No two recorders are the same one at a time; a later one goes on where it was. */
  readonly reader: number;
  /** The calling thread's. */
  readonly histogram: HistogramRecorder;
  /** Now, in ns, by the clock that the stamps are from. */
  readonly now: () => number;
}

export class StageRecorder {
  readonly #kernel: MetricsKernel;
  readonly #rings: readonly number[];
  readonly #reader: number;
  readonly #shard: number;
  readonly #now: () => number;

  /** Of the calling thread. @throws EscError `ESC_STAMPS_OPTIONS` when the rings have no such reader. */
  constructor(arena: Arena, { stamps, reader, histogram, now }: StageRecorderOptions) {
    if (stamps.some(({ readers }) => !(reader >= 0 && reader < readers))) {
      throw new EscError("ESC_STAMPS_OPTIONS", `There is no reader ${reader}: create the rings with more readers.`);
    }
    this.#kernel = loadKernel<MetricsKernel>(kernelBase64, arena);
    this.#rings = stamps.map(({ address }) => address);
    this.#reader = reader;
    this.#shard = histogram.address;
    this.#now = now;
  }

  /**
   * The stage is done with everything before a position: records the groups that end there or before. One call of a few ns
   * for each ring when there is none; else the clock is read once, and each group takes about 10 ns. Allocates nothing.
   * @param nowNs for who has read that clock already.
   */
  reach(position: number, nowNs = Number.NaN): void {
    let readNs = nowNs;
    for (let i = 0; i < this.#rings.length; i++) {
      const ring = this.#rings[i] as number;
      if (this.#kernel.stampDue(ring, this.#reader, position) === 0) continue;
      if (Number.isNaN(readNs)) readNs = this.#now();
      this.#kernel.passStamps(ring, this.#reader, position, readNs, this.#shard);
    }
  }

  /** What lies before a position was given up: its groups are passed and not recorded. One that ends behind it counts whole. */
  skip(position: number): void {
    for (const ring of this.#rings) this.#kernel.passStamps(ring, this.#reader, position, 0, 0);
  }
}
