#!/usr/bin/env node
/**
 * Compiles a package's `assembly/index.ts` into `src/kernel.generated.ts`: the kernel's bytes, inlined.
 *
 * A kernel shares its memory with others, so it may not own any of it: a data segment would overwrite what lies there.
 */
import { readFile, writeFile } from "node:fs/promises";
import { main } from "assemblyscript/asc";
import { compilerOptions } from "./options.mjs";

const files = new Map();
const { error, stderr } = await main(["assembly/index.ts", "--outFile", "kernel.wasm", ...compilerOptions], {
  writeFile: (name, contents) => void files.set(name, contents),
});
if (error) {
  process.stderr.write(`${stderr.toString()}${error.message}\n`);
  process.exit(1);
}
const wasm = files.get("kernel.wasm");
if (sections(wasm).has(11)) {
  process.stderr.write(
    "The kernel has a data segment (a string, a static array or an assertion's message): kernels own no memory.\n",
  );
  process.exit(1);
}
const text = `// Generated from assembly/ by the build.\nexport const kernelBase64 =\n  "${Buffer.from(wasm).toString("base64")}";\n`;
const target = "src/kernel.generated.ts";
const before = await readFile(target, "utf8").catch(() => undefined);
if (before !== text) await writeFile(target, text);
process.stdout.write(`kernel: ${wasm.length} bytes\n`);

/** The ids of a module's sections; 11 is data. */
function sections(bytes) {
  const ids = new Set();
  let at = 8;
  while (at < bytes.length) {
    const id = bytes[at++];
    let size = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at++];
      size |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) break;
    }
    ids.add(id);
    at += size;
  }
  return ids;
}
