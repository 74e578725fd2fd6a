/**
 * One shared `WebAssembly.Memory`, cut into named regions.
 *
 * Every thread of a process attaches to the same arena by its handle and finds a region by name, so that no address
 * ever travels between packages. Regions are never freed: an arena lives as long as what is built on it, and what
 * outlives its slot belongs into a pool, not here.
 *
 * Directory (at address 0, one writer at a time by a lock word, readable by anyone without it):
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | u32 | magic `ESC1` |
 * | 4 | u32 | lock: 0 free, 1 held |
 * | 8 | u32 | address of the next free byte |
 * | 12 | u32 | bytes of the arena |
 * | 16 | u32 | regions in the directory, stored last |
 * | 128 + 64·i | 48 B | name of region i, UTF-8, zero padded |
 * | 128 + 64·i + 48 | u32 ×2 | its address and its length in bytes |
 */
import { ArenaError } from "./arena-error.ts";

const MAGIC = 0x31435345;
const LOCK = 1;
const NEXT = 2;
const BYTES = 3;
const COUNT = 4;
const ENTRY_START = 128;
const ENTRY_BYTES = 64;
const NAME_BYTES = 48;
const MAX_REGIONS = 4_095;
const DIRECTORY_BYTES = ENTRY_START + MAX_REGIONS * ENTRY_BYTES;
const PAGE = 65_536;
/** Two cache lines: the adjacent-line prefetcher of x86 pairs them, so one line apart still shares. */
const DEFAULT_ALIGN = 128;
const MAX_BYTES = 65_535 * PAGE;

/** What crosses to another thread, by `workerData` or `postMessage`. Opaque. */
export interface ArenaHandle {
  readonly memory: WebAssembly.Memory;
}

export interface ArenaOptions {
  /** Bytes for all regions together, 1 to 4,294,574,016. The directory (256 KiB) comes on top. Untouched pages cost no memory. */
  readonly bytes: number;
}

/** Where a region starts in its arena's memory: for the faces of kernels (`@esc/arena/kernel`). */
export let regionAddress: (region: Region) => number;

/** A named piece of an arena. */
export class Region {
  readonly name: string;
  readonly byteLength: number;
  readonly #memory: WebAssembly.Memory;
  readonly #address: number;

  static {
    regionAddress = (region) => region.#address;
  }

  /** @internal Arenas cut them. */
  constructor(memory: WebAssembly.Memory, name: string, address: number, byteLength: number) {
    this.#memory = memory;
    this.name = name;
    this.#address = address;
    this.byteLength = byteLength;
  }

  /**
   * The region's bytes, shared with every other thread. Allocates the array's header. For numbers:
   * `new Int32Array(bytes.buffer, bytes.byteOffset, length)`.
   */
  get bytes(): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.#memory.buffer as unknown as SharedArrayBuffer, this.#address, this.byteLength);
  }
}

/** A line of {@link Arena.regions}. */
export interface RegionUse {
  readonly name: string;
  readonly byteLength: number;
}

export class Arena {
  /** The shared memory itself: what a kernel is instantiated over. */
  readonly memory: WebAssembly.Memory;
  /** @internal The kernels that run over it in this thread, by their bytes; see `loadKernel`. */
  readonly kernels = new Map<string, WebAssembly.Exports>();
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  private constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /**
   * Makes a new arena. Any thread.
   * @throws ArenaError `ESC_ARENA_SIZE` when `bytes` is not a whole number in range.
   */
  static create(options: ArenaOptions): Arena {
    const { bytes } = options;
    if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes + DIRECTORY_BYTES + PAGE > MAX_BYTES) {
      throw new ArenaError(
        "ESC_ARENA_SIZE",
        `An arena takes 1 to ${MAX_BYTES - DIRECTORY_BYTES - PAGE} bytes, not ${bytes}.`,
      );
    }
    const pages = Math.ceil((align(DIRECTORY_BYTES, DEFAULT_ALIGN) + bytes) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const arena = new Arena(memory);
    arena.#words[NEXT] = align(DIRECTORY_BYTES, DEFAULT_ALIGN);
    arena.#words[BYTES] = pages * PAGE;
    Atomics.store(arena.#words, 0, MAGIC);
    return arena;
  }

  /**
   * The same arena in another thread.
   * @throws ArenaError `ESC_ARENA_HANDLE` when the value is not a handle of an arena.
   */
  static attach(handle: ArenaHandle): Arena {
    const memory = handle?.memory;
    if (!(memory instanceof WebAssembly.Memory) || !(memory.buffer instanceof SharedArrayBuffer)) {
      throw new ArenaError(
        "ESC_ARENA_HANDLE",
        "Arena.attach takes the handle of an arena, as `arena.handle` gives it.",
      );
    }
    const arena = new Arena(memory);
    if (Atomics.load(arena.#words, 0) !== MAGIC) {
      throw new ArenaError("ESC_ARENA_HANDLE", "That memory is shared, but no arena was made in it.");
    }
    return arena;
  }

  /** What another thread attaches by. */
  get handle(): ArenaHandle {
    return { memory: this.memory };
  }

  /** Bytes that no region has yet. */
  get freeBytes(): number {
    return unsigned(this.#words, BYTES) - unsigned(this.#words, NEXT);
  }

  /**
   * Cuts a region of zeros. Any thread; not for a hot path (takes the directory's lock).
   * @param name 1 to 48 bytes of UTF-8, unused so far.
   * @param bytes length, 1 or more.
   * @param alignment a power of two; 128 unless given, so that no two regions share a line or a prefetched pair.
   * @throws ArenaError `ESC_ARENA_EXHAUSTED`, `ESC_ARENA_REGION_EXISTS`, `ESC_ARENA_REGION_NAME`, `ESC_ARENA_SIZE`.
   */
  allocate(name: string, bytes: number, alignment: number = DEFAULT_ALIGN): Region {
    const encoded = new TextEncoder().encode(name);
    if (encoded.length === 0 || encoded.length > NAME_BYTES) {
      throw new ArenaError(
        "ESC_ARENA_REGION_NAME",
        `A region's name takes 1 to ${NAME_BYTES} bytes, "${name}" has ${encoded.length}.`,
      );
    }
    if (!Number.isSafeInteger(bytes) || bytes < 1 || alignment < 1 || (alignment & (alignment - 1)) !== 0) {
      throw new ArenaError("ESC_ARENA_SIZE", `Region "${name}": ${bytes} bytes aligned to ${alignment} can't be cut.`);
    }
    this.#lock();
    try {
      if (this.#find(name) !== undefined) {
        throw new ArenaError(
          "ESC_ARENA_REGION_EXISTS",
          `The arena has a region "${name}" already; find it with region().`,
        );
      }
      const count = this.#words[COUNT] as number;
      const address = align(unsigned(this.#words, NEXT), alignment);
      const end = address + bytes;
      if (end > unsigned(this.#words, BYTES) || count === MAX_REGIONS) {
        throw new ArenaError(
          "ESC_ARENA_EXHAUSTED",
          `Region "${name}" needs ${bytes} bytes; ${this.freeBytes} are free of ${unsigned(this.#words, BYTES)}, in ${count} of ${MAX_REGIONS} regions. Create the arena larger.`,
        );
      }
      const entry = ENTRY_START + count * ENTRY_BYTES;
      this.#bytes.set(encoded, entry);
      this.#words[(entry + NAME_BYTES) / 4] = address;
      this.#words[(entry + NAME_BYTES) / 4 + 1] = bytes;
      this.#words[NEXT] = end;
      Atomics.store(this.#words, COUNT, count + 1);
      return new Region(this.memory, name, address, bytes);
    } finally {
      Atomics.store(this.#words, LOCK, 0);
      Atomics.notify(this.#words, LOCK, 1);
    }
  }

  /**
   * The region of that name, cut where there is none yet: for what a thread needs that may follow one which has ended.
   * Threads that ask at the same time for the same name must agree on whose it is by other means.
   * @throws ArenaError `ESC_ARENA_REGION_EXISTS` when there is one of another length; what {@link allocate} throws.
   */
  ensure(name: string, bytes: number, alignment: number = DEFAULT_ALIGN): Region {
    const found = this.#find(name);
    if (found === undefined) return this.allocate(name, bytes, alignment);
    if (found.byteLength === bytes) return found;
    throw new ArenaError(
      "ESC_ARENA_REGION_EXISTS",
      `The arena has a region "${name}" of ${found.byteLength} bytes, not ${bytes}.`,
    );
  }

  /**
   * Finds a region that any thread has cut.
   * @throws ArenaError `ESC_ARENA_REGION_UNKNOWN` when there is none of that name.
   */
  region(name: string): Region {
    const found = this.#find(name);
    if (found === undefined) {
      const known = this.regions().map((region) => region.name);
      throw new ArenaError(
        "ESC_ARENA_REGION_UNKNOWN",
        `The arena has no region "${name}". It has: ${known.join(", ") || "none"}.`,
      );
    }
    return found;
  }

  /** All regions in the order they were cut: for diagnostics. */
  regions(): RegionUse[] {
    const all: RegionUse[] = [];
    for (let i = 0; i < Atomics.load(this.#words, COUNT); i++) {
      const { name, byteLength } = this.#entry(i);
      all.push({ name, byteLength });
    }
    return all;
  }

  #entry(index: number): Region {
    const entry = ENTRY_START + index * ENTRY_BYTES;
    // TextDecoder refuses shared memory: slice() copies the 48 bytes out.
    const raw = this.#bytes.slice(entry, entry + NAME_BYTES);
    const end = raw.indexOf(0);
    const name = new TextDecoder().decode(end < 0 ? raw : raw.subarray(0, end));
    const place = (entry + NAME_BYTES) / 4;
    return new Region(this.memory, name, unsigned(this.#words, place), unsigned(this.#words, place + 1));
  }

  #find(name: string): Region | undefined {
    for (let i = 0; i < Atomics.load(this.#words, COUNT); i++) {
      const entry = this.#entry(i);
      if (entry.name === name) return entry;
    }
    return undefined;
  }

  /** Spins: the lock is held for a microsecond, and the main thread of some hosts may not block. */
  #lock(): void {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) {
      // Another thread cuts a region right now.
    }
  }
}

function align(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function unsigned(words: Int32Array, index: number): number {
  return (words[index] as number) >>> 0;
}
