/**
 * A deduplicator's snapshot as bytes: written block by block, and read whole before anything is done with it.
 *
 * Little-endian:
 *
 * | size | field |
 * |---|---|
 * | u32 ×2 | magic `ESCD`, version 1 |
 * | | blocks: u32 entries n, not 0; then n entries: 16 bytes id, f64 time accepted in ms |
 * | u32 | 0: the end |
 * | f64 | entries of all blocks |
 * | u32 | CRC-32 (IEEE) of everything before it |
 */
import { crc32 } from "node:zlib";
import { EscError } from "@esc/events";

export const ENTRY_BYTES = 24;
const MAGIC = 0x44435345;
const VERSION = 1;
const HEADER_BYTES = 8;
const END_BYTES = 16;
/** Times are whole milliseconds that are exact as f64. */
const MAX_TIME = 2 ** 52;

export class SnapshotWriter {
  #crc = 0;
  #entries = 0;

  header(): Uint8Array<ArrayBuffer> {
    const bytes = Buffer.alloc(HEADER_BYTES);
    bytes.writeUInt32LE(MAGIC, 0);
    bytes.writeUInt32LE(VERSION, 4);
    return this.#covered(bytes);
  }

  /** @param entries whole entries, copied. */
  block(entries: Uint8Array): Uint8Array<ArrayBuffer> {
    const count = entries.length / ENTRY_BYTES;
    const bytes = Buffer.alloc(4 + entries.length);
    bytes.writeUInt32LE(count, 0);
    bytes.set(entries, 4);
    this.#entries += count;
    return this.#covered(bytes);
  }

  end(): Uint8Array<ArrayBuffer> {
    const bytes = Buffer.alloc(END_BYTES);
    bytes.writeDoubleLE(this.#entries, 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, END_BYTES - 4), this.#crc), END_BYTES - 4);
    return bytes;
  }

  #covered(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }
}

/**
 * Checks a whole snapshot and gives its blocks' entries, in order. @throws EscError `ESC_DEDUP_SNAPSHOT` when it is damaged,
 * cut or no snapshot, `ESC_DEDUP_SNAPSHOT_VERSION` when it is of another version.
 */
export function readSnapshot(chunks: Iterable<Uint8Array>): Uint8Array[] {
  const bytes = Buffer.concat([...chunks]);
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) throw damaged("it doesn't begin as one");
  const version = bytes.readUInt32LE(4);
  if (version !== VERSION) {
    throw new EscError(
      "ESC_DEDUP_SNAPSHOT_VERSION",
      `The snapshot has version ${version}; this release reads version ${VERSION}. Restore it with the release that wrote it.`,
    );
  }
  if (bytes.length < HEADER_BYTES + END_BYTES) throw damaged("it is cut short");
  if (crc32(bytes.subarray(0, -4)) !== bytes.readUInt32LE(bytes.length - 4)) {
    throw damaged("its bytes don't fit its CRC-32, so it was changed or cut short");
  }
  const blocks: Uint8Array[] = [];
  const end = bytes.length - END_BYTES;
  let at = HEADER_BYTES;
  let entries = 0;
  while (at < end) {
    const count = bytes.readUInt32LE(at);
    const next = at + 4 + count * ENTRY_BYTES;
    if (count === 0 || next > end) throw damaged(`a block at byte ${at} doesn't end within it`);
    for (let entry = at + 4; entry < next; entry += ENTRY_BYTES) {
      const time = bytes.readDoubleLE(entry + 16);
      if (!Number.isInteger(time) || Math.abs(time) > MAX_TIME) throw damaged(`the entry at byte ${entry} has no time`);
    }
    blocks.push(bytes.subarray(at + 4, next));
    entries += count;
    at = next;
  }
  if (bytes.readUInt32LE(end) !== 0 || bytes.readDoubleLE(end + 4) !== entries) {
    throw damaged(`its end doesn't tell the ${entries} entries that it has`);
  }
  return blocks;
}

function damaged(why: string): EscError {
  return new EscError(
    "ESC_DEDUP_SNAPSHOT",
    `That is not a whole snapshot of a deduplicator: ${why}. Nothing was restored; take an older one, or start empty.`,
  );
}
