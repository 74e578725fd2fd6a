/**
 * What the packages of shared memory hand to their users has no address, offset or raw words in its signatures: those are for
 * kernels, behind `…/kernel`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const PACKAGES = fileURLToPath(new URL("../../packages", import.meta.url));
const NOT_FOR_USERS = /\b(address|byteOffset|Int32Array|Uint32Array|\w*Kernel)\b/i;

/** Public lines of the declarations that a package's index exports, by the name of what they declare. */
function publicLines(name: string): { declared: string; line: string }[] {
  const dist = join(PACKAGES, name, "dist");
  const index = readFileSync(join(dist, "index.d.ts"), "utf8");
  const lines: { declared: string; line: string }[] = [];
  for (const [, names = "", file = ""] of index.matchAll(/export (?:type )?\{([^}]*)\} from "\.\/(.*?)\.ts"/g)) {
    const text = readFileSync(join(dist, `${file}.d.ts`), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    for (const exported of names.split(",").map((one) => one.trim().replace(/^type /, ""))) {
      const start = new RegExp(
        `^export (declare )?(abstract )?(class|interface|type|function|const) ${exported}\\b`,
        "m",
      );
      const from = text.search(start);
      if (from < 0) throw new Error(`${name}: no declaration of ${exported} in ${file}.d.ts`);
      const rest = text.slice(from);
      const end =
        rest.search(/^\}|;$/m) < 0 ? rest.length : rest.search(rest.split("\n", 1)[0]?.endsWith("{") ? /^\}/m : /;$/m);
      for (const line of rest.slice(0, end).split("\n")) {
        if (line.trim() !== "" && !/^\s*(private|protected|#)/.test(line)) lines.push({ declared: exported, line });
      }
    }
  }
  return lines;
}

describe.each(["arena", "queues", "pool"])("@esc/%s", (name) => {
  test("has public signatures to look at", () => {
    expect(publicLines(name).length).toBeGreaterThan(30);
  });

  test("names no address, offset or raw words in them", () => {
    const wrong = publicLines(name).filter(({ line }) => NOT_FOR_USERS.test(line));
    expect(wrong).toEqual([]);
  });
});
