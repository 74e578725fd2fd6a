/**
 * Where everything of a pool lies in its one region of the arena; `assembly/free-list.ts` has the table of its words.
 *
 * The whole address range is reserved when the pool is made, and a mark says how much of it is in use: pages that
 * nobody touched cost no memory. The other way, a region per slab, would take the arena's directory lock in the middle
 * of an acquisition, one of its 255 lines for each slab, and a table from slab to address on every access to a block.
 */
import { EscError } from "@esc/events";

export interface BlockPoolOptions {
  /** Bytes of a block, 1 to 16 MiB. Blocks are 8-byte aligned; a multiple of 128 keeps two from sharing a line. */
  readonly blockBytes: number;
  /** Blocks by which the pool grows, 1 to `maxBlocks`. */
  readonly slabBlocks: number;
  /** Blocks at most, 1 to 1,048,576. */
  readonly maxBlocks: number;
  /** Keeps a ledger of who has which block, and finds misuse by it. False unless given; costs microseconds a call. */
  readonly debug?: boolean;
  /** How many threads (to be exact, `BlockPool` objects) use the pool at one time, 1 to 64; 16 unless given. */
  readonly maxThreads?: number;
  /**
   * Blocks of a thread's magazine, 0 to 1,024. Others can't have what lies in it. Unless given 64, or so many that all
   * magazines together hold at most half of the blocks: 0 for small pools, which then call the kernel for each block.
   */
  readonly magazineBlocks?: number;
}

/** Indices of the pool's words: byte offsets / 4. */
export const Word = {
  magic: 0,
  blockBytes: 1,
  strideBytes: 2,
  slabBlocks: 3,
  maxBlocks: 4,
  magazineBlocks: 5,
  maxThreads: 6,
  indexMask: 7,
  firstHandle: 8,
  debug: 9,
  slots: 10,
  links: 11,
  ledger: 12,
  blocks: 13,
  slotBytes: 14,
  headHandle: 32,
  fresh: 64,
} as const;

/** Indices of a slot's words. */
export const SlotWord = { owner: 0, count: 1, pending: 12, bottom: 15, magazine: 16 } as const;

/** Indices of a slot's counters, f64 from byte 8 of the slot. */
export const Counter = { acquired: 0, released: 1, refills: 2, flushes: 3, failures: 4 } as const;
export const COUNTERS_OFFSET = 8;
export const COUNTERS = 5;

/** "PooL". */
export const MAGIC = 0x4c6f6f50;
export const NONE = -1;
/** A ledger's entry: state, slot, thread, length of the text, the text. */
export const LEDGER_ENTRY_BYTES = 512;

const MAX_BLOCKS = 1 << 20;
const MAX_BLOCK_BYTES = 1 << 24;
const MAX_THREADS = 64;
const MAX_MAGAZINE = 1_024;
const DEFAULT_THREADS = 16;
const DEFAULT_MAGAZINE = 64;
const CONTROL_BYTES = 384;
const PAIR_OF_LINES = 128;

/**
 * Bits for the pool's tag in a handle. Tags go from 1 to 14: all ones would let -1 through in a pool of 2^n blocks, and
 * all zeros `undefined`, which bit operations take for 0.
 */
export const TAG_BITS = 4;
const TAGS = 14;

/** All of a pool's sizes and offsets, in bytes. */
export interface PoolLayout {
  readonly blockBytes: number;
  readonly strideBytes: number;
  readonly slabBlocks: number;
  readonly maxBlocks: number;
  readonly magazineBlocks: number;
  readonly maxThreads: number;
  readonly indexBits: number;
  readonly debug: boolean;
  readonly slots: number;
  readonly slotBytes: number;
  readonly links: number;
  readonly ledger: number;
  readonly blocks: number;
  readonly bytes: number;
}

/** @throws EscError `ESC_POOL_OPTIONS` when a number is not whole or out of range. */
export function poolLayout(name: string, options: BlockPoolOptions): PoolLayout {
  const { blockBytes, slabBlocks, maxBlocks, debug = false, maxThreads = DEFAULT_THREADS } = options;
  whole(name, "blockBytes", blockBytes, 1, MAX_BLOCK_BYTES);
  whole(name, "maxBlocks", maxBlocks, 1, MAX_BLOCKS);
  whole(name, "slabBlocks", slabBlocks, 1, maxBlocks);
  whole(name, "maxThreads", maxThreads, 1, MAX_THREADS);
  const { magazineBlocks = Math.min(DEFAULT_MAGAZINE, Math.floor(maxBlocks / (2 * maxThreads))) } = options;
  whole(name, "magazineBlocks", magazineBlocks, 0, MAX_MAGAZINE);

  const strideBytes = aligned(blockBytes, 8);
  const slots = CONTROL_BYTES;
  // One more than the magazine: a release puts its block in first and makes room after.
  const slotBytes = aligned(SlotWord.magazine * 4 + (magazineBlocks + 1) * 4, PAIR_OF_LINES);
  const links = slots + maxThreads * slotBytes;
  const ledger = aligned(links + maxBlocks * 4, PAIR_OF_LINES);
  const blocks = ledger + (debug ? maxBlocks * LEDGER_ENTRY_BYTES : 0);
  return {
    blockBytes,
    strideBytes,
    slabBlocks,
    maxBlocks,
    magazineBlocks,
    maxThreads,
    indexBits: Math.ceil(Math.log2(maxBlocks)),
    debug,
    slots,
    slotBytes,
    links,
    ledger,
    blocks,
    bytes: blocks + maxBlocks * strideBytes,
  };
}

/**
 * Writes an empty pool into zeroed memory; last of all that it is ready.
 * @param ordinal how many pools the arena had before: pools that are near each other get different tags.
 */
export function writeLayout(words: Int32Array, layout: PoolLayout, ordinal: number): void {
  words[Word.blockBytes] = layout.blockBytes;
  words[Word.strideBytes] = layout.strideBytes;
  words[Word.slabBlocks] = layout.slabBlocks;
  words[Word.maxBlocks] = layout.maxBlocks;
  words[Word.magazineBlocks] = layout.magazineBlocks;
  words[Word.maxThreads] = layout.maxThreads;
  words[Word.indexMask] = (1 << layout.indexBits) - 1;
  words[Word.firstHandle] = (1 + (ordinal % TAGS)) << layout.indexBits;
  words[Word.debug] = layout.debug ? 1 : 0;
  words[Word.slots] = layout.slots;
  words[Word.links] = layout.links;
  words[Word.ledger] = layout.ledger;
  words[Word.blocks] = layout.blocks;
  words[Word.slotBytes] = layout.slotBytes;
  words[Word.headHandle] = NONE;
  for (let i = 0; i < layout.maxThreads; i++) {
    const slot = (layout.slots + i * layout.slotBytes) / 4;
    words[slot + SlotWord.pending] = NONE;
    words[slot + SlotWord.bottom] = NONE;
  }
  Atomics.store(words, Word.magic, MAGIC);
}

function whole(pool: string, key: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new EscError(
    "ESC_POOL_OPTIONS",
    `Pool "${pool}": ${key} is a whole number from ${min} to ${max}, not ${value}.`,
  );
}

function aligned(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
