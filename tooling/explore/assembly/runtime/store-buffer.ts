// A thread's store buffer: plain stores that others don't see yet.

import { AREA, BUFFER, BUFFERED_STORES, BUFFER_ENTRY, BUFFER_SIZE, SCRATCH } from "./layout";
import { bufferedStores, refuse } from "./steps";

/** Room for a store's value, behind the older ones to the same address. */
export function buffer(site: u32, address: usize, size: u32): usize {
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
export function forwarded(address: usize, size: u32): usize {
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
