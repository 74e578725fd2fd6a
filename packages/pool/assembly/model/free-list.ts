// Threads that move blocks between the shared list and their magazines, for the explorer: the list is the kernel's own.
//
// | offset | what |
// |---|---|
// | 0–260 | the pool, as `free-list.ts` has it |
// | 264 | its links, 4 words |
// | 280 | whose block i is, 4 words: 0 nobody's, else thread + 1 |
// | 296 | 1 once a thread found the pool empty |
// | 304 + 96·t | slot of thread t |
//
// Handles have no generation here, as if it had wrapped around in the meantime: what tells the heads apart is the tag.

import { COUNT, FIRST_HANDLE, FRESH, HEAD, INDEX_MASK, LINKS, MAGAZINE, MAX_BLOCKS, NONE, SLAB_BLOCKS, give, take } from "../free-list";

const LINKS_AT: u32 = 264;
const OWNERS: usize = 280;
const FOUND_EMPTY: usize = 296;
const SLOTS: usize = 304;
const SLOT: usize = 96;

/** Blocks 0 and 1 are in the list, 0 on top; the others are fresh, two to a slab. */
export function setup(base: usize): void {
  store<u32>(base + SLAB_BLOCKS, 2);
  store<u32>(base + MAX_BLOCKS, 3);
  store<u32>(base + INDEX_MASK, 3);
  store<u32>(base + FIRST_HANDLE, 0);
  store<u32>(base + LINKS, LINKS_AT);
  store<u64>(base + HEAD, <u64>NONE);
  take(base, base + SLOTS, 2);
  give(base, base + SLOTS, 2);
}

/**
 * `rounds` times: takes up to `want` blocks, uses them, and gives `returned` of them back, the first taken first, as a
 * user may release in any order. Blocks that it doesn't give back stay in the magazine.
 */
export function turnOver(base: usize, thread: u32, rounds: u32, want: u32, returned: u32): void {
  const slot = base + SLOTS + thread * SLOT;
  for (let round: u32 = 0; round < rounds; round++) {
    const before = load<u32>(slot + COUNT);
    const taken = take(base, slot, want);
    if (taken == 0) store<u32>(base + FOUND_EMPTY, 1);
    for (let i = before; i < before + taken; i++) own(base, load<u32>(slot + MAGAZINE + (i << 2)), thread);
    reverse(slot);
    const count = load<u32>(slot + COUNT);
    const given = min(returned, count);
    for (let i = count - given; i < count; i++) disown(base, load<u32>(slot + MAGAZINE + (i << 2)), thread);
    if (given > 0) give(base, slot, given);
  }
}

function own(base: usize, block: u32, thread: u32): void {
  if (load<u32>(base + OWNERS + (block << 2)) != 0) unreachable();
  store<u32>(base + OWNERS + (block << 2), thread + 1);
}

function disown(base: usize, block: u32, thread: u32): void {
  if (load<u32>(base + OWNERS + (block << 2)) != thread + 1) unreachable();
  store<u32>(base + OWNERS + (block << 2), 0);
}

function reverse(slot: usize): void {
  const count = load<u32>(slot + COUNT);
  for (let i: u32 = 0; i < count / 2; i++) {
    const low = slot + MAGAZINE + (i << 2);
    const high = slot + MAGAZINE + ((count - 1 - i) << 2);
    const block = load<u32>(low);
    store<u32>(low, load<u32>(high));
    store<u32>(high, block);
  }
}
