/** Bytes of a ring that a producer may fill, before anybody can see them. */

import { BytesView } from "@esc/arena";
import { moveView } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import type { Ring } from "./ring.ts";
import { kernelOf, ringAddress } from "./ring.ts";

/** Bytes before each record: its header. */
export const FRAME_BYTES = 8;

/** What a record of `length` bytes takes in a ring. */
export function frameBytes(length: number): number {
  return (FRAME_BYTES + length + 7) & ~7;
}

/**
 * A claim: one or several records of one length. Fill them through {@link view}, then {@link commit} or {@link abort}.
 * A producer has one claim object and moves it, so a claim costs no allocation and is valid until the next one.
 *
 * @example
 * using claim = producer.tryClaim(8); // aborted at the block's end unless it was committed
 * if (claim !== undefined) {
 *   claim.view().setFloat64(0, 42);
 *   claim.commit();
 * }
 */
export class Claim implements Disposable {
  readonly #ring: Ring;
  readonly #producer: number;
  readonly #view: BytesView;
  #first = 0;
  #count = 0;
  #length = 0;
  #step = 0;
  #open = false;

  /** @internal Producers make them. */
  constructor(ring: Ring, producer: number) {
    this.#ring = ring;
    this.#producer = producer;
    this.#view = new BytesView(ring.arena);
  }

  /** @internal */
  open(first: number, count: number, length: number): this {
    this.#first = (first >>> 0) + FRAME_BYTES;
    this.#count = count;
    this.#length = length;
    this.#step = frameBytes(length);
    this.#open = true;
    return this;
  }

  /** Whether it is neither committed nor aborted. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Records claimed. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of each record. What they hold is left from before: set all of them. */
  get length(): number {
    return this.#length;
  }

  /**
   * The bytes of a record, to be filled: the claim's one view, moved there.
   * @param index 0 to {@link count} − 1.
   * @throws EscError `ESC_RING_CLAIM` when there is no such record, or the claim is over.
   */
  view(index = 0): BytesView {
    if (!this.#open) throw over();
    if (!(index >= 0 && index < this.#count)) {
      throw new EscError("ESC_RING_CLAIM", `The claim has ${this.#count} record(s); there is no ${index}.`);
    }
    return moveView(this.#view, this.#first + index * this.#step, this.#length);
  }

  /** Publishes all records at once. @throws EscError `ESC_RING_CLAIM` when the claim is over. */
  commit(): void {
    if (!this.#open) throw over();
    this.#open = false;
    kernelOf(this.#ring).commitClaim(ringAddress(this.#ring), this.#producer);
  }

  /** Gives the records up: no consumer sees them. @throws EscError `ESC_RING_CLAIM` when the claim is over. */
  abort(): void {
    if (!this.#open) throw over();
    this.#open = false;
    kernelOf(this.#ring).abortClaim(ringAddress(this.#ring), this.#producer);
  }

  /** Aborts the claim if it is open. */
  [Symbol.dispose](): void {
    if (this.#open) this.abort();
  }
}

function over(): EscError {
  return new EscError(
    "ESC_RING_CLAIM",
    "The claim was committed or aborted; a producer's next tryClaim opens another.",
  );
}
