// The deduplicator's part of the kernel: what `Deduplicator` calls. Times and generations cross as f64 (ms since the epoch
// are exact up to 2^53).

import * as dedup from "./dedup";
import * as layout from "./dedup-layout";
import * as reports from "./dedup-report";

export { freeSlot as dedupFreeSlot, takeSlot as dedupTakeSlot } from "./dedup-phase";
export { announcedPhase as dedupAnnouncedPhase, report as dedupReport } from "./dedup-report";

export function dedupInit(address: usize, generations: u32, threads: u32, buckets: u32, generationIds: u32, window: f64, capacity: f64): void {
  layout.dedupInit(address, generations, threads, buckets, generationIds, <i64>window, <u64>capacity);
}

export function dedupWindow(address: usize): f64 {
  return <f64>load<i64>(address + layout.WINDOW);
}

export function dedupCapacity(address: usize): f64 {
  return <f64>load<u64>(address + layout.CAPACITY);
}

export function dedupCheckAndInsert(address: usize, slot: u32, ids: usize, count: u32, now: f64, isNew: usize): u32 {
  return dedup.checkAndInsertMany(address, slot, ids, count, <i64>now, isNew);
}

export function dedupFind(address: usize, slot: u32, ids: usize, count: u32, now: f64, found: usize): u32 {
  return dedup.findMany(address, slot, ids, count, <i64>now, found);
}

/** Puts `count` exported entries (16 bytes id, f64 time) in whose time is in the window at `now`; returns how many were. */
export function dedupRestore(address: usize, slot: u32, entries: usize, count: u32, now: f64, scratch: usize): u32 {
  const window = <f64>load<i64>(address + layout.WINDOW);
  let restored: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const time = load<f64>(entries, 16);
    if (now - time <= window) restored += dedup.restoreOne(address, slot, entries, <i64>time, scratch);
    entries += 24;
  }
  return restored;
}

export function dedupCountLive(address: usize, slot: u32, generation: f64, now: f64): i32 {
  return reports.countLive(address, slot, <u64>generation, <i64>now);
}

export function dedupNewestGeneration(address: usize): f64 {
  return <f64>reports.newestGeneration(address);
}

export function dedupExport(address: usize, slot: u32, generation: f64, bucket: u32, to: usize, next: usize): u32 {
  return reports.exportIds(address, slot, <u64>generation, bucket, to, next);
}

export function dedupThreads(address: usize): u32 {
  return load<u32>(address + layout.THREADS);
}
