// Several producers, several consumers, numbers: Vyukov's bounded queue. Each cell has a sequence that says whose turn
// it is: at position p a producer may fill the cell when it is p, a consumer may empty it when it is p + 1.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 ×2 | capacity (a power of two), address of the cells |
// | 128 | u64 | position of the next value to be put in |
// | 256 | u64 | position of the next value to be taken out |
// | 384 | i32 | parker of threads that wait for values |
// | 512 | i32 | parker of threads that wait for space |
//
// A cell: u64 sequence, f64 value. Neighbours share a line; padding them apart would cost eight times the memory.

import { unparkAll } from "./parker";

const CAPACITY: usize = 0;
const CELLS: usize = 4;
const TAIL: usize = 128;
const HEAD: usize = 256;
const VALUES_PARKER: usize = 384;
const SPACE_PARKER: usize = 512;
export const MPMC_SLOTS_BYTES: usize = 640;
export const MPMC_CELL_BYTES: usize = 16;

/** Before any other thread has the queue. */
export function mpmcInit(q: usize, capacity: u32, cells: usize): void {
  store<u32>(q + CAPACITY, capacity);
  store<u32>(q + CELLS, <u32>cells);
  for (let i: u32 = 0; i < capacity; i++) atomic.store<u64>(cells + <usize>i * MPMC_CELL_BYTES, <u64>i);
}

// @ts-ignore: decorator
@inline
function cell(q: usize, position: u64): usize {
  return <usize>load<u32>(q + CELLS) + <usize>(<u32>position & (load<u32>(q + CAPACITY) - 1)) * MPMC_CELL_BYTES;
}

export function mpmcParker(q: usize, space: bool): usize {
  return q + (space ? SPACE_PARKER : VALUES_PARKER);
}

/** Values in the queue, those being put in or taken out included; from any thread. */
export function mpmcDepth(q: usize): u32 {
  const head = atomic.load<u64>(q + HEAD);
  const tail = atomic.load<u64>(q + TAIL);
  return tail > head ? <u32>(tail - head) : 0;
}

/** 1, or 0 when it is full. */
export function mpmcPush(q: usize, value: f64): u32 {
  let position = atomic.load<u64>(q + TAIL);
  let at = cell(q, position);
  for (;;) {
    const turn = <i64>(atomic.load<u64>(at) - position);
    if (turn < 0) return 0;
    const before = turn == 0 ? atomic.cmpxchg<u64>(q + TAIL, position, position + 1) : atomic.load<u64>(q + TAIL);
    if (turn == 0 && before == position) break;
    position = before;
    at = cell(q, position);
  }
  store<f64>(at + 8, value);
  atomic.store<u64>(at, position + 1);
  unparkAll(q + VALUES_PARKER);
  return 1;
}

/** The oldest value, NaN when there is none. */
export function mpmcPop(q: usize): f64 {
  let position = atomic.load<u64>(q + HEAD);
  let at = cell(q, position);
  for (;;) {
    const turn = <i64>(atomic.load<u64>(at) - (position + 1));
    if (turn < 0) return NaN;
    const before = turn == 0 ? atomic.cmpxchg<u64>(q + HEAD, position, position + 1) : atomic.load<u64>(q + HEAD);
    if (turn == 0 && before == position) break;
    position = before;
    at = cell(q, position);
  }
  const value = load<f64>(at + 8);
  atomic.store<u64>(at, position + <u64>load<u32>(q + CAPACITY));
  unparkAll(q + SPACE_PARKER);
  return value;
}

/** Whether a pop, or a push, would find what it needs now. */
export function mpmcReady(q: usize, space: bool): u32 {
  const position = atomic.load<u64>(q + (space ? TAIL : HEAD));
  const turn = <i64>(atomic.load<u64>(cell(q, position)) - (space ? position : position + 1));
  return turn >= 0 ? 1 : 0;
}
