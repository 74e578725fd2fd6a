import { expect, test } from "vitest";
import { packedFileProblems } from "./packed-files.ts";
import type { Manifest, PublishedPackage } from "./published-package.ts";

const SOUND = {
  "package.json": "{}",
  "README.md": "",
  LICENSE: "",
  "dist/index.js": "//# sourceMappingURL=index.js.map",
  "dist/index.js.map": '{"sources":["../src/index.ts"],"sourcesContent":["x"]}',
  "dist/index.d.ts": "",
};

function packed(files: Record<string, string>, manifest: Partial<Manifest> = {}): PublishedPackage {
  return {
    manifest: {
      name: "@esc/a",
      version: "1.0.0",
      exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
      ...manifest,
    },
    tarball: new Uint8Array(),
    files: new Map(Object.entries({ ...SOUND, ...files })),
  };
}

function problems(one: PublishedPackage, ...others: PublishedPackage[]): string[] {
  return packedFileProblems(one, new Map([one, ...others].map((each) => [each.manifest.name, each])));
}

test("a package with its build, README, license and assembly has no problem", () => {
  const assembly = { "assembly/ring.ts": 'import { b } from "./layout";', "assembly/layout.ts": "" };
  const exports = { ".": "./dist/index.js", "./assembly/*": "./assembly/*" };
  expect(problems(packed(assembly, { exports }))).toEqual([]);
});

test.each(["README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"])("%s must be there", (path) => {
  const one = packed({});
  const files = new Map([...one.files].filter(([name]) => name !== path));
  expect(problems({ ...one, files })).toContain(`${path} is missing`);
});

test.each([
  "dist/ring.test.js",
  "dist/rig.fixture.d.ts",
  "dist/testing/server.js",
  "assembly/model/ring.ts",
  "assembly/bench/ring.ts",
  "dist/tsconfig.tsbuildinfo",
])("%s is for the workspace only", (path) => {
  expect(problems(packed({ [path]: "" }))).toEqual([`${path} is for the workspace only`]);
});

test.each(["src/index.ts", "tsconfig.json", ".npmrc", "reports/test.json"])(
  "%s does not belong into a package",
  (path) => {
    expect(problems(packed({ [path]: "" }))).toEqual([`${path} does not belong into the package`]);
  },
);

test("a source map whose source is neither packed nor in the map is told", () => {
  const map = (content: string) => ({ "dist/index.js.map": content });
  expect(problems(packed(map('{"sources":["../src/index.ts"]}')))).toHaveLength(1);
  expect(problems(packed(map('{"sources":["../src/index.ts"],"sourcesContent":[null]}')))).toHaveLength(1);
  expect(problems(packed(map('{"sources":["index.js"]}')))).toEqual([]);
});

test("a file that names a source map which is not there is told", () => {
  expect(problems(packed({ "dist/chunk.js": "//# sourceMappingURL=chunk.js.map" }))).toEqual([
    "dist/chunk.js names the source map chunk.js.map, which is missing",
  ]);
});

test("everything that exports and bin point at must be there", () => {
  const manifest = {
    exports: { ".": "./dist/index.js", "./assembly/*": "./assembly/*", "./x": { types: "./dist/x.d.ts" } },
    bin: { a: "./dist/cli.js" },
  };
  expect(problems(packed({}, manifest))).toEqual([
    "package.json points at assembly/*, which is missing",
    "package.json points at dist/x.d.ts, which is missing",
    "package.json points at dist/cli.js, which is missing",
  ]);
});

test.each(["workspace:^", "link:../b", "file:../b", "catalog:"])("a dependency on %s is told", (range) => {
  expect(problems(packed({}, { dependencies: { "@esc/b": range } }))).toHaveLength(1);
});

test("assembly must come with what it imports, in its own package and in others", () => {
  const importer = (from: string) =>
    packed({ "assembly/index.ts": `import { x } from "${from}";` }, { dependencies: { "@esc/b": "^1.0.0" } });
  const other = packed({ "assembly/crc.ts": "" }, { name: "@esc/b" });
  expect(problems(importer("@esc/b/assembly/crc"), other)).toEqual([]);
  expect(problems(importer("@esc/b/assembly/gone"), other)).toHaveLength(1);
  expect(problems(importer("@esc/c/assembly/crc"), other)).toHaveLength(1);
  expect(problems(importer("./gone"), other)).toHaveLength(1);
});
