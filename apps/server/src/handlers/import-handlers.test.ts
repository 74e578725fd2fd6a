import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { esc } from "../testing/server-process.fixture.ts";

// Through the server: a test's own loader is not the one that loads handlers.
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "esc-handlers-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function startWith(files: Readonly<Record<string, string>>): Promise<{ code: number | null; stderr: string }> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const config = join(dir, "esc.yaml");
  writeFileSync(
    config,
    `handlers: [./${Object.keys(files)[0]}]
storage: { path: ${join(dir, "data")} }
ingestion: { tcp: { port: 0 }, udp: { port: 0 } }
http: { port: 0 }
`,
  );
  return await esc("start", "--config", config);
}

test.each<[what: string, files: Record<string, string>, says: (dir: string) => string]>([
  [
    "a package that isn't there is the one that is named, with who asks for it",
    { "missing-package.mjs": 'import "no-such-package";\nexport default 1;' },
    (at) =>
      `${at}/missing-package.mjs can't be loaded: Cannot find package 'no-such-package' imported from ${at}/missing-package.mjs.`,
  ],
  [
    "a file beside it that isn't there is the one that is named",
    { "missing-file.mjs": 'import "./nowhere.mjs";\nexport default 1;' },
    (at) =>
      `${at}/missing-file.mjs can't be loaded: Cannot find module '${at}/nowhere.mjs' imported from ${at}/missing-file.mjs.`,
  ],
  [
    "a syntax error comes with its line",
    { "syntax.mjs": 'export default {\n  topics: ">",\n  handle( { }\n};\n' },
    (at) => `${at}/syntax.mjs can't be loaded: SyntaxError: Unexpected token '}' (${at}/syntax.mjs:4).`,
  ],
  [
    "a syntax error in a module that it imports comes with that one's line",
    { "outer.mjs": 'import "./inner.mjs";\nexport default 1;', "inner.mjs": "\n\nlet let = 1;" },
    (at) => `(${at}/inner.mjs:3).`,
  ],
  [
    "an error while it loads comes with its line",
    { "throws.mjs": "\n\nnothing.here();" },
    (at) => `${at}/throws.mjs can't be loaded: ReferenceError: nothing is not defined (${at}/throws.mjs:3:1).`,
  ],
  ["null that is thrown", { "null.mjs": "throw null;" }, (at) => `${at}/null.mjs can't be loaded: it threw null.`],
  ["an empty list", { "empty.mjs": "export default [];" }, (at) => `${at}/empty.mjs exports an empty list.`],
  ["no default export", { "none.mjs": "export const a = 1;" }, (at) => `${at}/none.mjs has no default export`],
])("%s: the start ends with that sentence", async (_, files, says) => {
  const { code, stderr } = await startWith(files);
  expect(stderr).toContain(says(dir));
  expect([code, /\n\s+at /.test(stderr)]).toEqual([1, false]);
});

test("a folder is said to be one", async () => {
  mkdirSync(join(dir, "folder.mjs"));
  writeFileSync(
    join(dir, "folder.yaml"),
    `handlers: [./folder.mjs]\nstorage: { path: ${join(dir, "data")} }\nhttp: { port: 0 }\n`,
  );
  expect((await esc("start", "--config", join(dir, "folder.yaml"))).stderr).toContain("it is a folder; name a file");
});
