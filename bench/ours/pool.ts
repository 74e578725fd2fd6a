/** `BlockPool` on one thread: a block of 64 bytes taken, written, read and returned. */
import { Arena, BytesView } from "@esc/arena";
import { BlockPool } from "@esc/pool";
import { type MeasureOptions, measureRate } from "../src/measure.ts";
import { pinThread } from "../src/pin-thread.ts";
import { named, secondsSince, verify } from "./named.ts";

/** As many threads as an application of four workers has: magazines then hold 64 blocks, the default. */
const POOL = { blockBytes: 64, slabBlocks: 1_024, maxBlocks: 1_024, maxThreads: 4 };
const HELD = 64;
const LAST_WORD = 56;

function create(): { readonly pool: BlockPool; readonly view: BytesView } {
  pinThread(0);
  const arena = Arena.create({ bytes: BlockPool.bytesFor(POOL) });
  return { pool: BlockPool.create(arena, "bench", POOL), view: new BytesView(arena) };
}

const measure = (name: string, transfer: (pool: BlockPool, view: BytesView, count: number) => number) => {
  return (options: MeasureOptions) => {
    const { pool, view } = create();
    const timed = (count: number) => {
      const start = performance.now();
      const wrong = transfer(pool, view, count);
      const seconds = secondsSince(start);
      verify(wrong);
      return seconds;
    };
    return measureRate(named(name), timed, options);
  };
};

/** Not touched in between: what acquire and release themselves cost. */
function takeAndReturn(pool: BlockPool, _view: BytesView, count: number): number {
  let wrong = 0;
  for (let i = 0; i < count; i++) {
    const handle = pool.acquire();
    if (handle < 0) wrong++;
    pool.release(handle);
  }
  return wrong;
}

function pairs(pool: BlockPool, view: BytesView, count: number): number {
  let wrong = 0;
  for (let i = 1; i <= count; i++) {
    const handle = pool.acquire();
    pool.view(handle, view).setFloat64(LAST_WORD, i);
    if (pool.view(handle, view).getFloat64(LAST_WORD) !== i) wrong++;
    pool.release(handle);
  }
  return wrong;
}

const handles = new Array<number>(HELD).fill(0);

function held(pool: BlockPool, view: BytesView, count: number): number {
  let wrong = 0;
  for (let i = 1; i <= count; i += HELD) {
    for (let k = 0; k < HELD; k++) {
      const handle = pool.acquire();
      handles[k] = handle;
      pool.view(handle, view).setFloat64(LAST_WORD, i + k);
    }
    for (let k = 0; k < HELD; k++) {
      const handle = handles[k] as number;
      if (pool.view(handle, view).getFloat64(LAST_WORD) !== i + k) wrong++;
      pool.release(handle);
    }
  }
  return wrong;
}

export const poolCases = {
  "pool-acquire-release": measure("pool-acquire-release", takeAndReturn),
  "pool-pairs": measure("pool-pairs", pairs),
  "pool-64-held": measure("pool-64-held", held),
};
