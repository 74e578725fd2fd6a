/**
 * A thread of the stress tests: acquires, passes on and releases blocks at random, and keeps book of who owns which.
 *
 * `owners` says for each block who has it: 0 nobody, a thread's number, or MAIL on its way to another thread. Every
 * change is a compare-and-swap from the only state it may be in, so a block with two owners is noticed by one of them.
 * The owner also stamps the block, and looks whether the stamp is still there.
 */

import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle, BytesView } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { BlockPool } from "./index.ts";

const MAIL = 99;

export interface PoolUser {
  readonly handle: ArenaHandle;
  /** This thread's number, 1 to 98. */
  readonly me: number;
  readonly operations: number;
  /** It says "running" before this one of its operations. */
  readonly announces: number;
  /** Blocks it holds at most. */
  readonly holds: number;
  /** What of a handle is the block's number. */
  readonly numberMask: number;
}

const { handle, me, operations, announces, holds, numberMask } = workerData as PoolUser;
const arena = Arena.attach(handle);
const pool = BlockPool.attach(arena, "stress");
const view = new BytesView(arena);
const owners = words("owners");
const mail = words("mail");
const held: number[] = [];
const batch: number[] = [];
let state = me;

for (let n = 0; n < operations; n++) {
  if (n === announces) parentPort?.postMessage("running");
  const what = random(8);
  if (what < 3 && held.length < holds) {
    const block = pool.acquire();
    if (block > 0) own(block, 0);
  } else if (what === 3) {
    const got = pool.acquireMany(batch, random(holds - held.length + 1));
    for (let i = 0; i < got; i++) own(batch[i] as number, 0);
  } else if (what === 4 && held.length > 0) {
    const received = Atomics.exchange(mail, random(mail.length), disown(MAIL));
    if (received !== 0) own(received, MAIL);
  } else giveBack(what < 7 ? Math.min(1, held.length) : random(held.length + 1));
}
giveBack(held.length);
pool[Symbol.dispose]();

function own(block: number, from: number): void {
  change(block, from, me);
  pool.view(block, view).setUint32(0, me);
  held.push(block);
}

function disown(to: number): number {
  const block = held.pop() as number;
  const stamp = pool.view(block, view).getUint32(0);
  if (stamp !== me) throw new Error(`thread ${me}: its block bears the stamp ${stamp}`);
  change(block, me, to);
  return block;
}

function giveBack(count: number): void {
  for (let i = 0; i < count; i++) batch[i] = disown(0);
  if (count === 1) pool.release(batch[0] as number);
  else pool.releaseMany(batch, count);
}

function change(block: number, from: number, to: number): void {
  const before = Atomics.compareExchange(owners, block & numberMask, from, to);
  if (before !== from)
    throw new Error(`thread ${me}: block ${block & numberMask} is ${before}'s, and should be ${from}'s`);
}

/** A linear congruential generator: the same choices in every run. */
function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return (state >>> 8) % below;
}

function words(name: string): Int32Array {
  const region = arena.region(name);
  const { byteLength } = region;
  const address = regionAddress(region);
  return new Int32Array(arena.memory.buffer, address, byteLength / 4);
}
