/**
 * One stage of a lane whose processor is several threads. Each of them tells how far it has come; a group of events has come
 * to the stage when the last of them has passed it, and counts once, by whichever thread came last. No thread waits for
 * another: who finds another one recording leaves it to that one.
 *
 * Region `latency.<stage>.<lane>.shards`:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | i32 | who records now, as its thread's id + 1; 0: nobody |
 * | 4 | i32 | 1: somebody came meanwhile, look once more |
 * | 8 | f64 | position up to which groups are recorded or passed; by who records |
 * | 128 + 128·s | f64 | shard s has passed everything before this position; that shard's own |
 * | … + 8 | f64 | and gave something up before this one |
 */
import { threadId } from "node:worker_threads";
import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import type { StageRecorder } from "@esc/metrics";

const OWNER = 0;
const AGAIN = 1;
const RECORDED = 1;
const SHARDS_OFFSET = 128;
const SHARD_BYTES = 128;
const PASSED = 0;
const GIVEN_UP = 1;

export class SharedStage {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #shards: number;

  private constructor(arena: Arena, address: number, shards: number) {
    this.#words = new Int32Array(arena.memory.buffer, address, 2);
    this.#doubles = new Float64Array(arena.memory.buffer, address, SharedStage.bytesFor(shards) / 8);
    this.#shards = shards;
  }

  static bytesFor(shards: number): number {
    return SHARDS_OFFSET + shards * SHARD_BYTES;
  }

  /** The region of that name, made at the first call. Any thread. */
  static ensure(arena: Arena, name: string, shards: number): SharedStage {
    return new SharedStage(arena, regionAddress(arena.ensure(name, SharedStage.bytesFor(shards))), shards);
  }

  /** A shard has passed everything before a position. @param recorder the calling thread's. */
  reach(shard: number, position: number, recorder: StageRecorder, nowNs?: number): void {
    this.#doubles[at(shard) + PASSED] = position;
    this.#record(recorder, nowNs);
  }

  /** A shard gave up what of its own lies before a position. Groups there are no shard's to record any more. */
  skip(shard: number, position: number, recorder: StageRecorder): void {
    this.#doubles[at(shard) + GIVEN_UP] = position;
    this.reach(shard, position, recorder);
  }

  /** A thread has ended: if it died while it recorded, another one goes on. Any thread. */
  release(endedThreadId: number): void {
    Atomics.compareExchange(this.#words, OWNER, endedThreadId + 1, 0);
  }

  #record(recorder: StageRecorder, nowNs: number | undefined): void {
    const words = this.#words;
    do {
      Atomics.store(words, AGAIN, 1);
      if (Atomics.compareExchange(words, OWNER, 0, threadId + 1) !== 0) return;
      // Before the positions are read: who comes behind this sets it again.
      Atomics.exchange(words, AGAIN, 0);
      this.#advance(recorder, nowNs);
      Atomics.store(words, OWNER, 0);
    } while (Atomics.load(words, AGAIN) !== 0);
  }

  #advance(recorder: StageRecorder, nowNs: number | undefined): void {
    const doubles = this.#doubles;
    let [last, givenUp] = [Number.POSITIVE_INFINITY, 0];
    for (let shard = 0; shard < this.#shards; shard++) {
      last = Math.min(last, doubles[at(shard) + PASSED] as number);
      givenUp = Math.max(givenUp, doubles[at(shard) + GIVEN_UP] as number);
    }
    const recorded = doubles[RECORDED] as number;
    if (last <= recorded) return;
    const skipped = Math.min(last, givenUp);
    if (skipped > recorded) recorder.skip(skipped);
    recorder.reach(last, nowNs);
    doubles[RECORDED] = last;
  }
}

/** Index of a shard's first number. */
function at(shard: number): number {
  return (SHARDS_OFFSET + shard * SHARD_BYTES) / 8;
}
