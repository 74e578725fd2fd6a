// What the explorer puts behind every access to memory of a model. Compiled together with the model; the rewriting in
// `instrument.mjs` turns each access into a call of one of these, and Asyncify lets `step` suspend the thread inside.
//
// Memory of an exploration. Only what lies from MODEL on is state; the rest says things about all states.
//
// | offset | size | what |
// |---|---|---|
// | 0 | 64 B | control words, below |
// | 64 | 16 B | where a load finds its bytes when some are still in the thread's store buffer |
// | 0x10000 | u32 each 4 bytes of the model | bits 0–7 threads that read them, 8–15 threads that wrote them, flags |
// | 0x20000 | 16 B each changed word | u32 address, u32 0, u64 its value after `setup`; in the order of the first change |
// | MODEL = 0x40000 | up to 64 KiB | the model's own memory |
// | behind it, aligned to 16 | AREA_BYTES + stack | one area for each thread |
// | behind them | | saved states, last in, first out |
//
// Thread's area:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | 0 can go on, 1 done, 2 sleeps in wait, 3 at its end but its buffer isn't empty |
// | 4 | u32 ×2 | site and address of the step it is suspended before |
// | 12 | u32 | 1 when that step needs an empty store buffer |
// | 16 | u32 | stores in the buffer |
// | 20 | u32 | its turn among the sleepers, from 1 |
// | 24 | u32 | 1 when its wait has a time-out |
// | 28 | u32 | what the wait returns: 0 woken, 2 timed out |
// | 32 + 32·i | | buffered store i of 8: u32 address, u32 bytes, 8 unused, 16 B value; by address, then by age |
// | 288 | u32 ×2 | Asyncify's stack: top, limit |
// | 296 | | the stack; zero behind its top, so that equal states have equal bytes |

const THREAD_BIT: usize = 0;
const AREA: usize = 4;
const MODEL_END: usize = 8;
const FUEL: usize = 12;
const IN_BLOCK: usize = 16;
const CHANGED: usize = 20;
const CONFLICTS: usize = 24;
const TRACING: usize = 28;
const HASH: usize = 32;
const FIRST_AREA: usize = 48;
const AREA_STRIDE: usize = 52;
const THREADS: usize = 56;
const SCRATCH: usize = 64;
const TABLE: usize = 0x10000;
const CHANGES: usize = 0x20000;
const MODEL: usize = 0x40000;

const STATUS: usize = 0;
const SITE: usize = 4;
const ADDRESS: usize = 8;
const DRAIN: usize = 12;
const BUFFERED_STORES: usize = 16;
const TURN: usize = 20;
const TIMED: usize = 24;
const WOKEN: usize = 28;
const BUFFER: usize = 32;
const BUFFER_ENTRY: usize = 32;
const BUFFER_SIZE: u32 = 8;
const STACK_TOP: usize = 288;

const READY: u32 = 0;
const WAITING: u32 = 2;

const SHARED: u32 = 1 << 16; // accesses are steps
const BUFFERED: u32 = 1 << 17; // plain stores go through the store buffer
const SPLIT: u32 = 1 << 18; // each plain access is a step of its own
const DIRTY: u32 = 1 << 19; // its word is among the changed ones
const CONFLICT: u32 = 1 << 20; // will be SHARED in the next run

// @ts-ignore: decorator
@external("explore", "step")
declare function step(): void;
// @ts-ignore: decorator
@external("explore", "refuse")
declare function refuse(reason: i32, site: u32, address: usize): void;
// @ts-ignore: decorator
@external("explore", "trace")
declare function trace(site: u32, address: usize, a: u64, b: u64, c: u64): void;

// --- who touches what ---

/** Notes an access; returns the flags of what it touches. */
function mark(site: u32, address: usize, size: u32, write: bool): u32 {
  if (address < MODEL || address + size > <usize>load<u32>(MODEL_END)) refuse(0, site, address);
  let entry = TABLE + (((address - MODEL) >> 2) << 2);
  const last = TABLE + (((address + size - 1 - MODEL) >> 2) << 2);
  const seen = load<u32>(THREAD_BIT) << (write ? 8 : 0);
  let flags: u32 = 0;
  do {
    let e = load<u32>(entry);
    if ((e & seen) != seen) e = note(entry, e | seen, write);
    flags |= e;
    entry += 4;
  } while (entry <= last);
  return flags;
}

function note(entry: usize, e: u32, write: bool): u32 {
  const writers = (e >>> 8) & 255;
  if (writers != 0 && popcnt((e & 255) | writers) > 1 && !(e & (SHARED | CONFLICT))) {
    e |= CONFLICT;
    store<u32>(CONFLICTS, load<u32>(CONFLICTS) + 1);
  }
  if (write && !(e & DIRTY)) {
    e |= DIRTY;
    const word = entry & ~7;
    store<u32>(word, load<u32>(word) | DIRTY);
    store<u32>(word + 4, load<u32>(word + 4) | DIRTY);
    const changed = load<u32>(CHANGED);
    const change = CHANGES + (<usize>changed << 4);
    const address = MODEL + (word - TABLE);
    store<u32>(change, <u32>address);
    store<u64>(change + 8, load<u64>(address));
    store<u32>(CHANGED, changed + 1);
  }
  store<u32>(entry, e);
  return e;
}

/** A read by the check of every state, which counts as one more thread. */
export function exploreObserve(address: usize, size: u32): void {
  mark(0, address, size, false);
}

/** Suspends before a step. A thread that has run long enough without one is suspended too: it may spin. */
function pause(site: u32, address: usize, drain: u32): void {
  const area = <usize>load<u32>(AREA);
  if (area == 0) return; // setup
  store<u32>(area + SITE, site);
  store<u32>(area + ADDRESS, <u32>address);
  store<u32>(area + DRAIN, drain);
  step();
}

function spent(): bool {
  const fuel = load<u32>(FUEL);
  store<u32>(FUEL, fuel - 1);
  return fuel == 0;
}

function bufferedStores(): u32 {
  const area = <usize>load<u32>(AREA);
  return area == 0 ? 0 : load<u32>(area + BUFFERED_STORES);
}

// --- accesses; each returns the address to use ---

export function exploreAtomicLoad(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, false);
  if ((flags & SHARED) != 0 || spent()) pause(site, address, 0);
  return flags & BUFFERED ? forwarded(address, size) : address;
}

/** Stores, read-modify-writes, compare-and-swaps. */
export function exploreAtomicWrite(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, true);
  if ((flags & SHARED) != 0 || bufferedStores() > 0 || spent()) pause(site, address, 1);
  return address;
}

export function explorePlainLoad(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, false);
  beforePlain(site, address, flags);
  return flags & BUFFERED ? forwarded(address, size) : address;
}

export function explorePlainStore(site: u32, address: usize, size: u32): usize {
  const flags = mark(site, address, size, true);
  // Nobody else sees a buffered store, so it isn't a step; its flush is.
  if ((flags & (SHARED | BUFFERED)) == (SHARED | BUFFERED) && load<u32>(AREA) != 0) return buffer(site, address, size);
  beforePlain(site, address, flags);
  return address;
}

function beforePlain(site: u32, address: usize, flags: u32): void {
  const tired = spent();
  if (flags & SHARED) {
    if ((flags & SPLIT) != 0 || load<u32>(IN_BLOCK) == 0 || tired) pause(site, address, 0);
    store<u32>(IN_BLOCK, 1);
  } else if (tired) pause(site, address, 0);
}

export function exploreCopy(site: u32, to: usize, from: usize, n: u32): void {
  const backward = to > from;
  let left = n;
  while (left > 0) {
    const size: u32 = left >= 8 ? 8 : 1;
    left -= size;
    const at = backward ? left : n - left - size;
    const source = explorePlainLoad(site, from + at, size);
    const value = size == 8 ? load<u64>(source) : <u64>load<u8>(source);
    const target = explorePlainStore(site, to + at, size);
    if (size == 8) store<u64>(target, value);
    else store<u8>(target, <u8>value);
    if (load<u32>(TRACING)) trace(site, to + at, value, 0, 0);
  }
}

export function exploreFill(site: u32, to: usize, value: u32, n: u32): void {
  for (let at: u32 = 0; at < n; at++) {
    store<u8>(explorePlainStore(site, to + at, 1), <u8>value);
    if (load<u32>(TRACING)) trace(site, to + at, value & 255, 0, 0);
  }
}

// --- the store buffer ---

/** Room for a store's value, behind the older ones to the same address. */
function buffer(site: u32, address: usize, size: u32): usize {
  const area = <usize>load<u32>(AREA);
  const count = load<u32>(area + BUFFERED_STORES);
  if (count == BUFFER_SIZE) refuse(1, site, address);
  const first = area + BUFFER;
  let entry = first + <usize>count * BUFFER_ENTRY;
  while (entry > first) {
    const older = entry - BUFFER_ENTRY;
    const at = <usize>load<u32>(older);
    const bytes = load<u32>(older + 4);
    if (at < address + size && address < at + bytes && (at != address || bytes != size)) refuse(2, site, address);
    if (at <= address) break;
    memory.copy(entry, older, BUFFER_ENTRY);
    entry = older;
  }
  memory.fill(entry, 0, BUFFER_ENTRY);
  store<u32>(entry, <u32>address);
  store<u32>(entry + 4, size);
  store<u32>(area + BUFFERED_STORES, count + 1);
  return entry + 16;
}

/** Where a load of the thread's own finds its bytes: in memory, or in a copy with its buffered stores laid over it. */
function forwarded(address: usize, size: u32): usize {
  const count = bufferedStores();
  if (count == 0) return address;
  const first = <usize>load<u32>(AREA) + BUFFER;
  memory.copy(SCRATCH, address, size);
  for (let i: u32 = 0; i < count; i++) {
    const entry = first + <usize>i * BUFFER_ENTRY;
    const at = <usize>load<u32>(entry);
    const from = max(at, address);
    const to = min(at + load<u32>(entry + 4), address + size);
    if (from < to) memory.copy(SCRATCH + (from - address), entry + 16 + (from - at), to - from);
  }
  return SCRATCH;
}

// --- wait and notify ---

export function exploreWait(site: u32, address: usize, size: u32, expected: u64, timeout: i64): i32 {
  const area = <usize>load<u32>(AREA);
  if (area == 0) refuse(3, site, address);
  mark(site, address, size, false);
  pause(site, address, 1);
  const value = size == 4 ? <u64>load<u32>(address) : load<u64>(address);
  if (load<u32>(TRACING)) trace(site, address, expected, value, 0);
  if (value != expected) return 1;
  let sleepers: u32 = 0;
  for (let i: u32 = 0; i < load<u32>(THREADS); i++) sleepers += u32(load<u32>(areaOf(i) + STATUS) == WAITING);
  store<u32>(area + STATUS, WAITING);
  store<u32>(area + TURN, sleepers + 1);
  store<u32>(area + TIMED, u32(timeout >= 0));
  pause(site, address, 0);
  const woken = load<u32>(area + WOKEN);
  store<u32>(area + WOKEN, 0);
  if (load<u32>(TRACING)) trace(site, address, expected, woken, 1);
  return woken;
}

export function exploreNotify(site: u32, address: usize, count: u32): u32 {
  mark(site, address, 4, false);
  pause(site, address, 1);
  let woken: u32 = 0;
  // In the order in which they went to sleep, as the specification says.
  for (let turn: u32 = 1; turn <= load<u32>(THREADS) && woken < count; turn++) {
    for (let i: u32 = 0; i < load<u32>(THREADS); i++) {
      const area = areaOf(i);
      if (load<u32>(area + STATUS) != WAITING || load<u32>(area + TURN) != turn || load<u32>(area + ADDRESS) != <u32>address) continue;
      wake(area, 0);
      woken++;
      turn--; // those behind have moved up
      break;
    }
  }
  if (load<u32>(TRACING)) trace(site, address, count, woken, 0);
  return woken;
}

function areaOf(thread: u32): usize {
  return <usize>load<u32>(FIRST_AREA) + <usize>(thread * load<u32>(AREA_STRIDE));
}

function wake(area: usize, result: u32): void {
  const turn = load<u32>(area + TURN);
  store<u32>(area + STATUS, READY);
  store<u32>(area + TURN, 0);
  store<u32>(area + TIMED, 0);
  store<u32>(area + WOKEN, result);
  for (let i: u32 = 0; i < load<u32>(THREADS); i++) {
    const other = areaOf(i);
    if (load<u32>(other + TURN) > turn) store<u32>(other + TURN, load<u32>(other + TURN) - 1);
  }
}

/** The wait of the thread at `area` times out. */
export function exploreTimeOut(area: usize): void {
  wake(area, 2);
}

// --- states ---

// @ts-ignore: decorator
@inline
function mixed(x: u64): u64 {
  x ^= x >>> 32;
  x *= 0xd6e8feb86659fd93;
  x ^= x >>> 29;
  x *= 0xa0761d6478bd642f;
  return x ^ (x >>> 32);
}

/** Hashes the state into 128 bits: the sum, over the words that differ from their first value, of each mixed twice. */
export function exploreHash(): void {
  let low: u64 = 0;
  let high: u64 = 0;
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  for (let change = CHANGES; change < end; change += 16) {
    const address = load<u32>(change);
    const value = load<u64>(address);
    if (value == load<u64>(change + 8)) continue;
    low += mixed(value ^ (<u64>address * 0x9e3779b97f4a7c15));
    high += mixed((value + 0x632be59bd9b4e019) ^ (<u64>address * 0xc2b2ae3d27d4eb4f));
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const top = <usize>load<u32>(area + STACK_TOP);
    for (let address = area; address < top; address += 8) {
      const value = load<u64>(address);
      if (value == 0) continue;
      low += mixed(value ^ (<u64>address * 0x9e3779b97f4a7c15));
      high += mixed((value + 0x632be59bd9b4e019) ^ (<u64>address * 0xc2b2ae3d27d4eb4f));
    }
  }
  store<u64>(HASH, low);
  store<u64>(HASH + 8, high);
}

/** Zeroes what is left of an older, deeper stack between the new top and `from`. */
export function exploreTrim(area: usize, from: usize): void {
  const top = <usize>load<u32>(area + STACK_TOP);
  if (top < from) memory.fill(top, 0, from - top);
}

/** Writes the state at `to` (aligned to 8); returns the address behind it. */
export function exploreSave(to: usize): usize {
  const changed = load<u32>(CHANGED);
  store<u64>(to, changed);
  to += 8;
  const end = CHANGES + (<usize>changed << 4);
  for (let change = CHANGES; change < end; change += 16) {
    store<u64>(to, load<u64>(load<u32>(change)));
    to += 8;
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const size = (<usize>load<u32>(area + STACK_TOP) - area + 7) & ~7;
    store<u64>(to, size);
    memory.copy(to + 8, area, size);
    to += 8 + size;
  }
  return to;
}

export function exploreRestore(from: usize): void {
  const saved = CHANGES + (<usize>load<u32>(from) << 4);
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  from += 8;
  for (let change = CHANGES; change < end; change += 16) {
    if (change < saved) {
      store<u64>(load<u32>(change), load<u64>(from));
      from += 8;
    } else {
      store<u64>(load<u32>(change), load<u64>(change + 8)); // first changed since
    }
  }
  const threads = load<u32>(THREADS);
  for (let i: u32 = 0; i < threads; i++) {
    const area = areaOf(i);
    const top = <usize>load<u32>(area + STACK_TOP);
    const size = <usize>load<u32>(from);
    memory.copy(area, from + 8, size);
    if (area + size < top) memory.fill(area + size, 0, top - area - size);
    from += 8 + size;
  }
}

/** Back to what `setup` left, with no thread begun. */
export function exploreReset(stackBytes: u32): void {
  const end = CHANGES + (<usize>load<u32>(CHANGED) << 4);
  for (let change = CHANGES; change < end; change += 16) store<u64>(load<u32>(change), load<u64>(change + 8));
  for (let i: u32 = 0; i < load<u32>(THREADS); i++) {
    const area = areaOf(i);
    memory.fill(area, 0, load<u32>(AREA_STRIDE));
    store<u32>(area + STACK_TOP, <u32>(area + STACK_TOP + 8));
    store<u32>(area + STACK_TOP + 4, <u32>(area + STACK_TOP + 8) + stackBytes);
  }
}
