/** What `SpscRing` and `MpscRing` have in common: framed records and their readers. */

import { threadId } from "node:worker_threads";
import { regionAddress } from "@esc/arena/kernel";
import { Ring } from "./ring.ts";
import { RingReader } from "./ring-reader.ts";

export interface FramedRingOptions {
  /** Bytes of the ring: a power of two, 4 KiB to 1 GiB. A record takes its own bytes, 8 more, and up to 7 of padding. */
  readonly capacityBytes: number;
}

export interface ReaderOptions {
  /**
   * Whether producers wait for this reader; true unless given. One that doesn't gate copies records before it hands
   * them over, and is overrun when it is slower than a lap: {@link RingReader.overrun} says by how much.
   */
  readonly gating?: boolean;
  /** The slot of a gating reader whose thread has ended: this one goes on where that one was. */
  readonly adopt?: number | undefined;
}

export abstract class FramedRing extends Ring {
  /**
   * A reader from what is published now on, for this thread. Up to 8 at a time; each sees every record.
   * @throws EscError `ESC_RING_CONSUMERS` when there are 8, `ESC_RING_ADOPT`; ArenaError when there's no room for the
   *   copies of one that doesn't gate (half of the ring's capacity, once per slot).
   */
  reader({ gating = true, adopt }: ReaderOptions = {}): RingReader {
    if (gating) return this.hand(new RingReader(this, this.takeConsumer(adopt), true));
    const slot = this.kernel.addTap(this.address, threadId);
    if (slot < 0) throw this.noConsumers();
    try {
      // What an earlier reader at this slot has used already.
      const copy = this.arena.ensure(`ring.${this.name}.copy.${slot}`, this.capacityBytes / 2);
      this.kernel.setCopy(this.address, slot, regionAddress(copy), copy.byteLength);
    } catch (error) {
      this.kernel.removeConsumer(this.address, slot);
      throw error;
    }
    return this.hand(new RingReader(this, slot, false));
  }
}
