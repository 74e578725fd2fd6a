// CRC-32 without tables, for what is long: exclusive ors of what came before.
//
// A multiple of the CRC's polynomial leaves no remainder, so adding one to the message changes nothing. Take one with
// few terms: its first term clears a bit, its other terms say which later bits to flip for it. Squared three times it has
// the same terms eight times as far apart: it clears a byte and flips whole bytes. So the first bytes of a message move
// forward until only the last ones are left (S. Russell, "Chorba: A novel CRC32 implementation", 2024).
//
// Here x^120 + x^88 + x^80 + x^34 + x^18 + x^13 + x^8 + 1, found by search: of the multiples that reach no further than 8
// vectors and flip nothing nearer than one, it needs the fewest shuffles. A byte flips those 32, 40, 86, 102, 107, 112 and
// 120 bytes behind itself. A loop keeps the last 8 vectors in registers, and each new one takes from them what flips it.
// What is left then, 128 bytes that nothing has moved forward, goes through the tables.

import { crcWords } from "./crc32";

/** What one turn of the loop takes; `foldCrc` takes multiples of it. */
export const FOLD_BYTES: u32 = 128;

/**
 * The vector `d` with all that flips it: `a`, `b`, `c`, `e` are the vectors 8, 7, 6 and 5 before it, `f` and `g` 3 and 2. The
 * nearest come last, so that the loop waits for three steps in two vectors only.
 */
// @ts-ignore: decorator
@inline
function fold(d: v128, a: v128, b: v128, c: v128, e: v128, f: v128, g: v128): v128 {
  const far = v128.xor(v128.xor(d, before6(c, e)), v128.xor(before6(b, c), before11(b, c)));
  return v128.xor(v128.xor(far, v128.xor(b, before8(a, b))), v128.xor(g, before8(f, g)));
}

/** The 16 bytes that begin 6 bytes before `b`, which follows `a`. */
// @ts-ignore: decorator
@inline
function before6(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25);
}

// @ts-ignore: decorator
@inline
function before8(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
}

// @ts-ignore: decorator
@inline
function before11(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20);
}

/** The register, which was `c`, after the bytes of a vector. */
// @ts-ignore: decorator
@inline
function crcVector(table: usize, v: v128, c: u32): u32 {
  return crcWords(table, <u64>i64x2.extract_lane(v, 0), <u64>i64x2.extract_lane(v, 1), c);
}

/** The register after the `n` bytes at `p`, a multiple of 128 and 256 at least, which begin with the register `c`. */
export function foldCrc(table: usize, p: usize, n: u32, c: u32): u32 {
  const none = i32x4.splat(0);
  let first = i32x4.replace_lane(none, 0, c);
  let h0 = none;
  let h1 = none;
  let h2 = none;
  let h3 = none;
  let h4 = none;
  let h5 = none;
  let h6 = none;
  let h7 = none;
  const last = p + n - FOLD_BYTES;
  do {
    h0 = fold(v128.xor(v128.load(p), first), h0, h1, h2, h3, h5, h6);
    h1 = fold(v128.load(p, 16), h1, h2, h3, h4, h6, h7);
    h2 = fold(v128.load(p, 32), h2, h3, h4, h5, h7, h0);
    h3 = fold(v128.load(p, 48), h3, h4, h5, h6, h0, h1);
    h4 = fold(v128.load(p, 64), h4, h5, h6, h7, h1, h2);
    h5 = fold(v128.load(p, 80), h5, h6, h7, h0, h2, h3);
    h6 = fold(v128.load(p, 96), h6, h7, h0, h1, h3, h4);
    h7 = fold(v128.load(p, 112), h7, h0, h1, h2, h4, h5);
    first = none;
    p += FOLD_BYTES;
  } while (p < last);
  // The last 128 bytes take what flips them, and flip nothing.
  c = 0;
  c = crcVector(table, fold(v128.load(p), h0, h1, h2, h3, h5, h6), c);
  h0 = none;
  c = crcVector(table, fold(v128.load(p, 16), h1, h2, h3, h4, h6, h7), c);
  h1 = none;
  c = crcVector(table, fold(v128.load(p, 32), h2, h3, h4, h5, h7, h0), c);
  h2 = none;
  c = crcVector(table, fold(v128.load(p, 48), h3, h4, h5, h6, h0, h1), c);
  h3 = none;
  c = crcVector(table, fold(v128.load(p, 64), h4, h5, h6, h7, h1, h2), c);
  h4 = none;
  c = crcVector(table, fold(v128.load(p, 80), h5, h6, h7, h0, h2, h3), c);
  h5 = none;
  c = crcVector(table, fold(v128.load(p, 96), h6, h7, h0, h1, h3, h4), c);
  h6 = none;
  c = crcVector(table, fold(v128.load(p, 112), h7, h0, h1, h2, h4, h5), c);
  return c;
}
