// Any short program, given as a number: to compare what the explorer finds with what enumeration finds.
//
// An operation is a byte: bits 0–2 what (1 atomic load, 2 atomic store, 3 atomic add, 4 compare-and-swap from the last
// value seen, 5 plain load, 6 plain store), bits 3–4 which of four words at 0, 4, 8, 12, bits 5–7 the value. The thread folds
// what it sees into one number and leaves that at 16 + 4·me.

export function setup(base: usize): void {}

export function run(base: usize, me: u32, program: u32): void {
  let log: u32 = 0;
  let seen: u32 = 0;
  for (; program != 0; program >>>= 8) {
    const word = base + ((program >>> 1) & 12);
    const value = (program >>> 5) & 7;
    const what = program & 7;
    if (what == 2) atomic.store<u32>(word, value);
    else if (what == 6) store<u32>(word, value);
    else {
      if (what == 1) seen = atomic.load<u32>(word);
      else if (what == 3) seen = atomic.add<u32>(word, value);
      else if (what == 4) seen = atomic.cmpxchg<u32>(word, seen, value);
      else seen = load<u32>(word);
      log = log * 31 + seen + 1;
    }
  }
  store<u32>(base + 16 + (me << 2), log);
}
