// Two threads count; the sum is right when the addition is one step.

const COUNT: usize = 0;

export function setup(base: usize): void {}

export function addAtomically(base: usize, times: u32): void {
  for (let i: u32 = 0; i < times; i++) atomic.add<u32>(base + COUNT, 1);
}

export function addInTwoSteps(base: usize, times: u32): void {
  for (let i: u32 = 0; i < times; i++) {
    const count = atomic.load<u32>(base + COUNT);
    atomic.store<u32>(base + COUNT, count + 1);
  }
}
