/**
 * A copy of the tree to rehearse in: what is committed and what isn't yet, without what git ignores. A release changes
 * versions, changelogs and tags, and none of that may touch the tree that people work in.
 */
import { createHash } from "node:crypto";
import { cpSync, lstatSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type CommandOptions, run } from "./command.ts";

type Options = Omit<CommandOptions, "cwd">;

/** Copies a tree into a folder that doesn't exist yet, as a repository whose last commit is the tree as it is now. */
export async function copyTree(from: string, to: string, options: Options): Promise<number> {
  const git = (...args: string[]) => run("git", args, { ...options, cwd: to });
  await run("git", ["clone", "--quiet", "--no-checkout", from, to], { ...options, cwd: from });
  const files = await filesOf(from, options);
  for (const file of files) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(from, file), join(to, file), { verbatimSymlinks: true });
  }
  // The index first stands at the last commit, so that files which git ignores but has are not lost.
  await git("reset", "--quiet");
  await git("add", "--all");
  await git("config", "user.name", "rehearsal");
  await git("config", "user.email", "rehearsal@localhost");
  await git("commit", "--quiet", "--allow-empty", "--no-verify", "--message", "The tree as it is");
  return files.length;
}

/** A digest of all there is to a tree: the commit it stands at, its status, and every file's name, mode and content. */
export async function fingerprint(root: string, options: Options): Promise<string> {
  const git = (...args: string[]) => run("git", args, { ...options, cwd: root });
  const hash = createHash("sha256");
  hash.update(await git("rev-parse", "HEAD")).update(await git("status", "--porcelain"));
  for (const file of await filesOf(root, options)) {
    const path = join(root, file);
    const { mode } = lstatSync(path);
    const content = createHash("sha256").update(
      lstatSync(path).isSymbolicLink() ? readlinkSync(path) : readFileSync(path),
    );
    hash.update(`\0${file}\0${mode}\0${content.digest("hex")}`);
  }
  return hash.digest("hex");
}

/** The files that git has or would take, without those that are deleted. */
async function filesOf(root: string, options: Options): Promise<string[]> {
  const listed = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    ...options,
    cwd: root,
  });
  const names = [...new Set(listed.split("\0").filter((name) => name !== ""))];
  return names.filter((name) => lstatSync(join(root, name), { throwIfNoEntry: false }) !== undefined).sort();
}
