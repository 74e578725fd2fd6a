/**
 * One of several consumers' share of a ring's records: each looks over the same runs and takes its own. By topic, so that a
 * topic's events stay with one consumer and in order; or round and round by sequence, which keeps no order.
 * For who works where records lie: `@esc/queues/kernel`.
 */
import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { type RingKernel, ringKernel } from "./ring-kernel.ts";

/** What says whose a record is: its topic's hash, mixed once more, or its sequence; modulo the number of shares. */
export type ShareBy = "hash" | "sequence";

export interface ShareOptions {
  readonly by: ShareBy;
  /** How many there are, 1 to 64, and which this is, from 0. */
  readonly shares: number;
  readonly share: number;
}

/** Own records found at once: as many as a run of 1 MiB can hold. 104 KiB of addresses. */
const MOST = 26_624;
const INDEX_BYTES = 4 * (MOST + 1);

/** Which share an event is in. */
export function shareOf(by: ShareBy, shares: number, topicHash: number, sequence: number): number {
  return (by === "hash" ? mixed(topicHash) : sequence) % shares;
}

/** As in `assembly/share.ts`, which says why. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}

export class RecordShare {
  /** Arena bytes of its index, alignment included. */
  static readonly bytes = INDEX_BYTES + 128;
  readonly #options: ShareOptions;
  readonly #kernel: RingKernel;
  readonly #address: number;
  readonly #index: Uint32Array;
  #at = 0;
  #count = 0;

  /** @param name of the index's region; one that a thread before left is used again. */
  constructor(arena: Arena, name: string, options: ShareOptions) {
    this.#options = options;
    this.#kernel = ringKernel(arena);
    this.#address = regionAddress(arena.ensure(name, INDEX_BYTES));
    this.#index = new Uint32Array(arena.memory.buffer, this.#address, MOST + 1);
  }

  /**
   * Finds the share's records among those that lie in [from, to). A few nanoseconds for each record that isn't one.
   * @returns the first one's address; {@link end} when there is none.
   */
  find(from: number, to: number): number {
    const { by, shares, share } = this.#options;
    this.#count = this.#kernel.ownRecords(from, to, this.#address, MOST, by === "hash" ? 0 : 1, shares, share);
    this.#at = 0;
    return this.#index[0] as number;
  }

  /** The address of the record behind the last one told; {@link end} behind the last. */
  next(): number {
    return this.#index[++this.#at] as number;
  }

  /** How many records {@link find} found. */
  get count(): number {
    return this.#count;
  }

  /** Where {@link find} stopped: at the end of what it was given, or before a record that it had no room for. */
  get end(): number {
    return this.#index[this.#count] as number;
  }

  /** What other kernels tell the share's records by (`isOwn` of `@esc/queues/assembly/share`): by hash 0 or sequence 1, shares, share. */
  get words(): readonly [by: number, shares: number, share: number] {
    const { by, shares, share } = this.#options;
    return [by === "hash" ? 0 : 1, shares, share];
  }

  /** Whether an event is in the share. */
  owns(topicHash: number, sequence: number): boolean {
    const { by, shares, share } = this.#options;
    return shareOf(by, shares, topicHash, sequence) === share;
  }
}
