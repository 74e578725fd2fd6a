/** Text files are UTF-8. Decoded all the same, bytes that aren't would become U+FFFD: a value that nobody wrote. */
import { isUtf8 } from "node:buffer";

const LINE_FEED = 10;

/** The first line (from 1) with bytes that aren't UTF-8; undefined when all are. */
export function firstLineNotUtf8(bytes: Uint8Array): number | undefined {
  if (isUtf8(bytes)) return undefined;
  let line = 1;
  for (let start = 0; ; line++) {
    // No byte of a longer character is a line feed, so lines can be looked at one by one.
    const end = bytes.indexOf(LINE_FEED, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}
