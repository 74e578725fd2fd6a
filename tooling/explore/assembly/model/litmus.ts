// The small programs by which memory models are told apart, and the small mistakes that an explorer must see.
//
// | offset | what |
// |---|---|
// | 0, 8 | the two words of Dekker's entry, or a flag and its data |
// | 16 | in the critical section |
// | 24 | a lock |
// | 32, 40 | 16 bytes that are copied |
// | 64 + 16·i | what thread i saw |

const FLAGS: usize = 0;
const INSIDE: usize = 16;
const LOCK: usize = 24;
const PAIR: usize = 32;
const SEEN: usize = 64;

export function setup(base: usize): void {}

// --- Dekker: each raises its flag and enters if the other's is down ---

export function enterAtomically(base: usize, me: usize): void {
  atomic.store<u32>(base + FLAGS + 8 * me, 1);
  enterIfAlone(base, me);
}

export function enterByPlainStore(base: usize, me: usize): void {
  store<u32>(base + FLAGS + 8 * me, 1);
  enterIfAlone(base, me);
}

export function enterByExchange(base: usize, me: usize): void {
  store<u32>(base + FLAGS + 8 * me, 1);
  atomic.xchg<u32>(base + LOCK + 4 * me, 1);
  enterIfAlone(base, me);
}

function enterIfAlone(base: usize, me: usize): void {
  if (atomic.load<u32>(base + FLAGS + 8 * (1 - me)) != 0) return;
  atomic.add<u32>(base + INSIDE, 1);
  atomic.sub<u32>(base + INSIDE, 1);
}

// --- message passing: data, then a flag ---

export function sendPlainly(base: usize): void {
  store<u64>(base + FLAGS, 42);
  store<u32>(base + FLAGS + 8, 1);
}

export function send(base: usize): void {
  store<u64>(base + FLAGS, 42);
  atomic.store<u32>(base + FLAGS + 8, 1);
}

export function receive(base: usize): void {
  while (atomic.load<u32>(base + FLAGS + 8) == 0) {}
  store<u64>(base + SEEN, load<u64>(base + FLAGS));
}

/** Two stores to one address and a load of its own between them. */
export function storeTwice(base: usize): void {
  store<u32>(base + FLAGS, 1);
  store<u32>(base + SEEN, load<u32>(base + FLAGS));
  store<u32>(base + FLAGS, 2);
}

/** Sees them in their order. */
export function readTwice(base: usize): void {
  store<u32>(base + SEEN + 16, atomic.load<u32>(base + FLAGS));
  store<u32>(base + SEEN + 20, atomic.load<u32>(base + FLAGS));
}

// --- a copy that can tear ---

export function writePair(base: usize, value: u32): void {
  store<u64>(base + PAIR, value);
  store<u64>(base + PAIR + 8, value);
}

export function readPair(base: usize): void {
  memory.copy(base + SEEN, base + PAIR, 16);
}

// --- waiting ---

export function waitForFlag(base: usize, timeoutNs: i32): void {
  const woken = atomic.wait<i32>(base + FLAGS, 0, timeoutNs);
  store<i32>(base + SEEN, woken);
}

export function raiseFlagAndNotify(base: usize): void {
  atomic.store<i32>(base + FLAGS, 1);
  atomic.notify(base + FLAGS, 1);
}

export function raiseFlag(base: usize): void {
  atomic.store<i32>(base + FLAGS, 1);
}

// --- a spin lock ---

export function lockOnce(base: usize, releases: bool): void {
  while (atomic.cmpxchg<u32>(base + LOCK, 0, 1) != 0) {}
  if (releases) atomic.store<u32>(base + LOCK, 0);
}

// --- what must not be ---

export function touchOutside(base: usize, offset: usize): void {
  store<u32>(base + offset, 1);
}

export function trap(base: usize): void {
  if (atomic.load<u32>(base + FLAGS) != 0) unreachable();
}
