// Topics: their hash, equality, UTF-8 validity, and matching against patterns. All over bytes.

const MULTIPLIER: u64 = 0x9e3779b97f4a7c15;

const DOT: u32 = 0x2e;
const SLASH: u32 = 0x2f;
const STAR: u32 = 0x2a;
const GREATER: u32 = 0x3e;

/**
 * 32-bit hash of a topic: a multiply and a fold per 8 bytes (Fibonacci hashing, Knuth 6.4), the tail by two overlapping
 * loads. It stands in every record, so it must never change.
 */
// @ts-ignore: decorator
@inline
export function hashTopic(p: usize, n: u32): u32 {
  let h: u64 = <u64>n * MULTIPLIER;
  while (n >= 8) {
    h = (h ^ load<u64>(p)) * MULTIPLIER;
    h ^= h >> 32;
    p += 8;
    n -= 8;
  }
  if (n > 0) {
    let tail: u64;
    if (n >= 4) tail = <u64>load<u32>(p) | (<u64>load<u32>(p + n - 4) << 32);
    else tail = <u64>load<u8>(p) | (<u64>load<u8>(p + (n >> 1)) << 8) | (<u64>load<u8>(p + n - 1) << 16);
    h = (h ^ tail) * MULTIPLIER;
    h ^= h >> 32;
  }
  return <u32>h;
}

/** Whether the `n` bytes at `a` and `b` are the same. The last words overlap those before: no loop over single bytes. */
// @ts-ignore: decorator
@inline
export function sameBytes(a: usize, b: usize, n: u32): bool {
  if (n >= 16) return sameVectors(a, b, n);
  if (n >= 8) return ((load<u64>(a) ^ load<u64>(b)) | (load<u64>(a + n - 8) ^ load<u64>(b + n - 8))) == 0;
  if (n >= 4) return ((load<u32>(a) ^ load<u32>(b)) | (load<u32>(a + n - 4) ^ load<u32>(b + n - 4))) == 0;
  if (n == 0) return true;
  const middle = n >> 1;
  return (
    ((load<u8>(a) ^ load<u8>(b)) | (load<u8>(a + middle) ^ load<u8>(b + middle)) | (load<u8>(a + n - 1) ^ load<u8>(b + n - 1))) == 0
  );
}

function sameVectors(a: usize, b: usize, n: u32): bool {
  const last = a + n - 16;
  let different = v128.xor(v128.load(last), v128.load(b + n - 16));
  while (a < last) {
    different = v128.or(different, v128.xor(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
  }
  return !v128.any_true(different);
}

/** Whether `n` bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF). */
export function validUtf8(p: usize, n: u32): bool {
  const end = p + n;
  while (p < end) {
    const lead = <u32>load<u8>(p);
    if (lead < 0x80) {
      // ASCII, which most topics are, by the vector and by the word.
      if (end - p >= 16 && i8x16.bitmask(v128.load(p)) == 0) p += 16;
      else if (end - p >= 8 && (load<u64>(p) & 0x8080808080808080) == 0) p += 8;
      else p++;
      continue;
    }
    let more: u32;
    let low: u32 = 0x80;
    let high: u32 = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) more = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else return false;
    if (p + more >= end) return false;
    const second = <u32>load<u8>(p + 1);
    if (second < low || second > high) return false;
    for (let i: u32 = 2; i <= more; i++) if ((load<u8>(p + i) & 0xc0) != 0x80) return false;
    p += more + 1;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function separator(byte: u32): bool {
  return byte == DOT || byte == SLASH;
}

/**
 * Whether a topic matches a pattern: `*` stands for exactly one level, `>` at the end for one or more levels; levels are
 * split by `.` or `/`, and the two are different letters. Linear in the topic's length: no backtracking.
 */
export function matchesPattern(pattern: usize, patternLength: u32, topic: usize, topicLength: u32): bool {
  const patternEnd = pattern + patternLength;
  const topicEnd = topic + topicLength;
  let levelStart = true;
  while (pattern < patternEnd) {
    const want = <u32>load<u8>(pattern);
    if (levelStart && want == GREATER && pattern + 1 == patternEnd) return topic < topicEnd;
    if (levelStart && want == STAR && (pattern + 1 == patternEnd || separator(load<u8>(pattern, 1)))) {
      const from = topic;
      while (topic < topicEnd && !separator(load<u8>(topic))) topic++;
      if (topic == from) return false;
      pattern++;
      levelStart = false;
      continue;
    }
    if (topic == topicEnd || <u32>load<u8>(topic) != want) return false;
    levelStart = separator(want);
    pattern++;
    topic++;
  }
  return topic == topicEnd;
}
