/**
 * What a tarball must hold and what it must not. npm's `files` is easily off by a pattern, and nobody sees it in the
 * workspace, where every file is there.
 */
import { posix } from "node:path";
import type { PublishedPackage } from "./published-package.ts";

/** The only things at a package's top. */
const AT_TOP = /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|(?:dist|assembly)\/.+)$/;
/** What is ours alone: tests, what they stand on, models of the kernels, what tools leave behind. */
const NEVER = [
  /\.(?:test|spec|fixture|bench)\./,
  /(?:^|\/)(?:__tests__|tests?|testing|fixtures?|bench|torture|reports|node_modules)\//,
  /^assembly\/model\//,
  /\.tsbuildinfo$/,
];
const ALWAYS = ["package.json", "README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"];

/**
 * What is wrong with a package's files; nothing when all is well.
 * @param all every published package by name, for what their assembly imports of each other.
 */
export function packedFileProblems(one: PublishedPackage, all: ReadonlyMap<string, PublishedPackage>): string[] {
  const { files, manifest } = one;
  return [
    ...ALWAYS.filter((path) => !files.has(path)).map((path) => `${path} is missing`),
    ...[...files.keys()].filter((path) => !AT_TOP.test(path)).map((path) => `${path} does not belong into the package`),
    ...[...files.keys()]
      .filter((path) => AT_TOP.test(path) && NEVER.some((pattern) => pattern.test(path)))
      .map((path) => `${path} is for the workspace only`),
    ...targets(manifest.exports, manifest.bin).flatMap((target) => targetProblems(target, files)),
    ...dependencyProblems(manifest.dependencies ?? {}),
    ...[...files].flatMap(([path, text]) => [
      ...mapProblems(path, text, files),
      ...assemblyProblems(path, text, one, all),
    ]),
  ];
}

/** Every file or pattern that `exports` and `bin` point at. */
function targets(exported: unknown, bin: Readonly<Record<string, string>> = {}): string[] {
  const of = (value: unknown): string[] => {
    if (typeof value === "string") return [value];
    return typeof value === "object" && value !== null ? Object.values(value).flatMap(of) : [];
  };
  return [...of(exported), ...Object.values(bin)].map((target) => posix.normalize(target));
}

function targetProblems(target: string, files: ReadonlyMap<string, string>): string[] {
  const [before = "", after] = target.split("*");
  const found =
    after === undefined
      ? files.has(target)
      : [...files.keys()].some(
          (path) => path.startsWith(before) && path.endsWith(after) && path.length > target.length - 1,
        );
  return found ? [] : [`package.json points at ${target}, which is missing`];
}

function dependencyProblems(dependencies: Readonly<Record<string, string>>): string[] {
  return Object.entries(dependencies)
    .filter(([, range]) => /^(?:workspace|link|file|catalog):/.test(range))
    .map(([name, range]) => `the dependency ${name} is "${range}", which means nothing outside the workspace`);
}

/** A source map's sources are in the package or in the map; what a file says is its map is there. */
function mapProblems(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  const folder = posix.dirname(path);
  if (path.endsWith(".map")) {
    const { sources = [], sourcesContent = [] } = JSON.parse(text) as {
      sources?: string[];
      sourcesContent?: (string | null)[];
    };
    return sources
      .filter((source, at) => typeof sourcesContent[at] !== "string" && !files.has(posix.join(folder, source)))
      .map((source) => `${path} maps to ${source}, which is neither packed nor in the map`);
  }
  const named = /^\/\/# sourceMappingURL=(?!data:)(.+)$/m.exec(text)?.[1];
  if (named === undefined || files.has(posix.join(folder, named))) return [];
  return [`${path} names the source map ${named}, which is missing`];
}

/** AssemblyScript is compiled from its source by whoever imports it: whatever a file imports must have come along. */
function assemblyProblems(
  path: string,
  text: string,
  { files, manifest }: PublishedPackage,
  all: ReadonlyMap<string, PublishedPackage>,
): string[] {
  if (!path.startsWith("assembly/")) return [];
  return [...text.matchAll(/^(?:import|export|\})[^;"]*from "([^"]+)"/gm)].flatMap(([, from = ""]) => {
    if (from.startsWith(".")) {
      const file = posix.join(posix.dirname(path), from);
      return files.has(file) || files.has(`${file}.ts`) ? [] : [`${path} imports ${from}, which is missing`];
    }
    const [, name = "", rest = ""] = /^(@[^/]+\/[^/]+|[^/]+)\/?(.*)$/.exec(from) ?? [];
    if (manifest.dependencies?.[name] === undefined) return [`${path} imports ${from}, which is no dependency`];
    const there = all.get(name)?.files;
    return there === undefined || there.has(`${rest}.ts`) || there.has(rest)
      ? []
      : [`${path} imports ${from}, which ${name} does not pack`];
  });
}
