import { expect, test } from "vitest";
import {
  importedPackages,
  installedPackages,
  outputProblem,
  type ReadmeExample,
  readmeExample,
} from "./readme-example.ts";

const README = [
  "# a",
  "`npm i @esc/a @esc/b`",
  "```sh",
  "npm i something-else",
  "```",
  "```js",
  'import { a } from "@esc/a";',
  'console.log(a, "`"); // prints: 42',
  "console.log(); // prints:",
  "console.log([1]);",
  "// prints: [ 1 ]",
  "```",
  "```js",
  "second();",
  "```",
].join("\n");

test("the example is the first block of js, as it stands", () => {
  const { source } = readmeExample(README) as ReadmeExample;
  expect(source.split("\n")[0]).toBe('import { a } from "@esc/a";');
  expect(source).toContain("// prints: [ 1 ]\n");
  expect(source).not.toContain("second");
});

test("a README without a block of js has no example", () => {
  expect(readmeExample("```sh\nls\n```\n```json\n{}\n```\n")).toBeUndefined();
});

test("every `prints` comment is one line of the output, also an empty one", () => {
  expect(readmeExample(README)?.prints).toEqual(["42", "", "[ 1 ]"]);
});

test("output is held to the whole of what the example says: no line more, less or different", () => {
  const example = readmeExample(README) as ReadmeExample;
  expect(outputProblem(example, "42\n\n[ 1 ]\n")).toBeUndefined();
  expect(outputProblem(example, "42\n\n[ 1 ]\nmore\n")).toContain("instead of");
  expect(outputProblem(example, "42\n\n")).toContain("instead of");
  expect(outputProblem(example, "43\n\n[ 1 ]\n")).toContain("instead of");
});

test("an example that says nothing of its output may print anything", () => {
  expect(outputProblem({ source: "", prints: [] }, "whatever")).toBeUndefined();
});

test("what to install is what stands behind the first `npm i`, flags left out", () => {
  expect(installedPackages(README)).toEqual(["@esc/a", "@esc/b"]);
  expect(installedPackages("`npm install --save @esc/a`, or not")).toEqual(["@esc/a"]);
  expect(installedPackages("no word of it")).toEqual([]);
});

test("imports are found over several lines and by their package, and strings that only look like some are not", () => {
  const source = [
    'import net from "node:net";',
    'import "@esc/side-effect";',
    "import {",
    "  a,",
    '} from "@esc/a/deep/path";',
    'export { b } from "b/sub";',
    'const c = await import("@esc/c");',
    'import { own } from "./own.js";',
    'import again from "@esc/a";',
    'Buffer.from("order.created");',
  ].join("\n");
  expect(importedPackages(source)).toEqual(["@esc/side-effect", "@esc/a", "b", "@esc/c"]);
});
