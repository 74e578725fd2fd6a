/**
 * A ring of variable-length records in shared memory: several producers, several consumers, each with a cursor of its
 * own. `docs/ring.md` explains the algorithm and its memory order; `assembly/ring.ts` has the layout.
 */
import { type Arena, loadKernel } from "@esc/arena";
import { EscError } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";
import type { Parker } from "./parker.ts";
import { RecordAppender } from "./record-appender.ts";
import { RingConsumer } from "./ring-consumer.ts";
import type { RingKernel } from "./ring-kernel.ts";

const CONTROL_BYTES = 2816 + 8 * 128;
const MIN_CAPACITY = 4_096;
const MAX_CAPACITY = 1 << 30;

export interface RecordRingOptions {
  /** Bytes of the ring: a power of two, 4 KiB to 1 GiB. */
  readonly capacityBytes: number;
  /** Sequence of the first record; 1 unless given. */
  readonly firstSequence?: number;
}

export class RecordRing {
  readonly name: string;
  /** Bytes of the ring. */
  readonly capacityBytes: number;
  /**
   * The longest record that {@link RecordAppender.append} and kernels may put in: half of the ring, because padding as
   * long as the record itself may have to go before it, at the ring's end.
   */
  readonly maxRecordBytes: number;
  /** Address of the control block: for kernels only. */
  readonly address: number;
  readonly #arena: Arena;
  readonly #kernel: RingKernel;

  private constructor(arena: Arena, name: string) {
    const region = arena.region(controlName(name));
    this.name = name;
    this.address = region.address;
    this.capacityBytes = arena.region(dataName(name)).byteLength;
    this.maxRecordBytes = this.capacityBytes / 2;
    this.#arena = arena;
    this.#kernel = loadKernel<RingKernel>(kernelBase64, arena);
  }

  /** Arena bytes that a ring of that capacity needs, alignment included. */
  static bytesFor(capacityBytes: number): number {
    return capacityBytes + CONTROL_BYTES + 256;
  }

  /**
   * Makes a ring. Once, before other threads attach.
   * @throws EscError `ESC_RING_CAPACITY` when the capacity is not a power of two in range; ArenaError when there's no room.
   */
  static create(arena: Arena, name: string, options: RecordRingOptions): RecordRing {
    const { capacityBytes, firstSequence = 1 } = options;
    if (capacityBytes < MIN_CAPACITY || capacityBytes > MAX_CAPACITY || !Number.isInteger(Math.log2(capacityBytes))) {
      throw new EscError(
        "ESC_RING_CAPACITY",
        `Ring "${name}": a capacity is a power of two from ${MIN_CAPACITY} to ${MAX_CAPACITY} bytes, not ${capacityBytes}.`,
      );
    }
    const control = arena.allocate(controlName(name), CONTROL_BYTES);
    const data = arena.allocate(dataName(name), capacityBytes);
    const ring = new RecordRing(arena, name);
    ring.#kernel.ringInit(control.address, capacityBytes, data.address, firstSequence);
    return ring;
  }

  /** The ring of that name, in any thread. */
  static attach(arena: Arena, name: string): RecordRing {
    return new RecordRing(arena, name);
  }

  /** Takes a producer's slot for a kernel that claims by itself. @throws EscError `ESC_RING_PRODUCERS` when all 16 are taken. */
  addProducer(): number {
    const slot = this.#kernel.addProducer(this.address);
    if (slot < 0) throw new EscError("ESC_RING_PRODUCERS", `Ring "${this.name}" has its 16 producers already.`);
    return slot;
  }

  /** A producer that appends one record at a time. Use it on one thread. @throws EscError `ESC_RING_PRODUCERS`. */
  appender(scratchName: string): RecordAppender {
    return new RecordAppender(this.#arena, this.#kernel, this, this.addProducer(), scratchName);
  }

  /** A consumer that starts behind what is published now, and gates. Use it on one thread. @throws EscError `ESC_RING_CONSUMERS`. */
  consumer(runName: string): RingConsumer {
    const slot = this.#kernel.addConsumer(this.address);
    if (slot < 0) throw new EscError("ESC_RING_CONSUMERS", `Ring "${this.name}" has its 8 consumers already.`);
    return new RingConsumer(this.#arena, this.#kernel, this.address, slot, runName);
  }

  /** Wakes a parker whenever records are published, and when consumers are asked to skip or the log to sync. */
  wakeOnPublish(parker: Parker): void {
    this.#register(this.#kernel.wakeOnPublish(this.address, parker.address));
  }

  /** Wakes a parker when space is freed after {@link wantSpace}. */
  wakeOnSpace(parker: Parker): void {
    this.#register(this.#kernel.wakeOnSpace(this.address, parker.address));
  }

  /** Wakes a parker whenever the durable position moves. */
  wakeOnDurable(parker: Parker): void {
    this.#register(this.#kernel.wakeOnDurable(this.address, parker.address));
  }

  #register(done: number): void {
    if (done === 0) throw new EscError("ESC_RING_PARKERS", `Ring "${this.name}" wakes 8 parkers per reason already.`);
  }

  /**
   * Asks to be woken for space, once. {@link Parker.prepare} goes before it: a consumer that takes the wish and finds
   * nobody parked wakes nobody, and later ones don't know of it. Try to claim once more after it, or the wake-up may
   * have been before it.
   */
  wantSpace(): void {
    this.#kernel.wantSpace(this.address);
  }

  /** Bytes published since the start. */
  get publishedPosition(): number {
    return this.#kernel.publishedPosition(this.address);
  }

  /** Sequence of the next record to be published. */
  get publishedSequence(): number {
    return this.#kernel.publishedSequence(this.address);
  }

  /** Bytes that are durable, counted as {@link publishedPosition}. */
  get durablePosition(): number {
    return this.#kernel.durablePosition(this.address);
  }

  /** Sequence of the next record to become durable. */
  get durableSequence(): number {
    return this.#kernel.durableSequence(this.address);
  }

  /** Says that everything before `position` is durable. The log's thread only. */
  publishDurable(position: number, nextSequence: number): void {
    this.#kernel.publishDurable(this.address, position, nextSequence);
  }

  /** A consumer's position by its slot, from any thread: for depth and lag. */
  consumerPosition(slot: number): number {
    return this.#kernel.consumerPosition(this.address, slot);
  }

  /** Records that a consumer has passed, by its slot, from any thread. */
  consumerCount(slot: number): number {
    return this.#kernel.consumerCount(this.address, slot);
  }

  /** Asks consumers that skip (drop-oldest) to give up what is before `position`. */
  askToSkip(position: number): void {
    this.#kernel.askToSkip(this.address, position);
  }

  get skipTarget(): number {
    return this.#kernel.skipTarget(this.address);
  }

  /** Asks the log to make everything before `position` durable without waiting for its interval. */
  askToSync(position: number): void {
    this.#kernel.askToSync(this.address, position);
  }

  get syncTarget(): number {
    return this.#kernel.syncTarget(this.address);
  }
}

function controlName(name: string): string {
  return `ring.${name}.control`;
}

function dataName(name: string): string {
  return `ring.${name}.data`;
}
