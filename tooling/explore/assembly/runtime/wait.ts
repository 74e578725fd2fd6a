// Sleeping and waking, as the scheduler's own doing.

import { ADDRESS, AREA, READY, STATUS, THREADS, TIMED, TRACING, TURN, WAITING, WOKEN } from "./layout";
import { areaOf, mark, pause, refuse, trace } from "./steps";

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
