/** What each package weighs: to fetch, on disk, in a bundle, and how much of that is kernel. */

import { posix } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import type { PublishedPackage } from "./published-package.ts";

export interface PackageSize {
  readonly name: string;
  readonly tarball: number;
  readonly unpacked: number;
  /** dist/index.js with the package's own chunks, minified and gzipped. */
  readonly bundled: number;
  /** WebAssembly inlined in it, as it is when decoded. */
  readonly wasm: number;
}

/** Weighs a package; every figure is in bytes. */
export async function sizeOf({ files, manifest, tarball }: PublishedPackage): Promise<PackageSize> {
  const { outputFiles } = await build({
    entryPoints: ["dist/index.js"],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    plugins: [packed(files)],
  });
  const code = outputFiles[0]?.text ?? "";
  return {
    name: manifest.name,
    tarball: tarball.length,
    unpacked: [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    bundled: gzipSync(code).length,
    wasm: wasmBytes(code),
  };
}

/** Bytes of the modules inlined in a source as base64; "AGFzbQ" is how every one of them begins. */
export function wasmBytes(code: string): number {
  const modules = new Set(
    [...code.matchAll(/["'`](AGFzbQ[A-Za-z0-9+/]+=*)["'`]/g)].map(([, base64]) => base64 as string),
  );
  return [...modules].reduce((sum, base64) => sum + Buffer.from(base64, "base64").length, 0);
}

export function sizeTable(sizes: readonly PackageSize[]): string {
  const head = ["package", "tarball", "unpacked", "index.js min+gz", "wasm"];
  const rows = sizes.map(({ name, ...figures }) => [
    name,
    ...[figures.tarball, figures.unpacked, figures.bundled, figures.wasm].map((bytes) => bytes.toLocaleString("en")),
  ]);
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
    )
    .join("\n");
}

/** Lets the bundler read the package's files where they are, in memory; other packages stay outside. */
function packed(files: ReadonlyMap<string, string>): Plugin {
  return {
    name: "packed",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (kind === "entry-point") return { path, namespace: "packed" };
        if (!path.startsWith(".")) return { path, external: true };
        return { path: posix.join(posix.dirname(importer), path), namespace: "packed" };
      });
      onLoad({ filter: /.*/, namespace: "packed" }, ({ path }) => {
        const contents = files.get(path);
        return contents === undefined ? { errors: [{ text: `${path} is missing` }] } : { contents, loader: "js" };
      });
    },
  };
}
