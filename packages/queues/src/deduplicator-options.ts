/** What a deduplicator is made with, and the sizes that follow. */
import { EscError } from "@esc/events";

export interface DeduplicatorOptions {
  /**
   * Ids that may be accepted within the window before one is forgotten early: 1 to 50,000,000. Costs
   * 30.2 · generations / (generations − 2) bytes each (60.5 with 4 generations), and {@link Deduplicator.bytesFor} tells all.
   */
  readonly capacity: number;
  /** For how long an accepted id is remembered: 1 to 2^30 ms (12 days); 1 hour unless given. */
  readonly windowMs?: number;
  /**
   * Tables that the ids are spread over, 3 to 16; 4 unless given. One holds the newest ids, one is being cleared; more of
   * them cost less memory per id, and a look into one more table per new id.
   */
  readonly generations?: number;
  /** Instances that there may be at once, over all threads: 1 to 64; 16 unless given. */
  readonly threads?: number;
  /** 56 bytes that ids are hashed with; random unless given. Give it only to make a test repeatable. */
  readonly key?: Uint8Array;
}

export interface DeduplicatorGeometry {
  readonly capacity: number;
  readonly windowMs: number;
  readonly generations: number;
  readonly threads: number;
  /** Ids after which a generation is full. */
  readonly generationIds: number;
  /** Buckets of a table, without those for ids with a half of 0. */
  readonly buckets: number;
  readonly bytes: number;
}

export const KEY_AT = 32;
export const KEY_BYTES = 56;
const CONTROL_BYTES = 2_432;
const THREAD_BYTES = 1_152;
const BUCKET_BYTES = 64;
/** Tags: four bytes for each table's bucket, in whole vectors. */
const VECTOR_BYTES = 16;
const TABLES_PER_VECTOR = 4;
const EXTRA_BUCKETS = 65;
/** Three slots a bucket, three quarters of them used when a generation is full. */
const IDS_PER_BUCKET = 2.25;

/** The sizes. @throws EscError `ESC_DEDUP_OPTIONS`. */
export function geometryOf(name: string, options: DeduplicatorOptions): DeduplicatorGeometry {
  const { capacity, windowMs = 3_600_000, generations = 4, threads = 16, key } = options;
  check(name, "capacity", capacity, 1, 50_000_000);
  check(name, "windowMs", windowMs, 1, 2 ** 30);
  check(name, "generations", generations, 3, 16);
  check(name, "threads", threads, 1, 64);
  if (key !== undefined) check(name, "key's length", key.length, KEY_BYTES, KEY_BYTES);
  const generationIds = Math.ceil(capacity / (generations - 2));
  // A few buckets more, so that small tables have room for what is placed while the generation changes.
  const buckets = Math.ceil(generationIds / IDS_PER_BUCKET) + 4;
  const perBucket = generations * BUCKET_BYTES + Math.ceil(generations / TABLES_PER_VECTOR) * VECTOR_BYTES;
  const bytes = CONTROL_BYTES + threads * THREAD_BYTES + (buckets + EXTRA_BUCKETS) * perBucket + 128;
  return { capacity, windowMs, generations, threads, generationIds, buckets, bytes };
}

function check(name: string, what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const range = least === most ? `${least}` : `a whole number from ${least} to ${most}`;
  throw new EscError("ESC_DEDUP_OPTIONS", `Deduplicator "${name}": ${what} is ${range}, not ${value}.`);
}
