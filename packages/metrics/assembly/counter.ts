// A counter: one u64 that one thread writes and any thread reads. A plain load, an add and an atomic store: no locked
// read-modify-write, since nobody else writes it.

// @ts-ignore: decorator
@inline
export function countUp(counter: usize, n: u64): void {
  atomic.store<u64>(counter, load<u64>(counter) + n);
}
