/**
 * From a peer's source to a command that runs it. C++ and Java are compiled when they are first needed, into
 * `peers/build`, under a name that holds a hash of the sources, the flags, the compiler and the CPU: a changed source or
 * another machine builds anew, and nothing stale is ever run.
 */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
const BUILD = join(PEERS, "build");
const run = promisify(execFile);

export type PeerSource =
  | {
      readonly language: "C++";
      /** In `peers/cpp`, without its ending. */
      readonly file: string;
      /** The header without which it can't be built; the compiler's own when absent. */
      readonly header?: string;
      /** The package of Debian that holds the header. */
      readonly debian?: string;
      /** The pkg-config module to link, where a header is not all. */
      readonly pkgConfig?: string;
    }
  | {
      readonly language: "Java";
      /** The class in `peers/java`. */
      readonly file: string;
      readonly jar: string;
      readonly debian: string;
      readonly flags?: readonly string[];
    }
  /** In `peers/js`, without its ending; its library is a dependency of this package. */
  | { readonly language: "JavaScript"; readonly file: string };

/** The first line that a program answers to `args`; undefined when it is not there. */
function firstLine(file: string, ...args: readonly string[]): string | undefined {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0];
  } catch {
    return undefined;
  }
}

/** What compilers and libraries a result depends on, as far as they are here; for the machine's line. */
export function toolVersions(): string[] {
  return [firstLine("g++", "--version"), firstLine("java", "--version")].filter((line) => line !== undefined);
}

/** Why the peer can't run here, as what to do about it; undefined when it can. Costs a start of the preprocessor. */
export function missing(source: PeerSource): string | undefined {
  const install = (name: string) => `absent: apt-get install ${name}`;
  switch (source.language) {
    case "JavaScript":
      return undefined;
    case "Java":
      if (firstLine("javac", "--version") === undefined) return install("default-jdk-headless");
      return existsSync(source.jar) ? undefined : install(source.debian);
    case "C++": {
      if (firstLine("g++", "--version") === undefined) return install("g++");
      if (source.header === undefined || source.debian === undefined) return undefined;
      return hasHeader(source.header) ? undefined : install(source.debian);
    }
  }
}

function hasHeader(header: string): boolean {
  const input = `#if __has_include(<${header}>)\nfound\n#endif\n`;
  return execFileSync("g++", ["-E", "-P", "-x", "c++", "-"], { input, encoding: "utf8" }).includes("found");
}

/** The command that runs the peer, built where it must be. Rejects with the compiler's words when it can't be built. */
export async function peerCommand(source: PeerSource): Promise<readonly [file: string, ...args: string[]]> {
  switch (source.language) {
    case "JavaScript":
      return [process.execPath, join(PEERS, "js", `${source.file}.ts`)];
    case "Java": {
      const { file, jar, debian, flags = [] } = source;
      const version = `-Dpeer.version=${debianVersion(debian)}`;
      return ["java", ...flags, version, "-cp", `${await buildJava(file, jar)}:${jar}`, file];
    }
    case "C++":
      return [await buildCpp(source)];
  }
}

/** Not every library tells its version; Debian does. */
function debianVersion(name: string): string {
  return firstLine("dpkg-query", "-W", name)?.split("\t")[1] || "of unknown version";
}

async function buildCpp({ file, debian, pkgConfig }: PeerSource & { language: "C++" }): Promise<string> {
  const version = debian === undefined ? "" : debianVersion(debian);
  const libraries = pkgConfig === undefined ? "" : firstLine("pkg-config", "--libs", pkgConfig);
  if (libraries === undefined) throw new Error(`pkg-config knows no ${pkgConfig}: apt-get install pkg-config`);
  const flags = ["-O3", "-march=native", "-std=c++20", "-Wall", "-pthread", `-DPEER_VERSION="${version}"`];
  const link = libraries.split(" ").filter((flag) => flag !== "");
  const folder = join(PEERS, "cpp");
  return await built(file, folder, [firstLine("g++", "--version"), ...flags], (output) =>
    run("g++", [...flags, join(folder, `${file}.cpp`), "-o", output, ...link]),
  );
}

async function buildJava(file: string, jar: string): Promise<string> {
  const folder = join(PEERS, "java");
  return await built(file, folder, [firstLine("javac", "--version"), jar], (output) =>
    run("javac", ["-cp", jar, "-sourcepath", folder, "-d", output, join(folder, `${file}.java`)]),
  );
}

/** Builds what has not been built from exactly this; two processes that build the same don't disturb each other. */
async function built(
  name: string,
  folder: string,
  settings: readonly (string | undefined)[],
  build: (output: string) => Promise<unknown>,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([settings, cpus()[0]?.model]));
  for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)));
  const output = join(BUILD, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(output)) return output;
  mkdirSync(BUILD, { recursive: true });
  const unfinished = `${output}.${process.pid}`;
  await build(unfinished);
  if (existsSync(output)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, output);
  return output;
}
