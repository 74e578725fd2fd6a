/**
 * What every ring is: a control block and data in an arena, consumers with cursors of their own, parkers to wake.
 * `docs/ring.md` explains the algorithm and its memory order; `assembly/control.ts` has the layout.
 */

import { threadId } from "node:worker_threads";
import type { Arena, Region } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import type { Parker } from "./parker.ts";
import { parkerAddress } from "./parker.ts";
import { type RingKernel, ringKernel } from "./ring-kernel.ts";

/** What a ring carries; the numbers are `assembly/control.ts`'s. */
export const RingKind = { events: 0, spsc: 1, mpsc: 2, cells: 3 } as const;
export type RingKind = (typeof RingKind)[keyof typeof RingKind];

const KIND_NAMES = ["RecordRing", "SpscRing", "MpscRing", "MpscSlots"] as const;

const MAX_PRODUCERS = 16;
const MAX_CONSUMERS = 8;
const MAX_PARKERS = 8;

/** Who may use a ring at once: what isn't said is 16 producers, 8 consumers, 8 parkers for each reason. */
export interface RingPlaces {
  readonly producers?: number;
  readonly consumers?: number;
  readonly parkers?: number;
}

/** Bytes of the control block: `assembly/control.ts`. */
function controlBytes({ producers = MAX_PRODUCERS, consumers = MAX_CONSUMERS, parkers = MAX_PARKERS }: RingPlaces) {
  return 768 + producers * 128 + consumers * 384 + 3 * 4 * (parkers - MAX_PARKERS);
}

const MIN_CAPACITY = 4_096;
const MAX_CAPACITY = 1 << 30;
/** Looks at a claim that can't be told yet: each is as long as a few of the other thread's instructions. */
const ORPHAN_LOOKS = 1_000_000;

const GATING = 1;
const TAP = 3;
const ORPHAN_OPEN = 1;
const ORPHAN_UNKNOWN = 2;

/** What a consumer is doing, as any thread sees it. */
export interface ConsumerState {
  /** Its place among the ring's consumers: what `adopt` takes. */
  readonly slot: number;
  /** `threadId` of the worker that owns it. */
  readonly threadId: number;
  /** Whether producers wait for it. */
  readonly gating: boolean;
  /** Bytes since the start that it has passed. */
  readonly position: number;
  /** Bytes published and not passed. */
  readonly lagBytes: number;
  /** Most bytes that it ever found before itself. */
  readonly highWaterBytes: number;
  /** Records passed. */
  readonly consumed: number;
}

/** What {@link Ring.reclaim} found. */
export interface Reclaimed {
  /** Producers' places that are free again. */
  readonly producers: number;
  /** Claims that were open: readers pass over them. */
  readonly closedClaims: number;
  /** Producers' places whose last claim still waits for its turn; `reclaim` once more frees them. */
  readonly pending: number;
  /** Consumers that gate nobody any more. */
  readonly consumers: number;
}

/** Where a ring's control block lies, and the kernel that works on it: for the faces of kernels (`@esc/queues/kernel`). */
export let ringAddress: (ring: Ring) => number;
export let kernelOf: (ring: Ring) => RingKernel;

export abstract class Ring implements Disposable {
  readonly name: string;
  /** Bytes of the ring. */
  readonly capacityBytes: number;
  /** @internal */
  protected readonly address: number;
  /** @internal */
  readonly arena: Arena;
  /** @internal */
  protected readonly kernel: RingKernel;
  readonly #kind: RingKind;
  readonly #handed: Disposable[] = [];

  static {
    ringAddress = (ring) => ring.address;
    kernelOf = (ring) => ring.kernel;
  }

  /**
   * @internal Finds the ring of that name.
   * @throws EscError `ESC_RING_KIND` when it is one of another kind; ArenaError `ESC_ARENA_REGION_UNKNOWN`.
   */
  protected constructor(arena: Arena, name: string, kind: RingKind) {
    const region = arena.region(controlName(name));
    this.name = name;
    this.address = regionAddress(region);
    this.capacityBytes = arena.region(dataName(name)).byteLength;
    this.arena = arena;
    this.kernel = ringKernel(arena);
    this.#kind = kind;
    const found = this.kernel.kind(this.address);
    if (found !== kind) {
      throw new EscError(
        "ESC_RING_KIND",
        `"${name}" is a ${KIND_NAMES[found]}, not a ${KIND_NAMES[kind]}: attach it by that class.`,
      );
    }
  }

  /** Arena bytes that a ring of that capacity needs, alignment included. */
  static bytesFor(capacityBytes: number, places: RingPlaces = {}): number {
    return capacityBytes + controlBytes(places) + 256;
  }

  /** @internal Makes the regions of a ring. */
  protected static allocate(
    arena: Arena,
    name: string,
    kind: RingKind,
    capacityBytes: number,
    sequence = 1,
    places: RingPlaces = {},
  ): void {
    if (capacityBytes < MIN_CAPACITY || capacityBytes > MAX_CAPACITY || !Number.isInteger(Math.log2(capacityBytes))) {
      throw new EscError(
        "ESC_RING_CAPACITY",
        `Ring "${name}": a capacity is a power of two from ${MIN_CAPACITY} to ${MAX_CAPACITY} bytes, not ${capacityBytes}.`,
      );
    }
    const control: Region = arena.allocate(controlName(name), controlBytes(places));
    const data = arena.allocate(dataName(name), capacityBytes);
    const kernel = ringKernel(arena);
    kernel.ringInit(regionAddress(control), kind, capacityBytes, regionAddress(data), sequence);
    const { producers = MAX_PRODUCERS, consumers = MAX_CONSUMERS, parkers = MAX_PARKERS } = places;
    kernel.setPlaces(regionAddress(control), producers, consumers, parkers - MAX_PARKERS);
  }

  /** Bytes published since the start. */
  get publishedPosition(): number {
    return this.kernel.publishedPosition(this.address);
  }

  /** Records published since the start, plus the first one's sequence. */
  get publishedSequence(): number {
    return this.kernel.publishedSequence(this.address);
  }

  /** Bytes that no gating consumer may have passed yet, those being filled included; 0 when nobody gates. */
  get depthBytes(): number {
    const claimed = this.kernel.claimedPosition(this.address);
    const gating = this.consumers().filter((consumer) => consumer.gating);
    return gating.length === 0 ? 0 : Math.max(0, claimed - Math.min(...gating.map(({ position }) => position)));
  }

  /** The ring's consumers, from any thread. Allocates; for diagnostics. */
  consumers(): ConsumerState[] {
    const { kernel, address } = this;
    const states: ConsumerState[] = [];
    for (let slot = 0; slot < kernel.consumerPlaces(address); slot++) {
      const state = kernel.consumerState(address, slot);
      if (state !== GATING && state !== TAP) continue;
      const position = kernel.consumerPosition(address, slot);
      states.push({
        slot,
        threadId: kernel.consumerThread(address, slot),
        gating: state === GATING,
        position,
        lagBytes: Math.max(0, kernel.publishedPosition(address) - position),
        highWaterBytes: kernel.consumerHighWater(address, slot),
        consumed: kernel.consumerCount(address, slot),
      });
    }
    return states;
  }

  /** A consumer's position by its slot, from any thread: for depth and lag. */
  consumerPosition(slot: number): number {
    return this.kernel.consumerPosition(this.address, slot);
  }

  /** Records that a consumer has passed, by its slot, from any thread. */
  consumerCount(slot: number): number {
    return this.kernel.consumerCount(this.address, slot);
  }

  /**
   * The thread whose open claim holds up publication, by its `threadId`; undefined when nothing is held up, or the claim
   * is only a moment old. A thread that is named again and again and has ended is one to {@link reclaim}.
   */
  blockedBy(): number | undefined {
    const thread = this.kernel.blockedBy(this.address);
    return thread < 0 ? undefined : thread;
  }

  /**
   * Clears up behind a thread that has ended: its open claim is closed, so that what lies behind it is published, and its
   * consumers gate nobody any more. Any thread, once the worker's `exit` event has come: a thread that still runs would
   * write into bytes that are somebody else's by then.
   * @throws EscError `ESC_RING_RECLAIM` when another producer stays for a second between announcing and making the same claim.
   */
  reclaim(endedThreadId: number, { keepConsumers = false } = {}): Reclaimed {
    const { kernel, address } = this;
    let [producers, closedClaims, pending, consumers] = [0, 0, 0, 0];
    for (let at = 0; at < kernel.producerPlaces(address); at++) {
      const slot = kernel.producerOf(address, endedThreadId, at);
      if (slot < 0) break;
      at = slot;
      // The only producer of a ring publishes nothing before its claim is complete: nobody waits for what it left.
      if (this.#kind !== RingKind.spsc && this.#orphan(slot)) {
        this.closeClaim(slot);
        closedClaims++;
      }
      if (kernel.freeProducer(address, slot) !== 0) producers++;
      else pending++;
    }
    for (let at = 0; !keepConsumers && at < kernel.consumerPlaces(address); at++) {
      const slot = kernel.consumerOf(address, endedThreadId, at);
      if (slot < 0) break;
      at = slot;
      kernel.removeConsumer(address, slot);
      consumers++;
    }
    return { producers, closedClaims, pending, consumers };
  }

  #orphan(producer: number): boolean {
    for (let look = 0; look < ORPHAN_LOOKS; look++) {
      const found = this.kernel.orphan(this.address, producer);
      if (found !== ORPHAN_UNKNOWN) return found === ORPHAN_OPEN;
      Atomics.pause();
    }
    throw new EscError(
      "ESC_RING_RECLAIM",
      `Ring "${this.name}": another producer is about to claim the same bytes and doesn't get on; its thread may have ended too. Reclaim that one first.`,
    );
  }

  /** @internal Fills a claim that was left open with what readers pass over, and publishes it. */
  protected abstract closeClaim(producer: number): void;

  /**
   * Wakes a parker whenever records are published, and when consumers are asked to skip or the log to sync.
   * @param options `letsNap`: what is published doesn't wake an owner that naps ({@link Parker.prepareNap}); what is asked does.
   */
  wakeOnPublish(parker: Parker, { letsNap = false }: { readonly letsNap?: boolean } = {}): void {
    this.#register(this.kernel.wakeOnPublish(this.address, parkerAddress(parker), letsNap ? 1 : 0));
  }

  /** Wakes a parker when space is freed after {@link wantSpace}. */
  wakeOnSpace(parker: Parker): void {
    this.#register(this.kernel.wakeOnSpace(this.address, parkerAddress(parker)));
  }

  #register(done: number): void {
    if (done !== 0) return;
    throw new EscError("ESC_RING_PARKERS", `Ring "${this.name}" wakes as many parkers per reason as it was made for.`);
  }

  /**
   * Asks to be woken for space. Prepare the parker before it, or the wake-up finds nobody; try to claim once more after
   * it, or the wake-up may have been before it.
   */
  wantSpace(): void {
    this.kernel.wantSpace(this.address);
  }

  /** @internal Takes a producer's slot for this thread. */
  protected takeProducer(most: number): number {
    const slot = this.kernel.addProducer(this.address, threadId, most);
    if (slot >= 0) return slot;
    throw new EscError(
      "ESC_RING_PRODUCERS",
      most === 1
        ? `Ring "${this.name}" has its only producer already: dispose of that one first, or use an MpscRing.`
        : `Ring "${this.name}" has its ${most} producers already.`,
    );
  }

  /** @internal Takes a consumer's slot for this thread, or takes over one whose thread has ended. */
  protected takeConsumer(adopt: number | undefined): number {
    if (adopt !== undefined) {
      if (this.kernel.adoptConsumer(this.address, adopt, threadId) !== 0) return adopt;
      throw new EscError("ESC_RING_ADOPT", `Ring "${this.name}" has no consumer at ${adopt} to take over.`);
    }
    const slot = this.kernel.addConsumer(this.address, threadId);
    if (slot < 0) throw this.noConsumers();
    return slot;
  }

  /** @internal Notes a producer or consumer that this object gave out. */
  protected hand<Side extends Disposable>(side: Side): Side {
    this.#handed.push(side);
    return side;
  }

  /** Disposes of the producers and consumers that this object gave out. The ring itself lives as long as its arena. */
  [Symbol.dispose](): void {
    for (const side of this.#handed.splice(0)) side[Symbol.dispose]();
  }

  /** @internal */
  protected noConsumers(): EscError {
    return new EscError(
      "ESC_RING_CONSUMERS",
      `Ring "${this.name}" has its ${this.kernel.consumerPlaces(this.address)} consumers already.`,
    );
  }
}

function controlName(name: string): string {
  return `ring.${name}.control`;
}

function dataName(name: string): string {
  return `ring.${name}.data`;
}
