// The record: what lies in a lane's ring and, byte for byte, in its log. Little-endian, 8-byte aligned.
//
// | offset | size | field |
// |---|---|---|
// | 0 | u32 | length with header, without padding |
// | 4 | u32 | CRC-32 (IEEE) of bytes 8 … length |
// | 8 | u64 | sequence in the lane, from 1 |
// | 16 | u64 | time received, ns since the epoch |
// | 24 | u32 | topic hash |
// | 28 | u16 | topic length |
// | 30 | u8 | priority 0–4 |
// | 31 | u8 | bits 0–2 source, bit 3 has id, bit 4 has metadata, bit 5 tombstone |
// | 32 | 16 B | event id, where flagged |
// | … | | topic, [u16 metadata length, metadata], payload, zeros to a multiple of 8 |

export const RECORD_LENGTH: usize = 0;
export const RECORD_CRC: usize = 4;
export const RECORD_SEQUENCE: usize = 8;
export const RECORD_TIME: usize = 16;
export const RECORD_HASH: usize = 24;
export const RECORD_TOPIC_LENGTH: usize = 28;
export const RECORD_PRIORITY: usize = 30;
export const RECORD_FLAGS: usize = 31;
export const RECORD_HEADER: u32 = 32;

export const EVENT_ID_BYTES: u32 = 16;
export const FLAG_SOURCE: u32 = 0x07;
export const FLAG_ID: u32 = 0x08;
export const FLAG_METADATA: u32 = 0x10;
export const FLAG_TOMBSTONE: u32 = 0x20;

/** A record's length with its padding. */
// @ts-ignore: decorator
@inline
export function padded(length: u32): u32 {
  return (length + 7) & ~7;
}

/**
 * Copies `n` bytes that don't overlap; 16 at a time, since a call of memory.copy costs more than a usual event's bytes. The
 * last 16 are those that end with the last byte: some are copied twice, none beyond, and no loop runs over single bytes.
 */
// @ts-ignore: decorator
@inline
export function copyBytes(to: usize, from: usize, n: u32): void {
  if (n >= 512) {
    memory.copy(to, from, n);
  } else if (n >= 16) {
    const last = to + n - 16;
    const lastFrom = from + n - 16;
    while (to < last) {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    }
    v128.store(last, v128.load(lastFrom));
  } else {
    copyFew(to, from, n);
  }
}

/** Fewer than 16 bytes: two overlapping halves. */
function copyFew(to: usize, from: usize, n: u32): void {
  if (n >= 8) {
    const end = load<u64>(from + n - 8);
    store<u64>(to, load<u64>(from));
    store<u64>(to + n - 8, end);
  } else if (n >= 4) {
    const end = load<u32>(from + n - 4);
    store<u32>(to, load<u32>(from));
    store<u32>(to + n - 4, end);
  } else if (n > 0) {
    const middle = load<u8>(from + (n >> 1));
    const end = load<u8>(from + n - 1);
    store<u8>(to, load<u8>(from));
    store<u8>(to + (n >> 1), middle);
    store<u8>(to + n - 1, end);
  }
}

/** Zeros the padding behind a record of `length` bytes at `record` (aligned to 8): one store, done before the body is copied. */
// @ts-ignore: decorator
@inline
export function zeroPadding(record: usize, length: u32): void {
  if (length & 7) store<u64>(record + (length & ~7), 0);
}
