/**
 * A ring of variable-length records with one producer: the fastest way from one thread to others. Its producer needs no
 * compare-and-swap.
 */
import type { Arena } from "@esc/arena";
import { EscError } from "@esc/events";
import { FramedRing, type FramedRingOptions } from "./framed-ring.ts";
import { RingKind } from "./ring.ts";
import { RingProducer } from "./ring-producer.ts";

export class SpscRing extends FramedRing {
  /**
   * Makes a ring. Once, before other threads attach.
   * @throws EscError `ESC_RING_CAPACITY`; ArenaError when there's no room, or a ring of that name.
   */
  static create(arena: Arena, name: string, options: FramedRingOptions): SpscRing {
    FramedRing.allocate(arena, name, RingKind.spsc, options.capacityBytes);
    return new SpscRing(arena, name, RingKind.spsc);
  }

  /** The ring of that name, in any thread. @throws EscError `ESC_RING_KIND`. */
  static attach(arena: Arena, name: string): SpscRing {
    return new SpscRing(arena, name, RingKind.spsc);
  }

  /** The ring's producer. @throws EscError `ESC_RING_PRODUCERS` while there is one already. */
  producer(): RingProducer {
    return this.hand(new RingProducer(this, this.takeProducer(1)));
  }

  /** Nothing is published before its producer commits, so there is nothing to close. */
  protected override closeClaim(): void {
    throw new EscError("ESC_RING_CLAIM", `Ring "${this.name}" has one producer: its claims hold up nobody.`);
  }
}
