// Memory of an exploration. Only what lies from MODEL on is state; the rest says things about all states.
//
// | offset | size | what |
// |---|---|---|
// | 0 | 64 B | control words, below |
// | 64 | 16 B | where a load finds its bytes when some are still in the thread's store buffer |
// | 0x10000 | u32 each 4 bytes of the model | bits 0–7 threads that read them, 8–15 threads that wrote them, flags |
// | 0x20000 | 16 B each changed word | u32 address, u32 0, u64 its value after `setup`; in the order of the first change |
// | MODEL = 0x40000 | up to 64 KiB | the model's own memory |
// | behind it, aligned to 16 | AREA_BYTES + stack | one area for each thread |
// | behind them | | saved states, last in, first out |
//
// Thread's area:
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | 0 can go on, 1 done, 2 sleeps in wait, 3 at its end but its buffer isn't empty |
// | 4 | u32 ×2 | site and address of the step it is suspended before |
// | 12 | u32 | 1 when that step needs an empty store buffer |
// | 16 | u32 | stores in the buffer |
// | 20 | u32 | its turn among the sleepers, from 1 |
// | 24 | u32 | 1 when its wait has a time-out |
// | 28 | u32 | what the wait returns: 0 woken, 2 timed out |
// | 32 + 32·i | | buffered store i of 8: u32 address, u32 bytes, 8 unused, 16 B value; by address, then by age |
// | 288 | u32 ×2 | Asyncify's stack: top, limit |
// | 296 | | the stack; zero behind its top, so that equal states have equal bytes |

export const THREAD_BIT: usize = 0;
export const AREA: usize = 4;
export const MODEL_END: usize = 8;
export const FUEL: usize = 12;
export const IN_BLOCK: usize = 16;
export const CHANGED: usize = 20;
export const CONFLICTS: usize = 24;
export const TRACING: usize = 28;
export const HASH: usize = 32;
export const FIRST_AREA: usize = 48;
export const AREA_STRIDE: usize = 52;
export const THREADS: usize = 56;
export const SCRATCH: usize = 64;
export const TABLE: usize = 0x10000;
export const CHANGES: usize = 0x20000;
export const MODEL: usize = 0x40000;

export const STATUS: usize = 0;
export const SITE: usize = 4;
export const ADDRESS: usize = 8;
export const DRAIN: usize = 12;
export const BUFFERED_STORES: usize = 16;
export const TURN: usize = 20;
export const TIMED: usize = 24;
export const WOKEN: usize = 28;
export const BUFFER: usize = 32;
export const BUFFER_ENTRY: usize = 32;
export const BUFFER_SIZE: u32 = 8;
export const STACK_TOP: usize = 288;

export const READY: u32 = 0;
export const WAITING: u32 = 2;

export const SHARED: u32 = 1 << 16; // accesses are steps
export const BUFFERED: u32 = 1 << 17; // plain stores go through the store buffer
export const SPLIT: u32 = 1 << 18; // each plain access is a step of its own
export const DIRTY: u32 = 1 << 19; // its word is among the changed ones
export const CONFLICT: u32 = 1 << 20; // will be SHARED in the next run

