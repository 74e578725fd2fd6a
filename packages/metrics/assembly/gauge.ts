// A gauge: one f64 that any thread sets, adds to and reads. As bits in a u64, since atomic accesses are of whole numbers.

// @ts-ignore: decorator
@inline
export function setGauge(gauge: usize, value: f64): void {
  atomic.store<u64>(gauge, reinterpret<u64>(value));
}

// @ts-ignore: decorator
@inline
export function gaugeValue(gauge: usize): f64 {
  return reinterpret<f64>(atomic.load<u64>(gauge));
}

/** Lock-free: the swap fails only because another thread's has succeeded. */
export function addToGauge(gauge: usize, n: f64): void {
  let seen = atomic.load<u64>(gauge);
  while (true) {
    const found = atomic.cmpxchg<u64>(gauge, seen, reinterpret<u64>(reinterpret<f64>(seen) + n));
    if (found == seen) return;
    seen = found;
  }
}
