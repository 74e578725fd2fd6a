/** CRC-32 by our kernel against `zlib.crc32`, at a usual event's size and at a chunk's. */
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import { bench, run, summary } from "mitata";
import { createCrcTable, EventKernel } from "../src/index.ts";

const arena = Arena.create({ bytes: 1 << 18 });
createCrcTable(arena);
const kernel = new EventKernel(arena, 65_536);

for (const size of [32, 256, 65_536]) {
  const bytes = new Uint8Array(size).fill(7);
  summary(() => {
    bench(`@esc/events CRC-32, ${size} bytes (copy into the arena included)`, () => kernel.crc32(bytes)).baseline(true);
    bench(`zlib.crc32, ${size} bytes`, () => crc32(bytes));
  });
}
await run();
