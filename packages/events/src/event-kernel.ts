/** The kernel face of this package: CRC tables in an arena, CRC-32 and topic hash over an arena's bytes. */
import type { Arena, Region } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { kernelBase64 } from "./kernel.generated.ts";

interface EventExports {
  initCrcTable(table: number): void;
  crc32Of(table: number, address: number, length: number): number;
  hashTopicOf(address: number, length: number): number;
  validUtf8(address: number, length: number): number;
  matchesPattern(pattern: number, patternLength: number, topic: number, topicLength: number): number;
}

const TABLE_NAME = "events.crc-table";
const TABLE_BYTES = 16_384;

/** Cuts and fills the CRC tables (16 KiB) that every kernel of the arena uses. Once per arena, before other threads attach. */
export function createCrcTable(arena: Arena): Region {
  const region = arena.allocate(TABLE_NAME, TABLE_BYTES);
  loadKernel<EventExports>(kernelBase64, arena).initCrcTable(regionAddress(region));
  return region;
}

/** The arena's CRC tables. @throws ArenaError `ESC_ARENA_REGION_UNKNOWN` before {@link createCrcTable}. */
export function crcTable(arena: Arena): Region {
  return arena.region(TABLE_NAME);
}

/** What kernels compute, callable from TypeScript over copies in a scratch region: for tools and tests, not per event. */
export class EventKernel {
  readonly #kernel: EventExports;
  readonly #table: number;
  readonly #scratch: Uint8Array;
  readonly #address: number;

  /**
   * @param arena one with CRC tables.
   * @param scratchBytes the largest input of all calls.
   * @param name of the scratch region: one per instance.
   */
  constructor(arena: Arena, scratchBytes: number, name = "events.scratch") {
    const region = arena.allocate(name, scratchBytes);
    this.#kernel = loadKernel<EventExports>(kernelBase64, arena);
    this.#table = regionAddress(crcTable(arena));
    this.#address = regionAddress(region);
    this.#scratch = new Uint8Array(arena.memory.buffer, regionAddress(region), scratchBytes);
  }

  /** CRC-32 (IEEE) of the bytes from `from` on, as `zlib.crc32` has it. The kernel sees them at that alignment, too. */
  crc32(bytes: Uint8Array, from = 0): number {
    this.#scratch.set(bytes);
    return this.#kernel.crc32Of(this.#table, this.#address + from, bytes.length - from) >>> 0;
  }

  /** The topic hash that stands in every record. */
  hashTopic(topic: string): number {
    const bytes = new TextEncoder().encode(topic);
    this.#scratch.set(bytes);
    return this.#kernel.hashTopicOf(this.#address, bytes.length) >>> 0;
  }

  validUtf8(bytes: Uint8Array): boolean {
    this.#scratch.set(bytes);
    return this.#kernel.validUtf8(this.#address, bytes.length) !== 0;
  }

  /** The kernel's matcher; `TopicPattern` is the same in TypeScript, and a property test holds them together. */
  matches(pattern: string, topic: string): boolean {
    const patternBytes = new TextEncoder().encode(pattern);
    const topicBytes = new TextEncoder().encode(topic);
    this.#scratch.set(patternBytes);
    this.#scratch.set(topicBytes, patternBytes.length);
    const at = this.#address;
    return this.#kernel.matchesPattern(at, patternBytes.length, at + patternBytes.length, topicBytes.length) !== 0;
  }
}
