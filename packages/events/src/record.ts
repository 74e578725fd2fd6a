/**
 * The record's layout for TypeScript readers: the same table as `assembly/record.ts`, where it is explained.
 * Little-endian, 8-byte aligned; a log file is records one after another.
 */

/** Offsets of a record's fields, in bytes. */
export const RecordOffset = {
  length: 0,
  crc: 4,
  sequence: 8,
  time: 16,
  hash: 24,
  topicLength: 28,
  priority: 30,
  flags: 31,
  body: 32,
} as const;

/** Bits of the byte at {@link RecordOffset.flags}. */
export const RecordFlag = { sourceMask: 0x07, id: 0x08, metadata: 0x10, tombstone: 0x20 } as const;

/** Bytes of an event id. */
export const EVENT_ID_BYTES = 16;

/** A record's length with the zeros that fill it to a multiple of 8. */
export function paddedLength(length: number): number {
  return (length + 7) & ~7;
}

/**
 * Decodes a metadata block: repeated `u8 key length · key · u16 value length · value`.
 * Stops at the first entry that doesn't fit: a block of somebody else's making never throws.
 */
export function decodeMetadata(block: Uint8Array): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>();
  let at = 0;
  while (at < block.length) {
    const keyEnd = at + 1 + (block[at] as number);
    if (keyEnd + 2 > block.length) break;
    const valueLength = (block[keyEnd] as number) | ((block[keyEnd + 1] as number) << 8);
    const valueEnd = keyEnd + 2 + valueLength;
    if (valueEnd > block.length) break;
    // Copies: TextDecoder refuses shared memory, and a decoded entry outlives the record. (A Buffer's slice() is none.)
    const key = Uint8Array.from(block.subarray(at + 1, keyEnd));
    entries.set(new TextDecoder().decode(key), Uint8Array.from(block.subarray(keyEnd + 2, valueEnd)));
    at = valueEnd;
  }
  return entries;
}

/**
 * Encodes a metadata block.
 * @returns the block, at most 65,535 bytes; entries that would exceed it, or whose key exceeds 255 bytes, are cut off.
 */
export function encodeMetadata(entries: Iterable<readonly [key: string, value: Uint8Array]>): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const [key, value] of entries) {
    const keyBytes = new TextEncoder().encode(key);
    const size = 3 + keyBytes.length + value.length;
    if (keyBytes.length > 0xff || total + size > 0xffff) break;
    const part = new Uint8Array(size);
    part[0] = keyBytes.length;
    part.set(keyBytes, 1);
    part[1 + keyBytes.length] = value.length & 0xff;
    part[2 + keyBytes.length] = value.length >>> 8;
    part.set(value, 3 + keyBytes.length);
    parts.push(part);
    total += size;
  }
  return Buffer.concat(parts);
}
