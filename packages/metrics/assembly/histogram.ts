// Recording into a log-linear histogram: the counting of Gil Tene's HdrHistogram. A shard is one thread's part of it.
//
// Values below 2^sub-bucket bits (in units of 2^unit bits ns) have a bucket each; from there on each doubling of the value
// has half as many, so a bucket is never wider than 1/2^(sub-bucket bits - 1) of its values. One count of leading zeros
// finds it.
//
// | offset | size | field |
// |---|---|---|
// | 0 | i32 | owner: thread id + 1, or 0 |
// | 4 | u32 | unit bits |
// | 8 | u32 | sub-bucket bits |
// | 16 | u64 | highest value, in ns |
// | 24 | f64 | values that were over it |
// | 32 | f64 | sum of the values |
// | 40 | f64 | least value; +Infinity when there is none |
// | 48 | f64 | greatest value |
// | 64 | f64 × buckets | how many values each bucket has |
//
// Counts are f64, exact up to 2^53, so that TypeScript reads them without a BigInt. Only the owner writes, so no access is
// a locked one; a fence or an atomic store would cost more than all the rest. A reader sees each number as it was at some
// moment: an aligned load or store of 8 bytes is one instruction on every machine that Node runs on. The bucket comes
// last: on x86, what is counted is in the sum too.

const UNIT_BITS: usize = 4;
const SUB_BUCKET_BITS: usize = 8;
const HIGHEST: usize = 16;
const CLAMPED: usize = 24;
const SUM: usize = 32;
const LEAST: usize = 40;
const GREATEST: usize = 48;
const BUCKETS: usize = 64;

/** Records a value `count` times. The shard's own thread only. A value over the highest counts as the highest. */
// @ts-ignore: decorator
@inline
export function recordTimes(shard: usize, value: u64, count: f64): void {
  const highest = load<u64>(shard + HIGHEST);
  if (value > highest) {
    value = highest;
    store<f64>(shard + CLAMPED, load<f64>(shard + CLAMPED) + count);
  }
  // The highest is below 2^53: a signed conversion is one instruction, an unsigned one has a branch.
  const ns = <f64>(<i64>value);
  store<f64>(shard + SUM, load<f64>(shard + SUM) + ns * count);
  if (ns < load<f64>(shard + LEAST)) store<f64>(shard + LEAST, ns);
  if (ns > load<f64>(shard + GREATEST)) store<f64>(shard + GREATEST, ns);
  const subBucketBits = load<u32>(shard + SUB_BUCKET_BITS);
  const units = value >> <u64>load<u32>(shard + UNIT_BITS);
  const bits = <i32>(64 - clz<u64>(units | 1));
  const shift = <u32>max<i32>(bits - <i32>subBucketBits, 0);
  const bucket = shard + BUCKETS + (((<usize>shift << (subBucketBits - 1)) + <usize>(units >> <u64>shift)) << 3);
  store<f64>(bucket, load<f64>(bucket) + count);
}

/** Records one value, in ns: for kernels. The shard's own thread only. */
// @ts-ignore: decorator
@inline
export function record(shard: usize, value: u64): void {
  recordTimes(shard, value, 1);
}

/** What TypeScript hands over: below 0 and not a number are 0, a fraction is cut. */
// @ts-ignore: decorator
@inline
export function wholeValue(value: f64): u64 {
  return <u64>max<i64>(<i64>value, 0);
}
