import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena, BytesView } from "@esc/arena";
import type { EscError } from "@esc/events";
import { expect, test } from "vitest";
import { BlockPool } from "./index.ts";

function debugPool(magazineBlocks = 4) {
  const arena = Arena.create({ bytes: 1 << 20 });
  const options = { blockBytes: 16, slabBlocks: 8, maxBlocks: 8, magazineBlocks, debug: true };
  return { arena, pool: BlockPool.create(arena, "p", options), view: new BytesView(arena) };
}

function errorOf(mistake: () => unknown): { code: string; message: string } {
  try {
    mistake();
  } catch (error) {
    return { code: (error as EscError).code, message: (error as EscError).message };
  }
  return { code: "no error", message: "" };
}

test("a second release is found at any later time, and names who acquired the block", () => {
  const { pool } = debugPool();
  const handle = pool.acquire("order 7");
  pool.release(handle);
  for (let i = 0; i < 3; i++) pool.release(pool.acquire()); // another generation of the same block, or another block
  const stale = pool.acquire();
  pool.release(stale);
  expect(errorOf(() => pool.release(stale)).code).toBe("ESC_POOL_DOUBLE_RELEASE");
  expect(errorOf(() => pool.release(handle)).code).toBe("ESC_POOL_STALE");
});

test("a second release is found when another thread made the first", () => {
  const { arena, pool } = debugPool();
  const other = BlockPool.attach(arena, "p");
  const handle = pool.acquire("order 7");
  other.release(handle);
  const { code, message } = errorOf(() => pool.release(handle));
  expect(code).toBe("ESC_POOL_DOUBLE_RELEASE");
  expect(message).toContain("order 7");
  expect(message).toContain("ledger.test.ts");
});

test("a handle whose block is free or out again is stale: it neither shows nor releases the new owner's block", () => {
  const { pool, view } = debugPool();
  const before = pool.acquire("before");
  pool.release(before);
  expect(errorOf(() => pool.view(before, view))).toMatchObject({
    code: "ESC_POOL_STALE",
    message: expect.stringContaining("is free"),
  });
  const now = pool.acquire("now");
  expect(errorOf(() => pool.view(before, view))).toMatchObject({
    code: "ESC_POOL_STALE",
    message: expect.stringMatching(/another handle.*now/),
  });
  expect(errorOf(() => pool.release(before)).code).toBe("ESC_POOL_STALE");
  pool.view(now, view).setUint8(0, 1);
  pool.release(now);
});

test("a handle of the right shape that nobody was given is not taken", () => {
  const { pool, view } = debugPool();
  const handle = pool.acquire();
  for (const made of [handle + 1, handle + 0.5, handle - 2 ** 31]) {
    expect(errorOf(() => pool.release(made)).code).toBe("ESC_POOL_STALE");
    expect(errorOf(() => pool.view(made, view)).code).toBe("ESC_POOL_STALE");
  }
  expect(errorOf(() => pool.view(handle + 1, view)).message).toContain("never acquired");
});

test("a write through an old view, after the release, is found when the block is handed out next", () => {
  const { pool, view } = debugPool();
  const handle = pool.acquire("the culprit");
  pool.view(handle, view);
  pool.release(handle);
  view.setUint8(15, 1);
  const { code, message } = errorOf(() => pool.acquire("the victim"));
  expect(code).toBe("ESC_POOL_WRITE_AFTER_RELEASE");
  expect(message).toContain("the culprit");
  const after = pool.acquire();
  expect(after).toBeGreaterThan(0); // said once, and the block is usable
  expect(pool.stats().outBlocks).toBe(1);
});

test("released blocks are full of 0xdb, so that reading one is conspicuous", () => {
  const { pool, view } = debugPool();
  const handle = pool.acquire();
  pool.view(handle, view).setUint32(0, 7);
  pool.release(handle);
  expect(view.getUint32(0)).toBe(0xdbdbdbdb);
});

test("what is out is listed with its label, its thread and the place of its acquisition, up to 500 bytes", () => {
  const { pool } = debugPool();
  const handles: number[] = [];
  pool.acquireMany(handles, 2, "a window");
  const long = pool.acquire("ä".repeat(300));
  pool.release(handles[0] as number);
  const outstanding = pool.outstanding();
  expect(new Set(outstanding.map(({ handle }) => handle))).toEqual(new Set([handles[1], long]));
  const window = outstanding.find(({ handle }) => handle === handles[1]);
  expect(window?.threadId).toBe(pool.threads()[0]?.threadId);
  expect(window?.acquiredBy).toMatch(/^a window\nat .*ledger\.test\.ts:\d+/);
  expect(outstanding.find(({ handle }) => handle === long)?.acquiredBy).toBe("ä".repeat(250));
});

test("a batch is checked one by one", () => {
  const { pool } = debugPool(2);
  const handles: number[] = [];
  expect(pool.acquireMany(handles, 9)).toBe(8);
  const [a, b] = handles as [number, number];
  expect(errorOf(() => pool.releaseMany([a, b, a], 3)).code).toBe("ESC_POOL_DOUBLE_RELEASE");
  expect(pool.outstanding()).toHaveLength(6);
});

test.each([
  ["acquire", 1],
  ["release", 0],
])("a thread that ends in the middle of %s leaves its block neither lost nor doubled", async (during, stillOut) => {
  const { arena, pool } = debugPool();
  const worker = new Worker(new URL("./ending-thread.fixture.ts", import.meta.url), {
    workerData: { handle: arena.handle, during },
  });
  const { threadId } = worker;
  await once(worker, "exit");

  expect(pool.reclaim(threadId)).toBe(2 - stillOut);
  expect(pool.stats().outBlocks).toBe(stillOut);
  expect(pool.outstanding().map((block) => block.threadId)).toEqual(new Array(stillOut).fill(threadId));
  for (const { handle } of pool.outstanding()) pool.release(handle);
  const handles: number[] = [];
  expect(pool.acquireMany(handles, 9)).toBe(8);
  expect(new Set(handles).size).toBe(8);
});
