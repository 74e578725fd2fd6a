/** The workspace's packages that are published: every folder of packages/ and apps/ whose package isn't private. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface WorkspacePackage {
  readonly name: string;
  readonly version: string;
  /** Its folder, from the root. */
  readonly folder: string;
}

export function publishedPackages(root: string): WorkspacePackage[] {
  return ["packages", "apps"]
    .flatMap((parent) => readdirSync(join(root, parent)).map((name) => join(parent, name)))
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) }))
    .filter(({ manifest }) => manifest.private !== true)
    .map(({ folder, manifest }) => ({ name: manifest.name, version: manifest.version, folder }));
}

/** Writes a changeset that raises every package, unless one is pending. Returns whether it did. */
export function ensureChangeset(root: string): boolean {
  const pending = readdirSync(join(root, ".changeset")).some((name) => name.endsWith(".md") && name !== "README.md");
  if (pending) return false;
  const raised = publishedPackages(root).map(({ name }) => `"${name}": patch`);
  writeFileSync(join(root, ".changeset", "rehearsal.md"), `---\n${raised.join("\n")}\n---\n\nA rehearsal.\n`);
  return true;
}
