/** A producer of framed records: what `SpscRing.producer` and `MpscRing.producer` give. Use it on one thread. */

import { EscError } from "@esc/events";
import { Claim, FRAME_BYTES, frameBytes } from "./claim.ts";
import { type Parker, parkerAt } from "./parker.ts";
import type { Ring } from "./ring.ts";
import { kernelOf, ringAddress } from "./ring.ts";
import type { RingKernel } from "./ring-kernel.ts";
import type { Waitable, WaitStrategy } from "./wait-strategy.ts";

export class RingProducer implements Waitable, Disposable {
  readonly #ring: Ring;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #producer: number;
  readonly #bytes: Uint8Array;
  readonly #claim: Claim;
  readonly #maxBytes: number;
  #parker: Parker | undefined;
  #wantedBytes = 0;
  #disposed = false;

  /** @internal Rings make them. */
  constructor(ring: Ring, producer: number) {
    this.#ring = ring;
    this.#kernel = kernelOf(ring);
    this.#address = ringAddress(ring);
    this.#producer = producer;
    this.#bytes = new Uint8Array(ring.arena.memory.buffer);
    this.#claim = new Claim(ring, producer);
    // Padding as long as the claim itself may have to go before it, at the ring's end.
    this.#maxBytes = ring.capacityBytes / 2;
  }

  /** The longest record, in bytes: half of the ring less its header. */
  get maxRecordBytes(): number {
    return this.#maxBytes - FRAME_BYTES;
  }

  /**
   * Copies a record in and publishes it.
   * @returns false when the ring is full: nothing was done.
   * @throws EscError `ESC_RING_RECORD_TOO_LARGE` (over half of the ring), `ESC_RING_CLAIM` while a claim is open.
   */
  offer(bytes: Uint8Array): boolean {
    const { length } = bytes;
    this.#check(1, length);
    const first = this.#kernel.claimRecords(this.#address, this.#producer, 1, length) >>> 0;
    if (first === 0) return false;
    this.#bytes.set(bytes, first + FRAME_BYTES);
    this.#kernel.commitClaim(this.#address, this.#producer);
    return true;
  }

  /**
   * Copies records in and publishes them at once.
   * @param from index of the first of them.
   * @returns how many were taken, from the first on: 0 when the ring is full. Those that fit are taken, and at most as
   *   many as fit into half of the ring; call it again for the rest.
   * @throws EscError `ESC_RING_RECORD_TOO_LARGE` when the first of them is, `ESC_RING_CLAIM` while a claim is open.
   */
  offerMany(records: readonly Uint8Array[], from = 0): number {
    if (from >= records.length) return 0;
    this.#check(1, (records[from] as Uint8Array).length);
    let count = 0;
    let total = 0;
    for (let i = from; i < records.length; i++) {
      const next = total + frameBytes((records[i] as Uint8Array).length);
      if (next > this.#maxBytes) break;
      total = next;
      count++;
    }
    let at = this.#kernel.claimMixed(this.#address, this.#producer, count, total) >>> 0;
    // Not all at once; half of them, and so on: a full ring is the rare case.
    while (at === 0 && count > 1) {
      const fewer = count >> 1;
      while (count > fewer) total -= frameBytes((records[from + --count] as Uint8Array).length);
      at = this.#kernel.claimMixed(this.#address, this.#producer, count, total) >>> 0;
    }
    if (at === 0) return 0;
    for (let i = 0; i < count; i++) {
      const record = records[from + i] as Uint8Array;
      this.#bytes.set(record, at + FRAME_BYTES);
      at = this.#kernel.writeHeaderAt(this.#address, this.#producer, count, i, at, record.length) >>> 0;
    }
    this.#kernel.commitClaim(this.#address, this.#producer);
    return count;
  }

  /**
   * Claims a record to be filled in place.
   * @param length bytes, 0 or more.
   * @returns undefined when the ring is full. The claim holds back what other producers claim behind it: fill it soon.
   * @throws EscError `ESC_RING_RECORD_TOO_LARGE`, `ESC_RING_CLAIM` while a claim is open.
   */
  tryClaim(length: number): Claim | undefined {
    return this.claimMany(1, length);
  }

  /** Claims `count` records of `length` bytes each, all or none, published at once; otherwise as {@link tryClaim}. */
  claimMany(count: number, length: number): Claim | undefined {
    this.#check(count, length);
    const first = this.#kernel.claimRecords(this.#address, this.#producer, count, length);
    return first === 0 ? undefined : this.#claim.open(first, count, length);
  }

  /**
   * Waits until a record of `length` bytes could be claimed. Another producer may be faster: claim, and look.
   * @returns false when the time was over first.
   */
  waitForSpace(length: number, strategy: WaitStrategy, timeoutMs: number): boolean {
    this.#check(1, length);
    // With the padding that may have to go before it.
    this.#wantedBytes = Math.min(2 * frameBytes(length), this.#ring.capacityBytes);
    return strategy.wait(this, timeoutMs);
  }

  /** Whether there is space for what {@link waitForSpace} was last asked for. For wait strategies. */
  ready(): boolean {
    return this.#kernel.hasSpace(this.#address, this.#producer, this.#wantedBytes) !== 0;
  }

  /** For wait strategies. */
  prepare(): void {
    this.parker.prepare();
    this.#ring.wantSpace();
  }

  /** Where this producer sleeps. */
  get parker(): Parker {
    if (this.#parker === undefined) {
      this.#parker = parkerAt(this.#ring.arena, this.#kernel.producerParker(this.#address, this.#producer) >>> 0);
      this.#ring.wakeOnSpace(this.#parker);
    }
    return this.#parker;
  }

  /** Aborts an open claim and gives the producer's place back, for another thread to take. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#claim[Symbol.dispose]();
    // False while an earlier claim of another producer is open: reclaim() frees the place later.
    this.#kernel.removeProducer(this.#address, this.#producer);
  }

  #check(count: number, length: number): void {
    if (this.#claim.isOpen || this.#disposed) {
      throw new EscError(
        "ESC_RING_CLAIM",
        this.#disposed
          ? "The producer was disposed of."
          : "The producer has an open claim: commit or abort it before the next.",
      );
    }
    if (!(Number.isInteger(length) && length >= 0 && Number.isInteger(count) && count >= 1)) {
      throw new EscError("ESC_RING_CLAIM", `${count} record(s) of ${length} bytes can't be claimed.`);
    }
    if (count * frameBytes(length) > this.#maxBytes) {
      throw new EscError(
        "ESC_RING_RECORD_TOO_LARGE",
        `${count} record(s) of ${length} bytes take ${count * frameBytes(length)}: ring "${this.#ring.name}" takes up to ${this.#maxBytes} at once, half of its ${this.#ring.capacityBytes}.`,
      );
    }
  }
}
