// Which records of a run belong to one of several consumers that share a ring's records between them. Each looks over the
// same bytes and takes its own; what is another's costs a few loads here, and nothing in JavaScript.

import {
  FLAG_TOMBSTONE, RECORD_FLAGS, RECORD_HASH, RECORD_LENGTH, RECORD_SEQUENCE, padded,
} from "@esc/events/assembly/record";

/** The topic decides: all events of a topic are one share's. */
export const BY_HASH: u32 = 0;
/** The sequence decides: events go round. */
export const BY_SEQUENCE: u32 = 1;

/**
 * All bits of a topic's hash in every bit (MurmurHash3's finalizer): of topics that differ in a digit its lowest bits alone
 * are often the same. Stands in what is kept of a division, so it must never change; `record-share.ts` has the same.
 */
// @ts-ignore: decorator
@inline
function mixed(hash: u32): u32 {
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

/** Whether a record is the share's of so many; a tombstone's bytes say nothing. */
// @ts-ignore: decorator
@inline
export function isOwn(record: usize, by: u32, shares: u32, share: u32): bool {
  const owner = by == BY_HASH ? mixed(load<u32>(record + RECORD_HASH)) % shares : <u32>(load<u64>(record + RECORD_SEQUENCE) % <u64>shares);
  return owner == share;
}

/**
 * Writes the addresses (u32) of the share's records among those of [from, to) to `index`, and behind them where it stopped:
 * at `to`, or before the record that there was no room for. Tombstones are nobody's.
 * @param index room for `most` + 1 addresses.
 * @returns how many records are the share's.
 */
export function ownRecords(from: usize, to: usize, index: usize, most: u32, by: u32, shares: u32, share: u32): u32 {
  let found: u32 = 0;
  let at = from;
  while (at < to) {
    const next = at + padded(load<u32>(at + RECORD_LENGTH));
    if (isOwn(at, by, shares, share) && (load<u8>(at + RECORD_FLAGS) & FLAG_TOMBSTONE) == 0) {
      if (found == most) break;
      store<u32>(index + (<usize>found << 2), <u32>at);
      found++;
    }
    at = next;
  }
  store<u32>(index + (<usize>found << 2), <u32>at);
  return found;
}
