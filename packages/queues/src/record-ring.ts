/**
 * A lane's ring: event records, several producers, several consumers, a durable position. `docs/ring.md` explains the
 * algorithm and its memory order; `assembly/control.ts` has the layout.
 */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { crcTable, EscError } from "@esc/events";
import type { Parker } from "./parker.ts";
import { parkerAddress } from "./parker.ts";
import { RecordAppender } from "./record-appender.ts";
import { Ring, RingKind, type RingPlaces } from "./ring.ts";
import { RingConsumer } from "./ring-consumer.ts";

export interface RecordRingOptions {
  /** Bytes of the ring: a power of two, 4 KiB to 1 GiB. */
  readonly capacityBytes: number;
  /** Sequence of the first record; 1 unless given. */
  readonly firstSequence?: number;
  /** For more producers, consumers and parkers than usual. */
  readonly places?: RingPlaces;
}

export class RecordRing extends Ring {
  /**
   * The longest record that {@link RecordAppender.append} and kernels may put in: half of the ring, because padding as
   * long as the record itself may have to go before it, at the ring's end.
   */
  readonly maxRecordBytes: number;

  private constructor(arena: Arena, name: string) {
    super(arena, name, RingKind.events);
    this.maxRecordBytes = this.capacityBytes / 2;
  }

  /**
   * Makes a ring. Once, before other threads attach.
   * @throws EscError `ESC_RING_CAPACITY` when the capacity is not a power of two in range; ArenaError when there's no room.
   */
  static create(arena: Arena, name: string, options: RecordRingOptions): RecordRing {
    const { capacityBytes, firstSequence, places } = options;
    Ring.allocate(arena, name, RingKind.events, capacityBytes, firstSequence, places);
    return new RecordRing(arena, name);
  }

  /** The ring of that name, in any thread. @throws EscError `ESC_RING_KIND`. */
  static attach(arena: Arena, name: string): RecordRing {
    return new RecordRing(arena, name);
  }

  /** Takes a producer's slot for a kernel that claims by itself. @throws EscError `ESC_RING_PRODUCERS` when all are taken. */
  addProducer(): number {
    return this.takeProducer(this.kernel.producerPlaces(this.address));
  }

  /**
   * A producer that appends one record at a time. Use it on one thread.
   * @param scratchName of the region that records are put together in; one that an earlier appender left is used again.
   * @param options `maxRecordBytes`: room for records up to this instead of all that the ring takes.
   * @throws EscError `ESC_RING_PRODUCERS`.
   */
  appender(scratchName: string, options: { readonly maxRecordBytes?: number } = {}): RecordAppender {
    const scratchBytes = Math.min(this.maxRecordBytes, options.maxRecordBytes ?? this.maxRecordBytes);
    const scratch = this.arena.ensure(scratchName, scratchBytes);
    return this.hand(new RecordAppender(this.arena, this.kernel, this, this.addProducer(), scratch));
  }

  /**
   * A consumer that starts behind what is published now, and gates. Use it on one thread.
   * @param adopt slot of a consumer whose thread has ended: this one goes on where that one was.
   * @throws EscError `ESC_RING_CONSUMERS`, `ESC_RING_ADOPT`.
   */
  consumer({ adopt }: { readonly adopt?: number | undefined } = {}): RingConsumer {
    return this.hand(new RingConsumer(this, this.takeConsumer(adopt)));
  }

  /** Fills the claim with tombstones, one for each of its sequences: the log has no gap. */
  protected override closeClaim(producer: number): void {
    this.kernel.voidRecords(this.address, producer, regionAddress(crcTable(this.arena)), Date.now());
  }

  /** Wakes a parker whenever the durable position moves. */
  wakeOnDurable(parker: Parker): void {
    if (this.kernel.wakeOnDurable(this.address, parkerAddress(parker)) === 0) {
      throw new EscError(
        "ESC_RING_PARKERS",
        `Ring "${this.name}" wakes as many parkers per reason as it was made for.`,
      );
    }
  }

  /** Bytes that are durable, counted as {@link publishedPosition}. */
  get durablePosition(): number {
    return this.kernel.durablePosition(this.address);
  }

  /** Sequence of the next record to become durable. */
  get durableSequence(): number {
    return this.kernel.durableSequence(this.address);
  }

  /** Says that everything before `position` is durable. The log's thread only. */
  publishDurable(position: number, nextSequence: number): void {
    this.kernel.publishDurable(this.address, position, nextSequence);
  }

  /** Asks consumers that skip (drop-oldest) to give up what is before `position`. */
  askToSkip(position: number): void {
    this.kernel.askToSkip(this.address, position);
  }

  get skipTarget(): number {
    return this.kernel.skipTarget(this.address);
  }

  /** Asks the log to make everything before `position` durable without waiting for its interval. */
  askToSync(position: number): void {
    this.kernel.askToSync(this.address, position);
  }

  get syncTarget(): number {
    return this.kernel.syncTarget(this.address);
  }
}
