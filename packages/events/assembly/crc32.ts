// CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320).
//
// - Up to 255 bytes: slicing by 16 (Kounavis and Berry, "A Systematic Approach to Building High Performance,
//   Software-based, CRC Generators", 2005, widened from 8 to 16 tables). Sixteen lookups per 16 bytes, of which only the
//   four for the first word wait for the block before: they come last in the chain of exclusive ors.
// - What isn't a multiple of 16 goes first, not last: zeros before a message change nothing in a register of 0, so the
//   first n mod 8 bytes are one block of 8 with zeros before them. No loop over single bytes, and no branch per length.
// - From 256 bytes on: `crc32-fold.ts`, which needs no tables.
//
// docs/performance.md has the figures beside zlib's, what each idea gave alone, and what did not help.

import { FOLD_BYTES, foldCrc } from "./crc32-fold";

/** Bytes of the tables: 16 tables of 256 u32. Table t says what a byte becomes t bytes further on. */
export const CRC_TABLE_BYTES: usize = 16 * 256 * 4;
/** From here on folding pays: its 8 vectors have to go through the tables in the end. */
const FOLD_FROM: u32 = 256;
/** The register before the first byte. What it is behind the last one, inverted, is the CRC. */
export const CRC_START: u32 = 0xffffffff;

/** Fills the tables at `table`. Once, before any other thread uses them. */
export function initCrcTable(table: usize): void {
  for (let i: u32 = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    store<u32>(table + (i << 2), c);
  }
  for (let t: u32 = 1; t < 16; t++) {
    for (let i: u32 = 0; i < 256; i++) {
      const previous = load<u32>(table + ((((t - 1) << 8) + i) << 2));
      store<u32>(table + (((t << 8) + i) << 2), (previous >>> 8) ^ load<u32>(table + ((previous & 255) << 2)));
    }
  }
}

/** The CRC-32 of the `n` bytes at `p`. Unaligned addresses are fine; nothing outside of the bytes is read. */
// @ts-ignore: decorator
@inline
export function crc32(table: usize, p: usize, n: u32): u32 {
  return ~crcOver(table, p, n, CRC_START);
}

/** The register, which was `c`, after the `n` bytes at `p`. */
export function crcOver(table: usize, p: usize, n: u32, c: u32): u32 {
  if (n < 8) return crcBytes(table, p, n, c);
  c = crcHead(table, p, n, c);
  p += n & 15;
  if (n >= FOLD_FROM) {
    const folded = n & ~(FOLD_BYTES - 1);
    c = foldCrc(table, p, folded, c);
    p += folded;
    n -= folded;
  }
  const end = p + (n & ~15);
  while (p < end) {
    c = block16(table, p, c);
    p += 16;
  }
  return c;
}

/** The register, which was `c`, after the first `n` mod 16 of at least 8 bytes. */
// @ts-ignore: decorator
@inline
function crcHead(table: usize, p: usize, n: u32, c: u32): u32 {
  const head = n & 7;
  if (head != 0) {
    const x = (load<u64>(p) ^ <u64>c) << <u64>((8 - head) << 3);
    // Of a register of 4 bytes, the head took its own length; what is left meets the bytes behind it.
    c = block8(table, <u32>x, <u32>(x >> 32)) ^ (head < 4 ? c >>> (head << 3) : 0);
  }
  if (n & 8) c = block8(table, load<u32>(p + head) ^ c, load<u32>(p + head, 4));
  return c;
}

/** The register, which was `c`, after the 16 bytes of two words. */
// @ts-ignore: decorator
@inline
export function crcWords(table: usize, first: u64, second: u64, c: u32): u32 {
  const w = <u32>first ^ c;
  const x = <u32>(first >> 32);
  return (
    (after8(table, x & 255, (x >>> 8) & 255, (x >>> 16) & 255, x >>> 24) ^ block8(table, <u32>second, <u32>(second >> 32))) ^
    after12(table, w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24)
  );
}

/** Fewer than 8 bytes. */
function crcBytes(table: usize, p: usize, n: u32, c: u32): u32 {
  if (n & 4) {
    c = block4(table, load<u32>(p) ^ c);
    p += 4;
  }
  for (let i: u32 = n & 3; i > 0; i--) {
    c = (c >>> 8) ^ load<u32>(slot(table, (c ^ load<u8>(p)) & 255));
    p++;
  }
  return c;
}

// @ts-ignore: decorator
@inline
function slot(table: usize, byte: u32): usize {
  return table + (byte << 2);
}

/** What the first byte of two words adds to the register, as if all others were 0. */
// @ts-ignore: decorator
@inline
export function crcFirstOf16(table: usize, byte: u32): u32 {
  return load<u32>(slot(table, byte), 15 << 10);
}

// What 4 bytes become that end 0, 4, 8 or 12 bytes before their block does. The table's offset is part of the load.

// @ts-ignore: decorator
@inline
function after0(table: usize, a: u32, b: u32, c: u32, d: u32): u32 {
  return (
    (load<u32>(slot(table, a), 3 << 10) ^ load<u32>(slot(table, b), 2 << 10)) ^
    (load<u32>(slot(table, c), 1 << 10) ^ load<u32>(slot(table, d), 0 << 10))
  );
}

// @ts-ignore: decorator
@inline
function after4(table: usize, a: u32, b: u32, c: u32, d: u32): u32 {
  return (
    (load<u32>(slot(table, a), 7 << 10) ^ load<u32>(slot(table, b), 6 << 10)) ^
    (load<u32>(slot(table, c), 5 << 10) ^ load<u32>(slot(table, d), 4 << 10))
  );
}

// @ts-ignore: decorator
@inline
function after8(table: usize, a: u32, b: u32, c: u32, d: u32): u32 {
  return (
    (load<u32>(slot(table, a), 11 << 10) ^ load<u32>(slot(table, b), 10 << 10)) ^
    (load<u32>(slot(table, c), 9 << 10) ^ load<u32>(slot(table, d), 8 << 10))
  );
}

// @ts-ignore: decorator
@inline
function after12(table: usize, a: u32, b: u32, c: u32, d: u32): u32 {
  return (
    (load<u32>(slot(table, a), 15 << 10) ^ load<u32>(slot(table, b), 14 << 10)) ^
    (load<u32>(slot(table, c), 13 << 10) ^ load<u32>(slot(table, d), 12 << 10))
  );
}

/** A block of 4 bytes that have met the register. */
// @ts-ignore: decorator
@inline
function block4(table: usize, w: u32): u32 {
  return after0(table, w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24);
}

/** A block of 8 bytes, of which the first 4 have met the register. */
// @ts-ignore: decorator
@inline
function block8(table: usize, w: u32, v: u32): u32 {
  return block4(table, v) ^ after4(table, w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24);
}

/** The block of 16 bytes at `p`: those that don't meet the register are loaded one by one, which beats shifting words. */
// @ts-ignore: decorator
@inline
function block16(table: usize, p: usize, c: u32): u32 {
  const w = load<u32>(p) ^ c;
  return (
    (after8(table, load<u8>(p, 4), load<u8>(p, 5), load<u8>(p, 6), load<u8>(p, 7)) ^
      (after4(table, load<u8>(p, 8), load<u8>(p, 9), load<u8>(p, 10), load<u8>(p, 11)) ^
        after0(table, load<u8>(p, 12), load<u8>(p, 13), load<u8>(p, 14), load<u8>(p, 15)))) ^
    after12(table, w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24)
  );
}
