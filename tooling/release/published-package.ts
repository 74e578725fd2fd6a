/** A package as a registry gives it out: the tarball that was published, opened in memory. */
import { createPackageFromTarballData } from "@arethetypeswrong/core";

/** What the checks read of a `package.json`. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports?: unknown;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly repository?: unknown;
}

export interface PublishedPackage {
  readonly manifest: Manifest;
  readonly tarball: Uint8Array<ArrayBuffer>;
  /** Text by path inside the package, `/` between folders. */
  readonly files: ReadonlyMap<string, string>;
}

/** Fetches the latest version of a package. @throws Error when the registry doesn't have it. */
export async function fetchPackage(registry: string, name: string, signal: AbortSignal): Promise<PublishedPackage> {
  const answer = await fetch(`${registry}${name.replace("/", "%2f")}/latest`, { signal });
  if (!answer.ok) throw new Error(`${name} was not published: the registry answers ${answer.status}`);
  const { dist } = (await answer.json()) as { dist: { tarball: string } };
  const tarball = new Uint8Array(await (await fetch(dist.tarball, { signal })).arrayBuffer());
  const opened = createPackageFromTarballData(tarball);
  const prefix = `/node_modules/${name}/`;
  const files = new Map(opened.listFiles().map((path) => [path.slice(prefix.length), opened.readFile(path)]));
  return { manifest: JSON.parse(files.get("package.json") ?? "{}"), tarball, files };
}
