import { countUp } from "./counter";

export function add(counter: usize, n: f64): void {
  countUp(counter, <u64>n);
}

export function read(counter: usize): f64 {
  return <f64>atomic.load<u64>(counter);
}
