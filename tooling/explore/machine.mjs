/**
 * The threads of a model over one small memory. A thread runs to its next step and is suspended there by Asyncify, its
 * stack in the same memory; so the memory is the whole state, and is hashed, saved and restored as such.
 *
 * Offsets: `assembly/runtime/layout.ts`.
 */
import { ModelView } from "./model-view.mjs";

export const MODEL = 0x40000;
export const MAX_MODEL_BYTES = 0x10000;
export const MAX_THREADS = 7;
const TABLE = 0x10000;
const CONTROL = { threadBit: 0, area: 1, modelEnd: 2, fuel: 3, inBlock: 4, changed: 5, conflicts: 6, tracing: 7 };
const HASH = 32;
const FIRST_AREA = 48;
const AREA_STRIDE = 52;
const THREADS = 56;
const AREA = {
  status: 0,
  site: 4,
  address: 8,
  drain: 12,
  buffered: 16,
  timed: 24,
  buffer: 32,
  stackTop: 288,
  stack: 296,
};
const ENTRY_BYTES = 32;
const SHARED = 1 << 16;
const BUFFERED = 1 << 17;
const SPLIT = 1 << 18;
const CONFLICT = 1 << 20;
/** The observer, the check of every state, is one more thread. */
const OBSERVER_BIT = 1 << MAX_THREADS;
/** Accesses that a thread makes without a step before it is suspended all the same: it may be spinning. */
const MAX_ACCESSES = 10_000;

export const READY = 0;
export const DONE = 1;
export const WAITING = 2;
export const ENDING = 3;
const statusNames = ["ready", "done", "waiting", "ending"];

/** A choice of the scheduler: thread << 4 | what. */
const RUN = 0;
const TIME_OUT = 1;
const FLUSH = 2;

export class Machine {
  /** Called for each access while tracing. */
  onAccess = undefined;
  #program;
  #memory;
  #exports;
  #threads;
  /** Calls each thread's program. */
  #programs;
  #stackBytes;
  #firstArea;
  #stride;
  #u32;
  #u8;
  #rewinding = false;

  constructor(program, { memoryBytes, threads, buffered, splitPlain, setup = [], stackBytes = 2048 }) {
    if (!(memoryBytes > 0 && memoryBytes <= MAX_MODEL_BYTES && memoryBytes % 8 === 0)) {
      throw new RangeError(`memoryBytes is ${memoryBytes}: a multiple of 8 up to ${MAX_MODEL_BYTES}`);
    }
    if (!(threads.length > 0 && threads.length <= MAX_THREADS)) {
      throw new RangeError(`${threads.length} threads: 1 to ${MAX_THREADS}`);
    }
    this.#program = program;
    this.#threads = threads;
    this.memoryBytes = memoryBytes;
    this.#stackBytes = stackBytes;
    this.#firstArea = (MODEL + memoryBytes + 15) & ~15;
    this.#stride = (AREA.stack + stackBytes + 15) & ~15;
    /** Where saved states go. */
    this.pool = this.#firstArea + threads.length * this.#stride;
    this.#memory = new WebAssembly.Memory({ initial: (this.pool >> 16) + 16, maximum: 65536 });
    this.#views();
    const u32 = this.#u32;
    u32[CONTROL.modelEnd] = MODEL + memoryBytes;
    u32[FIRST_AREA >> 2] = this.#firstArea;
    u32[AREA_STRIDE >> 2] = this.#stride;
    u32[THREADS >> 2] = threads.length;
    this.renew();
    for (const name of ["setup", ...threads.map(([program]) => program)]) {
      if (typeof this.#exports[name] !== "function") throw new TypeError(`The model exports no function ${name}`);
    }
    u32[CONTROL.fuel] = 0xffffffff;
    this.#exports.setup(MODEL, ...setup);
    u32[CONTROL.changed] = 0;
    this.#flag(buffered, BUFFERED);
    this.#flag(splitPlain, SPLIT);
  }

  #flag(ranges, flag) {
    if (!ranges) return;
    for (const [from, to] of typeof ranges[0] === "number" ? [ranges] : ranges) {
      if (from % 4 !== 0 || to % 4 !== 0 || from > to || to > this.memoryBytes) {
        throw new RangeError(`The range ${from}–${to} must lie in the model's memory and be aligned to 4`);
      }
      for (let at = from; at < to; at += 4) this.#u32[(TABLE + at) >> 2] |= flag;
    }
  }

  #views() {
    this.#u32 = new Uint32Array(this.#memory.buffer);
    this.#u8 = new Uint8Array(this.#memory.buffer);
    /** Offset of the hash in {@link words}. */
    this.hashAt = HASH >> 2;
    this.words = this.#u32;
  }

  /** Another instance over the same memory: a trap leaves the old one in the middle of something. */
  renew() {
    const imports = {
      env: { memory: this.#memory },
      explore: {
        step: () => {
          if (this.#rewinding) {
            this.#rewinding = false;
            this.#exports.asyncify_stop_rewind();
          } else {
            this.#exports.asyncify_start_unwind(this.#u32[CONTROL.area] + AREA.stackTop);
          }
        },
        refuse: (reason, site, address) => {
          throw new Error(
            `${this.#refusal(reason, address - MODEL)} (${this.#program.sites[site - 1]?.place ?? "setup"})`,
          );
        },
        trace: (site, address, a, b, c) => this.onAccess?.(this.#program.sites[site - 1], address, a, b, c),
      },
    };
    this.#exports = new WebAssembly.Instance(this.#program.module, imports).exports;
    this.#programs = this.#threads.map(([name, ...args]) => this.#exports[name]?.bind(undefined, MODEL, ...args));
    this.#rewinding = false;
    this.#u32[CONTROL.area] = 0;
  }

  #refusal(reason, offset) {
    if (reason === 0) return `An access at base + ${offset}, outside the model's ${this.memoryBytes} bytes`;
    if (reason === 1) return "More than 8 stores in one store buffer: a model for it has fewer between two atomic ones";
    if (reason === 2)
      return `Overlapping stores of different sizes in the store buffer, at base + ${offset}: narrow \`buffered\``;
    return "setup may not wait";
  }

  #areaOf(thread) {
    return this.#firstArea + thread * this.#stride;
  }

  /** Back to the state that `setup` left; then every thread runs to its first step. */
  reset() {
    this.#exports.exploreReset(this.#stackBytes);
    for (let thread = 0; thread < this.#threads.length; thread++) this.#run(thread);
  }

  /** Writes the choices of the scheduler in this state into `choices` from `at`; returns the index behind them. */
  choices(choices, at) {
    const u32 = this.#u32;
    for (let thread = 0; thread < this.#threads.length; thread++) {
      const area = this.#areaOf(thread) >> 2;
      const status = u32[area];
      const buffered = u32[area + (AREA.buffered >> 2)];
      if (status === READY && (buffered === 0 || u32[area + (AREA.drain >> 2)] === 0))
        choices[at++] = (thread << 4) | RUN;
      else if (status === WAITING && u32[area + (AREA.timed >> 2)] !== 0) choices[at++] = (thread << 4) | TIME_OUT;
      let before = 0;
      for (let i = 0; i < buffered; i++) {
        const address = u32[area + ((AREA.buffer + i * ENTRY_BYTES) >> 2)];
        // Stores to one address go out by age.
        if (address !== before) choices[at++] = (thread << 4) | (FLUSH + i);
        before = address;
      }
    }
    return at;
  }

  /** Takes a step. Throws what the thread throws. */
  perform(choice) {
    const thread = choice >> 4;
    const what = choice & 15;
    if (what === RUN) this.#run(thread);
    else if (what === TIME_OUT) this.#exports.exploreTimeOut(this.#areaOf(thread));
    else this.#flush(thread, what - FLUSH);
  }

  #run(thread) {
    const u32 = this.#u32;
    const area = this.#areaOf(thread);
    const bottom = area + AREA.stack;
    const top = u32[(area + AREA.stackTop) >> 2];
    u32[CONTROL.threadBit] = 1 << thread;
    u32[CONTROL.area] = area;
    u32[CONTROL.fuel] = MAX_ACCESSES;
    u32[CONTROL.inBlock] = 0;
    const exports = this.#exports;
    if (top !== bottom) {
      this.#rewinding = true;
      exports.asyncify_start_rewind(area + AREA.stackTop);
    }
    this.#programs[thread]();
    if (exports.asyncify_get_state() === 1) {
      if (u32[(area + AREA.stackTop) >> 2] > bottom + this.#stackBytes) {
        throw new Error(`Thread ${thread} needs a stack of more than ${this.#stackBytes} bytes: raise stackBytes`);
      }
      exports.asyncify_stop_unwind();
    } else {
      u32[area >> 2] = u32[(area + AREA.buffered) >> 2] > 0 ? ENDING : DONE;
      u32[(area + AREA.site) >> 2] = 0;
      u32[(area + AREA.address) >> 2] = 0;
      u32[(area + AREA.drain) >> 2] = 0;
    }
    exports.exploreTrim(area, top);
  }

  #flush(thread, index) {
    const area = this.#areaOf(thread);
    const { address, size, at } = this.bufferedStore(thread, index);
    this.#u8.copyWithin(address, at + 16, at + 16 + size);
    const count = --this.#u32[(area + AREA.buffered) >> 2];
    const end = area + AREA.buffer + count * ENTRY_BYTES;
    this.#u8.copyWithin(at, at + ENTRY_BYTES, end + ENTRY_BYTES);
    this.#u8.fill(0, end, end + ENTRY_BYTES);
    if (count === 0 && this.#u32[area >> 2] === ENDING) this.#u32[area >> 2] = DONE;
  }

  bufferedStore(thread, index) {
    const at = this.#areaOf(thread) + AREA.buffer + index * ENTRY_BYTES;
    return { at, address: this.#u32[at >> 2], size: this.#u32[(at >> 2) + 1] };
  }

  /** Hashes the state into four words at `words[hashAt]`. */
  hash() {
    this.#exports.exploreHash();
  }

  /** Saves the state at `to`; returns the address behind it. */
  save(to) {
    const most = 8 + 8 * this.#u32[CONTROL.changed] + this.#threads.length * (8 + this.#stride);
    const missing = to + most - this.#memory.buffer.byteLength;
    if (missing > 0) {
      this.#memory.grow(Math.max(64, Math.ceil(missing / 65536)));
      this.#views();
    }
    return this.#exports.exploreSave(to);
  }

  restore(from) {
    this.#exports.exploreRestore(from);
  }

  status(thread) {
    return this.#u32[this.#areaOf(thread) >> 2];
  }

  get statuses() {
    return this.#threads.map((_, thread) => statusNames[this.status(thread)]);
  }

  /** Words that turned out to be shared although the run took them for one thread's own. */
  get conflicts() {
    return this.#u32[CONTROL.conflicts];
  }

  /** From the next run on, accesses to those are steps. */
  shareConflicts() {
    const table = this.#u32.subarray(TABLE >> 2, (TABLE + this.memoryBytes + 4) >> 2);
    for (let i = 0; i < table.length; i++) if (table[i] & CONFLICT) table[i] = (table[i] & ~CONFLICT) | SHARED;
    this.#u32[CONTROL.conflicts] = 0;
  }

  isShared(address) {
    return (this.#u32[(TABLE + address - MODEL) >> 2] & (SHARED | CONFLICT)) !== 0;
  }

  set tracing(on) {
    this.#u32[CONTROL.tracing] = on ? 1 : 0;
  }

  /** The model's memory. What is read through an observing view counts as shared: every access to it becomes a step. */
  view(observing) {
    if (!observing) return new ModelView(this.#memory.buffer, MODEL, this.memoryBytes);
    return new ModelView(this.#memory.buffer, MODEL, this.memoryBytes, this.#exports.exploreObserve);
  }

  /** Before a check reads. */
  observe() {
    this.#u32[CONTROL.threadBit] = OBSERVER_BIT;
  }

  get buffer() {
    return this.#memory.buffer;
  }
}
