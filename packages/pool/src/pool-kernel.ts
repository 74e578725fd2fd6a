/** The exports of this package's kernel; `assembly/free-list.ts` says what they do. */
export interface PoolKernel {
  take(pool: number, slot: number, want: number): number;
  give(pool: number, slot: number, blocks: number): void;
}
