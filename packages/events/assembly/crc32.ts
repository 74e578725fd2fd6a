// CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), slicing by 16: Kounavis and Berry, "A Systematic Approach to
// Building High Performance, Software-based, CRC Generators" (2005), widened from 8 to 16 tables. Sixteen independent
// loads per 16 bytes keep the load ports busy where a byte-wise loop waits for one load at a time.

/** Bytes of the tables: 16 tables of 256 u32. */
export const CRC_TABLE_BYTES: usize = 16 * 256 * 4;

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

// @ts-ignore: decorator
@inline
function at(table: usize, slice: u32, byte: u32): u32 {
  return load<u32>(table + (slice << 10) + ((byte & 255) << 2));
}

/** The CRC-32 of the `n` bytes at `p`. Unaligned addresses are fine. */
// @ts-ignore: decorator
@inline
export function crc32(table: usize, p: usize, n: u32): u32 {
  let c: u32 = 0xffffffff;
  while (n >= 16) {
    const a = load<u32>(p) ^ c;
    const b = load<u32>(p, 4);
    const d = load<u32>(p, 8);
    const e = load<u32>(p, 12);
    c =
      at(table, 15, a) ^ at(table, 14, a >>> 8) ^ at(table, 13, a >>> 16) ^ at(table, 12, a >>> 24) ^
      at(table, 11, b) ^ at(table, 10, b >>> 8) ^ at(table, 9, b >>> 16) ^ at(table, 8, b >>> 24) ^
      at(table, 7, d) ^ at(table, 6, d >>> 8) ^ at(table, 5, d >>> 16) ^ at(table, 4, d >>> 24) ^
      at(table, 3, e) ^ at(table, 2, e >>> 8) ^ at(table, 1, e >>> 16) ^ at(table, 0, e >>> 24);
    p += 16;
    n -= 16;
  }
  if (n >= 8) {
    const a = load<u32>(p) ^ c;
    const b = load<u32>(p, 4);
    c =
      at(table, 7, a) ^ at(table, 6, a >>> 8) ^ at(table, 5, a >>> 16) ^ at(table, 4, a >>> 24) ^
      at(table, 3, b) ^ at(table, 2, b >>> 8) ^ at(table, 1, b >>> 16) ^ at(table, 0, b >>> 24);
    p += 8;
    n -= 8;
  }
  while (n > 0) {
    c = (c >>> 8) ^ at(table, 0, c ^ load<u8>(p));
    p++;
    n--;
  }
  return ~c;
}
