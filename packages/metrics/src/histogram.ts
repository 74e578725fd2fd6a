/**
 * Histograms in shared memory, after HdrHistogram: values from 1 ns to an hour by default, three digits of each hold,
 * whatever their size; recorded without a lock, an allocation or a shared line; merged when they are read.
 *
 * Region:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | u32 | magic, stored last |
 * | 4 | u32 ×2 | significant digits, shards |
 * | 16 | f64 ×2 | lowest and highest value, in ns |
 * | 128 + i × shard bytes | | shard of one thread, as `assembly/histogram.ts` lays it out, rounded up to 128 bytes |
 */
import { threadId } from "node:worker_threads";
import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { EscError } from "@esc/events";
import { BucketLayout, type HistogramOptions } from "./bucket-layout.ts";
import { HistogramSnapshot } from "./histogram-snapshot.ts";
import { kernelBase64 } from "./kernel.generated.ts";
import type { MetricsKernel } from "./metrics-kernel.ts";

const MAGIC = 0x31545348;
const HEADER_BYTES = 128;
const LINE_PAIR = 128;
const BUCKETS_OFFSET = 64;
/** Words of 4 bytes, and numbers of 8, from a shard's start. */
const Word = { owner: 0, unitBits: 1, subBucketBits: 2 } as const;
const Double = { clamped: 3, sum: 4, least: 5, greatest: 6, buckets: 8 } as const;
const HIGHEST_OFFSET = 16;

/** What one thread records with. Not to be handed to another: each asks {@link Histogram.recorder} for its own. */
export class HistogramRecorder {
  /** Address of the thread's shard: for kernels (`@esc/metrics/assembly/histogram`) only. */
  readonly address: number;
  readonly #kernel: MetricsKernel;

  /** @internal */
  constructor(address: number, kernel: MetricsKernel) {
    this.address = address;
    this.#kernel = kernel;
  }

  /**
   * Counts a value, in ns; under 10 ns a call, nothing is allocated. A fraction is cut; less than 0 and NaN count as 0, more
   * than the highest as the highest.
   */
  record(valueNs: number): void {
    this.#kernel.record(this.address, valueNs);
  }

  /** Counts a value `count` times (a whole number from 0 on) at the cost of once. */
  recordMany(valueNs: number, count: number): void {
    this.#kernel.recordMany(this.address, valueNs, count);
  }
}

export class Histogram {
  /** Ranges and digits, as given at its creation. */
  readonly layout: BucketLayout;
  readonly #arena: Arena;
  readonly #address: number;
  readonly #kernel: MetricsKernel;

  private constructor(arena: Arena, address: number, layout: BucketLayout) {
    this.#arena = arena;
    this.#address = address;
    this.layout = layout;
    this.#kernel = loadKernel<MetricsKernel>(kernelBase64, arena);
  }

  /** Bytes that an arena needs for a histogram: 2.2 MB as it comes, of which only touched pages cost memory. */
  static bytesFor(options: HistogramOptions = {}): number {
    const layout = new BucketLayout(options);
    return HEADER_BYTES + layout.maxThreads * shardBytes(layout);
  }

  /**
   * Makes an empty histogram under a name of its own. Any thread.
   * @throws EscError `ESC_HISTOGRAM_OPTIONS`; ArenaError as {@link Arena.allocate}.
   */
  static create(arena: Arena, name: string, options: HistogramOptions = {}): Histogram {
    const layout = new BucketLayout(options);
    const address = regionAddress(arena.allocate(name, Histogram.bytesFor(options)));
    const words = new Int32Array(arena.memory.buffer, address, HEADER_BYTES / 4);
    words.set([layout.significantDigits, layout.maxThreads], 1);
    new Float64Array(arena.memory.buffer, address + 16, 2).set([layout.lowestNs, layout.highestNs]);
    const histogram = new Histogram(arena, address, layout);
    for (let shard = 0; shard < layout.maxThreads; shard++) {
      const at = histogram.#shard(shard);
      histogram.#words(at).set([layout.unitBits, layout.subBucketBits], Word.unitBits);
      new BigUint64Array(arena.memory.buffer, at + HIGHEST_OFFSET, 1)[0] = BigInt(layout.highestNs);
      histogram.#doubles(at)[Double.least] = Number.POSITIVE_INFINITY;
    }
    Atomics.store(words, 0, MAGIC);
    return histogram;
  }

  /**
   * The histogram of that name, in any thread.
   * @throws ArenaError `ESC_ARENA_REGION_UNKNOWN`; EscError `ESC_HISTOGRAM_NOT_READY` when that region is none (yet).
   */
  static attach(arena: Arena, name: string): Histogram {
    const region = arena.region(name);
    const { byteLength } = region;
    const address = regionAddress(region);
    const words = new Int32Array(arena.memory.buffer, address, Math.min(byteLength, HEADER_BYTES) >> 2);
    if (byteLength < HEADER_BYTES || Atomics.load(words, 0) !== MAGIC) {
      throw new EscError(
        "ESC_HISTOGRAM_NOT_READY",
        `Region "${name}" holds no histogram (yet): attach after Histogram.create has returned.`,
      );
    }
    const [lowestNs = 0, highestNs = 0] = new Float64Array(arena.memory.buffer, address + 16, 2);
    const [, significantDigits = 0, maxThreads = 0] = words;
    return new Histogram(arena, address, new BucketLayout({ lowestNs, highestNs, significantDigits, maxThreads }));
  }

  /**
   * What the calling thread records with. Takes a shard the first time, by one compare-and-swap; the same shard after that.
   * @throws EscError `ESC_HISTOGRAM_THREADS` when all shards are other threads'.
   */
  recorder(): HistogramRecorder {
    const own = this.#find(threadId + 1);
    if (own !== undefined) return new HistogramRecorder(own, this.#kernel);
    for (let shard = 0; shard < this.layout.maxThreads; shard++) {
      const at = this.#shard(shard);
      if (Atomics.compareExchange(this.#words(at), Word.owner, 0, threadId + 1) === 0) {
        return new HistogramRecorder(at, this.#kernel);
      }
    }
    throw new EscError(
      "ESC_HISTOGRAM_THREADS",
      `All ${this.layout.maxThreads} shards have a thread. Create the histogram with more maxThreads, or release() those of threads that have ended.`,
    );
  }

  /**
   * Gives the shard of a thread free for another; what it has counted stays. Any thread, after that one has ended (its
   * worker's `exit` event) or for itself, when it records no more.
   * @returns whether the thread had one.
   */
  release(endedThreadId: number = threadId): boolean {
    const at = this.#find(endedThreadId + 1);
    if (at === undefined) return false;
    return Atomics.compareExchange(this.#words(at), Word.owner, endedThreadId + 1, 0) === endedThreadId + 1;
  }

  /**
   * Everything recorded so far, of all threads. Any thread, while others record: each count is as it was at some moment of
   * the call, and none is ever less than in an earlier snapshot. Copies the buckets between the least and the greatest value;
   * about 0.2 ms a thread that records.
   */
  snapshot(): HistogramSnapshot {
    const shards = Array.from({ length: this.layout.maxThreads }, (_, shard) => this.#doubles(this.#shard(shard)));
    let minNs = Number.POSITIVE_INFINITY;
    let maxNs = 0;
    for (const shard of shards) {
      minNs = Math.min(minNs, shard[Double.least] as number);
      maxNs = Math.max(maxNs, shard[Double.greatest] as number);
    }
    if (minNs > maxNs) return HistogramSnapshot.empty(this.layout);
    const first = this.layout.bucketOf(minNs);
    const counts = new Float64Array(this.layout.bucketOf(maxNs) + 1 - first);
    for (const shard of shards) {
      if (shard[Double.least] === Number.POSITIVE_INFINITY) continue;
      for (let i = 0; i < counts.length; i++) {
        counts[i] = (counts[i] as number) + (shard[Double.buckets + first + i] as number);
      }
    }
    // After the buckets: whatever was counted above has been added to the sum before.
    const total = (field: number) => shards.reduce((sum, shard) => sum + (shard[field] as number), 0);
    const sumNs = total(Double.sum);
    return new HistogramSnapshot(this.layout, { first, counts, minNs, maxNs, sumNs, clamped: total(Double.clamped) });
  }

  #find(owner: number): number | undefined {
    for (let shard = 0; shard < this.layout.maxThreads; shard++) {
      const at = this.#shard(shard);
      if (Atomics.load(this.#words(at), Word.owner) === owner) return at;
    }
    return undefined;
  }

  #shard(index: number): number {
    return this.#address + HEADER_BYTES + index * shardBytes(this.layout);
  }

  #words(shard: number): Int32Array {
    return new Int32Array(this.#arena.memory.buffer, shard, BUCKETS_OFFSET / 4);
  }

  #doubles(shard: number): Float64Array {
    return new Float64Array(this.#arena.memory.buffer, shard, Double.buckets + this.layout.buckets);
  }
}

function shardBytes(layout: BucketLayout): number {
  return Math.ceil((BUCKETS_OFFSET + layout.buckets * 8) / LINE_PAIR) * LINE_PAIR;
}
