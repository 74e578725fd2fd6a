export { CRC_TABLE_BYTES, initCrcTable } from "./crc32";
import { crc32 } from "./crc32";
import { hashTopic } from "./topic";
export { matchesPattern, validUtf8 } from "./topic";

export function crc32Of(table: usize, p: usize, n: u32): u32 {
  return crc32(table, p, n);
}

export function hashTopicOf(p: usize, n: u32): u32 {
  return hashTopic(p, n);
}
