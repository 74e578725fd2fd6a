/** A ring of variable-length records with up to 16 producers, none of which ever waits for another. */
import type { Arena } from "@esc/arena";
import { FramedRing, type FramedRingOptions } from "./framed-ring.ts";
import { RingKind } from "./ring.ts";
import { RingProducer } from "./ring-producer.ts";

const MAX_PRODUCERS = 16;

export class MpscRing extends FramedRing {
  /**
   * Makes a ring. Once, before other threads attach.
   * @throws EscError `ESC_RING_CAPACITY`; ArenaError when there's no room, or a ring of that name.
   */
  static create(arena: Arena, name: string, options: FramedRingOptions): MpscRing {
    FramedRing.allocate(arena, name, RingKind.mpsc, options.capacityBytes);
    return new MpscRing(arena, name, RingKind.mpsc);
  }

  /** The ring of that name, in any thread. @throws EscError `ESC_RING_KIND`. */
  static attach(arena: Arena, name: string): MpscRing {
    return new MpscRing(arena, name, RingKind.mpsc);
  }

  /** A producer, for this thread. @throws EscError `ESC_RING_PRODUCERS` when all 16 are taken. */
  producer(): RingProducer {
    return this.hand(new RingProducer(this, this.takeProducer(MAX_PRODUCERS)));
  }

  protected override closeClaim(producer: number): void {
    this.kernel.abortClaim(this.address, producer);
  }
}
