import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { copyTree, fingerprint } from "./tree-copy.ts";

const options = { env: process.env, signal: new AbortController().signal };

/** A repository with a committed file each to keep, change and delete, and an ignored folder. */
function repository(): { root: string; beside: string; git: (...args: string[]) => string } {
  const beside = mkdtempSync(join(tmpdir(), "esc-tree-"));
  onTestFinished(() => rmSync(beside, { recursive: true, force: true }));
  const root = join(beside, "original");
  mkdirSync(root);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@localhost", ...args], {
      cwd: root,
      encoding: "utf8",
    });
  git("init", "--quiet");
  for (const name of ["kept", "changed", "deleted"]) writeFileSync(join(root, name), name);
  writeFileSync(join(root, ".gitignore"), "ignored/\n");
  git("add", "--all");
  git("commit", "--quiet", "--message", "first");
  return { root, beside, git };
}

test("a copy has what is committed and what isn't yet, and nothing that git ignores", async () => {
  const { root, beside, git } = repository();
  writeFileSync(join(root, "changed"), "anew");
  rmSync(join(root, "deleted"));
  mkdirSync(join(root, "new"));
  writeFileSync(join(root, "new", "file"), "new");
  mkdirSync(join(root, "ignored"));
  writeFileSync(join(root, "ignored", "file"), "ignored");
  const status = git("status", "--porcelain");
  const copy = join(beside, "copy");

  expect(await copyTree(root, copy, options)).toBe(4);

  expect(readFileSync(join(copy, "kept"), "utf8")).toBe("kept");
  expect(readFileSync(join(copy, "changed"), "utf8")).toBe("anew");
  expect(readFileSync(join(copy, "new", "file"), "utf8")).toBe("new");
  expect([existsSync(join(copy, "deleted")), existsSync(join(copy, "ignored"))]).toEqual([false, false]);
  expect(execFileSync("git", ["status", "--porcelain"], { cwd: copy, encoding: "utf8" })).toBe("");
  expect(git("status", "--porcelain")).toBe(status);
});

test.each([
  ["a file's content", ({ root }: { root: string }) => writeFileSync(join(root, "kept"), "other")],
  ["a file more", ({ root }: { root: string }) => writeFileSync(join(root, "more"), "")],
  ["a file less", ({ root }: { root: string }) => rmSync(join(root, "kept"))],
  ["the index", ({ git }: { git: (...args: string[]) => string }) => git("rm", "--quiet", "--cached", "kept")],
  [
    "a commit",
    ({ git }: { git: (...args: string[]) => string }) =>
      git("commit", "--quiet", "--allow-empty", "--message", "second"),
  ],
])("the fingerprint of a tree tells of %s", async (_, change) => {
  const tree = repository();
  const before = await fingerprint(tree.root, options);
  expect(await fingerprint(tree.root, options)).toBe(before);
  change(tree);
  expect(await fingerprint(tree.root, options)).not.toBe(before);
});
