/** What the log is made of. Indexes and terms are whole numbers up to 2^53; 0 means none. */

/**
 * What an entry holds. `normal` is the state machine's; the others change the members and are the core's: `confChange` may be any
 * change, `confChangeSingle` one that can't go through a joint configuration.
 */
export type EntryType = "normal" | "confChange" | "confChangeSingle";

export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

export const NO_DATA = new Uint8Array(0);
export const NO_ENTRIES: readonly Entry[] = [];

/** What an entry costs beside its data in a message or a page: term, index, type and length, roughly. */
const HEADER_BYTES = 8;

export function entryBytes(entry: Entry): number {
  return HEADER_BYTES + entry.data.length;
}

export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** Bytes of the data alone. An empty entry counts nothing, so a limit on payload can never hold one back. */
export function payloadBytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** How many entries from the first on fit into `maxBytes`; one at least, or the log could never get past a large entry. */
export function countWithin(entries: readonly Entry[], maxBytes: number): number {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    bytes += entryBytes(entry);
    if (count > 0 && bytes > maxBytes) break;
    count++;
  }
  return count;
}
