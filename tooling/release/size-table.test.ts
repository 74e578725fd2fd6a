import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sizeOf, sizeTable, wasmBytes } from "./size-table.ts";

const WASM = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

test("kernels are counted by their decoded bytes, each once, and other base64 not at all", () => {
  const base64 = WASM.toString("base64");
  expect(wasmBytes(`const a = "${base64}"; const again = '${base64}'; const b = "AAAA";`)).toBe(WASM.length);
});

test("a package's own chunks are part of its bundle, other packages are not", async () => {
  const noise = randomBytes(3_000).toString("base64");
  const index = 'import { other } from "other"; export { chunk } from "./chunk.js"; other();';
  const chunk = `export const chunk = ["${WASM.toString("base64")}", "${noise}"];`;
  const tarball = new Uint8Array(7);
  const files = new Map([
    ["dist/index.js", index],
    ["dist/chunk.js", chunk],
    ["README.md", "é"],
  ]);
  const size = await sizeOf({ manifest: { name: "@esc/a", version: "1.0.0" }, tarball, files });
  expect(size).toMatchObject({
    name: "@esc/a",
    tarball: 7,
    unpacked: index.length + chunk.length + 2,
    wasm: WASM.length,
  });
  // What is random can't be compressed below its 3,000 bytes: it is in there, and once.
  expect(size.bundled).toBeGreaterThan(3_000);
  expect(size.bundled).toBeLessThan(4_000);
});

test("the table has a row for each package, its figures in columns", () => {
  const row = { name: "@esc/a", tarball: 1_234, unpacked: 5, bundled: 6, wasm: 0 };
  expect(sizeTable([row, { ...row, name: "@esc/longer" }]).split("\n")).toEqual([
    "package      tarball  unpacked  index.js min+gz  wasm",
    "@esc/a         1,234         5                6     0",
    "@esc/longer    1,234         5                6     0",
  ]);
});
