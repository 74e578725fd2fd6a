/** CRC-32 by our kernel, over bytes in the arena, against `zlib.crc32`: from nothing to a chunk, and lengths mixed. */
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { inRounds, line, machine } from "@esc/tooling/rounds";
import { crcTable, createCrcTable } from "../src/index.ts";
import { kernelBase64 } from "../src/kernel.generated.ts";

const MOST = 65_536;
const arena = Arena.create({ bytes: 1 << 18 });
createCrcTable(arena);
const table = regionAddress(crcTable(arena));
const address = regionAddress(arena.allocate("bench", MOST));
const { crc32Of } = loadKernel<{ crc32Of(table: number, address: number, length: number): number }>(
  kernelBase64,
  arena,
);
const bytes = Buffer.from(Array.from({ length: MOST }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24));
new Uint8Array(arena.memory.buffer, address, MOST).set(bytes);

/** The branch predictor learns one length; mixed ones are what traffic has. */
const mixed = Array.from({ length: 4_096 }, (_, i) => 32 + ((Math.imul(i, 0x9e3779b1) >>> 20) & 63));
const views = mixed.map((length) => bytes.subarray(0, length));

console.log(machine());
console.log("ns a call, least / median\n\n| bytes | ours | zlib.crc32 | ratio |\n|---|---|---|---|");
for (const size of [0, 8, 32, 64, 256, 1_024, 4_096, 16_384, MOST]) {
  const view = bytes.subarray(0, size);
  const timings = inRounds([
    {
      name: "ours",
      run: (times) => {
        let sum = 0;
        for (let i = 0; i < times; i++) sum ^= crc32Of(table, address, size);
        return sum;
      },
    },
    {
      name: "zlib",
      run: (times) => {
        let sum = 0;
        for (let i = 0; i < times; i++) sum ^= crc32(view);
        return sum;
      },
    },
  ]);
  console.log(line(String(size), timings));
}
const timings = inRounds([
  {
    name: "ours",
    run: (times) => {
      let sum = 0;
      for (let i = 0; i < times; i++) sum ^= crc32Of(table, address, mixed[i & 4_095] as number);
      return sum;
    },
  },
  {
    name: "zlib",
    run: (times) => {
      let sum = 0;
      for (let i = 0; i < times; i++) sum ^= crc32(views[i & 4_095] as Buffer);
      return sum;
    },
  },
]);
console.log(line("32 to 95, mixed", timings));
