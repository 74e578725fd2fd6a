import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { expect, test } from "vitest";
import { BlockPool, type BlockPoolOptions } from "./index.ts";
import { poolLayout } from "./pool-layout.ts";
import type { PoolUser } from "./pool-user.fixture.ts";

type Sizes = Omit<BlockPoolOptions, "blockBytes">;

function stage(sizes: Sizes) {
  const options = { blockBytes: 8, maxThreads: 4, ...sizes };
  const arena = Arena.create({ bytes: 1 << 22 });
  const pool = BlockPool.create(arena, "stress", options);
  const owners = arena.allocate("owners", sizes.maxBlocks * 4);
  const mail = arena.allocate("mail", 4 * 4);
  return {
    arena,
    pool,
    numberMask: (1 << poolLayout("stress", options).indexBits) - 1,
    owners: new Int32Array(arena.memory.buffer, regionAddress(owners), sizes.maxBlocks),
    mail: new Int32Array(arena.memory.buffer, regionAddress(mail), 4),
  };
}

type Stage = ReturnType<typeof stage>;

function start({ arena, numberMask, owners }: Stage, me: number, operations: number, announces = 0) {
  const holds = owners.length >> 1;
  const user: PoolUser = { handle: arena.handle, me, operations, announces, holds, numberMask };
  const worker = new Worker(new URL("./pool-user.fixture.ts", import.meta.url), { workerData: user });
  const failures: unknown[] = [];
  worker.on("error", (error) => failures.push(error));
  return { worker, threadId: worker.threadId, failures, ended: once(worker, "exit") };
}

/** All blocks can be had once more, each once, by one thread; the others have given their magazines back. */
function expectAllBack({ pool, mail, numberMask, owners }: Stage): void {
  for (const handle of mail) if (handle !== 0) pool.release(handle);
  expect(pool.stats().outBlocks).toBe(0);
  expect(pool.threads()).toHaveLength(1);
  const handles: number[] = [];
  expect(pool.acquireMany(handles, owners.length + 1)).toBe(owners.length);
  expect(new Set(handles.map((handle) => handle & numberMask)).size).toBe(owners.length);
}

test.each<[string, Sizes, number]>([
  ["4 blocks, no magazines", { maxBlocks: 4, slabBlocks: 1, magazineBlocks: 0 }, 150_000],
  ["7 blocks, magazines of 1", { maxBlocks: 7, slabBlocks: 7, magazineBlocks: 1 }, 150_000],
  ["60 blocks, magazines of 6", { maxBlocks: 60, slabBlocks: 9, magazineBlocks: 6 }, 200_000],
  ["20000 blocks, magazines of 64", { maxBlocks: 20_000, slabBlocks: 100, magazineBlocks: 64 }, 2_000],
  ["12 blocks, magazines of 2, ledger", { maxBlocks: 12, slabBlocks: 5, magazineBlocks: 2, debug: true }, 5_000],
])(
  "3 threads acquire, pass on and release at random (%s): no block has two owners, and all come back",
  async (_, sizes, operations) => {
    const arranged = stage(sizes);
    const users = [1, 2, 3].map((me) => start(arranged, me, operations));
    await Promise.all(users.map(({ ended }) => ended));
    expect(users.flatMap(({ failures }) => failures)).toEqual([]);
    expectAllBack(arranged);
  },
);

test("4 threads grow a pool at once: every block is handed out once", async () => {
  const arranged = stage({ maxBlocks: 100_000, slabBlocks: 7, magazineBlocks: 2, maxThreads: 5 });
  const users = [1, 2, 3, 4].map((me) => start(arranged, me, 20));
  await Promise.all(users.map(({ ended }) => ended));
  expect(users.flatMap(({ failures }) => failures)).toEqual([]);
  expect(arranged.pool.stats().growths).toBeGreaterThan(1_000);
  expectAllBack(arranged);
});

test("threads killed in the middle, with a ledger: their magazines are reclaimed, their blocks are found, all come back", async () => {
  const arranged = stage({ maxBlocks: 40, slabBlocks: 10, magazineBlocks: 8, debug: true });
  const { pool } = arranged;
  for (let round = 0; round < 12; round++) {
    const survivor = start(arranged, 1, 1_000);
    const victim = start(arranged, 2, Number.MAX_SAFE_INTEGER, 100 + 37 * round);
    await once(victim.worker, "message");
    await victim.worker.terminate();
    await survivor.ended;
    expect([...survivor.failures, ...victim.failures]).toEqual([]);
    const left = pool.threads().find(({ threadId }) => threadId === victim.threadId)?.magazineBlocks as number;
    expect(pool.reclaim(victim.threadId)).toBeGreaterThanOrEqual(left);
    expect(pool.reclaim(victim.threadId)).toBe(0);
    for (const { handle } of pool.outstanding()) pool.release(handle);
    arranged.owners.fill(0);
    arranged.mail.fill(0);
  }
  expectAllBack(arranged);
});

test("threads killed in the middle, without a ledger: their magazines are reclaimed, and only what they held stays out", async () => {
  const arranged = stage({ maxBlocks: 400, slabBlocks: 50, magazineBlocks: 8 });
  const { pool, owners } = arranged;
  let reclaimed = 0;
  for (let me = 1; me <= 12; me++) {
    const victim = start(arranged, me, Number.MAX_SAFE_INTEGER, 10_000 + 1_111 * me);
    await once(victim.worker, "message");
    await victim.worker.terminate();
    expect(victim.failures).toEqual([]);
    reclaimed += pool.reclaim(victim.threadId);
  }
  expect(reclaimed).toBeGreaterThan(0);
  const heldByTheDead = pool.stats().outBlocks;
  const got = pool.acquireMany([], owners.length);
  // A block that lies nowhere would be missing from this sum.
  expect(heldByTheDead + got).toBe(owners.length);
});
