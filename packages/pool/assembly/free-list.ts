// The shared part of a pool: a stack of free blocks (R. K. Treiber, "Systems programming: coping with parallelism",
// 1986) and a mark behind which no block was ever handed out. Threads move blocks between it and their magazines, many
// at a time, one compare-and-swap a time.
//
// A free block is a handle: the block's index in the low bits, then the pool's tag, then the generation that the block
// will have when it is next handed out. The stack's links are an array beside the blocks and not words in them, so that
// a user who writes into a block it has released can't break the stack.
//
// Pool (offsets from its address; the words before 128 are written once, at creation):
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | magic, stored last |
// | 4 | u32 ×3 | bytes of a block as asked for, its stride (a multiple of 8), blocks of a slab |
// | 16 | u32 ×3 | blocks at most, blocks of a magazine, threads at most |
// | 28 | u32 ×3 | index mask (2^n - 1), handle of block 0 in generation 0, 1 when a ledger is kept |
// | 40 | u32 ×4 | offsets of the slots, the links, the ledger, the blocks |
// | 56 | u32 | bytes from one slot to the next |
// | 128 | u64 | head: low half the handle on top or NONE, high half a tag that every change adds 1 to |
// | 256 | u32 | fresh: blocks from this index on were never handed out |
//
// Slot of a thread (`slots` + thread × slot bytes):
//
// | offset | size | field |
// |---|---|---|
// | 0 | i32 | owner: thread id + 1, or 0 |
// | 4 | i32 | blocks in the magazine |
// | 8 | f64 ×5 | blocks acquired, blocks released, refills, flushes, acquisitions that failed |
// | 48 | i32 | in debug mode: the handle that a release is about to put into the magazine, or NONE |
// | 60 | i32 | NONE, always: what lies under the magazine's bottom |
// | 64 | i32 × (magazine + 1) | the magazine: free blocks' handles, the top last |

export const SLAB_BLOCKS: usize = 12;
export const MAX_BLOCKS: usize = 16;
export const INDEX_MASK: usize = 28;
export const FIRST_HANDLE: usize = 32;
export const LINKS: usize = 44;
export const HEAD: usize = 128;
export const FRESH: usize = 256;
export const COUNT: usize = 4;
export const MAGAZINE: usize = 64;
export const NONE: u32 = 0xffffffff;

/** Where the link of a free block lies: the handle under it in the stack. */
// @ts-ignore: decorator
@inline
function linkOf(pool: usize, handle: u32): usize {
  return pool + <usize>load<u32>(pool + LINKS) + (<usize>(handle & load<u32>(pool + INDEX_MASK)) << 2);
}

/**
 * The head after a change: another handle on top, and the tag one higher. The tag is what keeps a thread that slept
 * between its load and its compare-and-swap from taking a stack that was changed and changed back for the one it saw
 * (ABA); for it to fail, a thread has to sleep through a multiple of 2^32 changes.
 */
// @ts-ignore: decorator
@inline
function headAfter(head: u64, top: u32): u64 {
  return (((head >> 32) + 1) << 32) | <u64>top;
}

/**
 * Moves up to `want` free blocks into the magazine; the magazine has the room. Blocks that were in use before go first,
 * fresh ones only when there are none; never over the end of a slab, so a slab is begun when the one before is used up.
 *
 * A thread can be ended at any loop's head or call, not between them. So handles are copied into the magazine above its
 * count first, where they mean nothing; the compare-and-swap and the count follow each other. Whenever the thread ends,
 * a block is in the list or in the magazine.
 * @returns how many; 0 when the list is empty and all blocks were handed out, at one moment.
 */
export function take(pool: usize, slot: usize, want: u32): u32 {
  const count = load<u32>(slot + COUNT);
  const to = slot + MAGAZINE + (<usize>count << 2);
  while (true) {
    // Fresh before head: `fresh` only grows, so when it is at the limit here it still is when the head is found empty.
    const fresh = atomic.load<u32>(pool + FRESH);
    const head = atomic.load<u64>(pool + HEAD);
    let handle = <u32>head;
    let taken: u32 = 0;
    if (handle != NONE) {
      do {
        store<u32>(to + (<usize>taken << 2), handle);
        taken++;
        // May be another thread's by now, and its link anything: then the head has changed too, and the swap fails.
        handle = load<u32>(linkOf(pool, handle));
      } while (taken < want && handle != NONE);
      if (atomic.cmpxchg<u64>(pool + HEAD, head, headAfter(head, handle)) == head) {
        store<u32>(slot + COUNT, count + taken);
        return taken;
      }
      continue;
    }
    const limit = load<u32>(pool + MAX_BLOCKS);
    if (fresh == limit) return 0;
    const slab = load<u32>(pool + SLAB_BLOCKS);
    const end = min(limit, (fresh / slab + 1) * slab);
    const first = load<u32>(pool + FIRST_HANDLE);
    const last = min(end, fresh + want);
    for (let index = fresh; index < last; index++) {
      store<u32>(to + (<usize>taken << 2), first + index);
      taken++;
    }
    if (atomic.cmpxchg<u32>(pool + FRESH, fresh, last) == fresh) {
      store<u32>(slot + COUNT, count + taken);
      return taken;
    }
  }
}

/** Moves the top `blocks` blocks of the magazine into the list, in one piece; 1 or more. */
export function give(pool: usize, slot: usize, blocks: u32): void {
  const count = load<u32>(slot + COUNT);
  const from = slot + MAGAZINE + (<usize>(count - blocks) << 2);
  const top = load<u32>(from);
  let last = top;
  for (let i: u32 = 1; i < blocks; i++) {
    const handle = load<u32>(from + (<usize>i << 2));
    store<u32>(linkOf(pool, last), handle);
    last = handle;
  }
  for (;;) {
    const head = atomic.load<u64>(pool + HEAD);
    store<u32>(linkOf(pool, last), <u32>head);
    if (atomic.cmpxchg<u64>(pool + HEAD, head, headAfter(head, top)) == head) {
      store<u32>(slot + COUNT, count - blocks);
      return;
    }
  }
}
