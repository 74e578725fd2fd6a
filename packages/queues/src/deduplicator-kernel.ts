/** The deduplicator's part of this package's kernel; `assembly/dedup-face.ts` says what the exports do. */
export interface DeduplicatorKernel {
  dedupInit(
    dedup: number,
    generations: number,
    threads: number,
    buckets: number,
    generationIds: number,
    windowMs: number,
    capacity: number,
  ): void;
  dedupWindow(dedup: number): number;
  dedupCapacity(dedup: number): number;
  dedupThreads(dedup: number): number;
  dedupTakeSlot(dedup: number): number;
  dedupFreeSlot(dedup: number, slot: number): void;
  dedupAnnouncedPhase(dedup: number, slot: number): number;
  dedupCheckAndInsert(dedup: number, slot: number, ids: number, count: number, nowMs: number, isNew: number): number;
  dedupFind(dedup: number, slot: number, ids: number, count: number, nowMs: number, found: number): number;
  dedupRestore(dedup: number, slot: number, entries: number, count: number, nowMs: number, flag: number): number;
  dedupReport(dedup: number, slot: number, to: number): void;
  dedupCountLive(dedup: number, slot: number, generation: number, nowMs: number): number;
  dedupNewestGeneration(dedup: number): number;
  dedupExport(dedup: number, slot: number, generation: number, bucket: number, to: number, next: number): number;
}
