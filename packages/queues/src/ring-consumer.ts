/** A consumer of a lane's event records: a cursor of its own, moved by nobody else. Sees whole runs of records at once. */

import type { Ring } from "./ring.ts";
import { kernelOf, ringAddress } from "./ring.ts";
import type { RingKernel } from "./ring-kernel.ts";

const RUN_BYTES = 32;

/** Where a consumer's run lies in the arena's memory: for the faces of kernels (`@esc/queues/kernel`). */
export let runAddress: (consumer: RingConsumer) => number;

export class RingConsumer implements Disposable {
  /** Which of the ring's consumers this is: what other threads read its position by. */
  readonly slot: number;
  readonly #kernel: RingKernel;
  readonly #ring: number;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  #position: number;

  static {
    runAddress = (consumer) => consumer.#words[0] as number;
  }

  /** @internal `RecordRing.consumer` makes them. */
  constructor(ring: Ring, slot: number) {
    const run = kernelOf(ring).consumerRun(ringAddress(ring), slot) >>> 0;
    this.slot = slot;
    this.#kernel = kernelOf(ring);
    this.#ring = ringAddress(ring);
    this.#words = new Uint32Array(ring.arena.memory.buffer, run, RUN_BYTES / 4);
    this.#doubles = new Float64Array(ring.arena.memory.buffer, run, RUN_BYTES / 8);
    this.#position = kernelOf(ring).consumerPosition(ringAddress(ring), slot);
  }

  /** The consumer's cursor: everything before it is given back. */
  get position(): number {
    return this.#position;
  }

  /**
   * Finds the next records that lie one behind the other; describe them by the `run…` properties, then {@link release}.
   * @param maxBytes of the run; one record is taken however long it is.
   * @param onlyDurable stop at the durable position instead of the published one.
   * @returns how many records, 0 when there are none now.
   */
  next(maxBytes: number, onlyDurable = false): number {
    return this.#kernel.nextRun(this.#ring, this.slot, this.#position, onlyDurable ? 1 : 0, maxBytes);
  }

  /** Bytes of the run, a multiple of 8. */
  get runBytes(): number {
    return this.#words[1] as number;
  }

  /** Records of the run, tombstones included. */
  get runRecords(): number {
    return this.#words[2] as number;
  }

  /** Tombstones in the run: records without an event. */
  get runTombstones(): number {
    return this.#words[3] as number;
  }

  /** Position behind the run. */
  get runEnd(): number {
    return this.#doubles[2] as number;
  }

  /** Sequence of the run's first record. */
  get runSequence(): number {
    return this.#doubles[3] as number;
  }

  /**
   * Gives the ring's bytes before `position` back.
   * @param position of a record's start or a run's end.
   * @param records how many events that makes, for {@link RecordRing.consumerCount}.
   */
  release(position: number, records: number): void {
    this.#position = position;
    this.#kernel.advance(this.#ring, this.slot, position, records);
  }

  /** Gates nobody from now on. */
  [Symbol.dispose](): void {
    this.#kernel.removeConsumer(this.#ring, this.slot);
  }
}
