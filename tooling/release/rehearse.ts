/**
 * `pnpm release:rehearse`: a whole release, with nothing released. A copy of the tree gets its new versions, is built and
 * published to a throwaway registry; then every package is looked at as it was packed, installed into an empty folder by
 * a plain npm, and its README's example is run and type-checked. One line a step; 0 when all of them are ok.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./command.ts";
import { tryReadme } from "./empty-folder.ts";
import { publintProblems, typesProblems } from "./package-checks.ts";
import { packedFileProblems } from "./packed-files.ts";
import { fetchPackage, type PublishedPackage } from "./published-package.ts";
import { sizeOf, sizeTable } from "./size-table.ts";
import { Steps } from "./steps.ts";
import { ThrowawayRegistry } from "./throwaway-registry.ts";
import { copyTree, fingerprint } from "./tree-copy.ts";
import { ensureChangeset, publishedPackages } from "./workspace-packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCOPE = "@esc";

const stopping = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => stopping.abort(new Error(`stopped by ${name}`)));
}
const { signal } = stopping;
const steps = new Steps(signal);
const outside = { env: environment(), signal };

const before = await fingerprint(ROOT, outside);
const folder = mkdtempSync(join(tmpdir(), "esc-rehearsal-"));
try {
  await rehearse();
} catch (error) {
  steps.giveUp(error);
} finally {
  await steps.cleanUp("everything of the rehearsal is removed", () =>
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 }),
  );
}
await steps.cleanUp("the tree is as it was, to the byte", async () => {
  if ((await fingerprint(ROOT, { ...outside, signal: AbortSignal.timeout(30_000) })) !== before) {
    throw new Error("files, status or commit changed meanwhile: by somebody else, or by the rehearsal");
  }
});
process.stdout.write(`${steps.summary}\n`);
process.exit(steps.failed === 0 ? 0 : 1);

async function rehearse(): Promise<void> {
  const copy = join(folder, "tree");
  const inCopy = { env: environment(join(copy, "node_modules", ".bin")), signal, cwd: copy };
  await steps.need(
    "copy the tree, uncommitted changes too",
    async () => `${await copyTree(ROOT, copy, outside)} files`,
  );
  await steps.need("install the copy by its lockfile", async () => {
    await run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline"], inCopy);
  });
  await steps.need("raise the versions by the pending changesets", async () => {
    const made = ensureChangeset(copy);
    const old = new Map(publishedPackages(copy).map(({ name, version }) => [name, version]));
    await run("changeset", ["version"], inCopy);
    const raised = publishedPackages(copy).filter(({ name, version }) => old.get(name) !== version);
    if (raised.length === 0) throw new Error("no package's version changed");
    await run("pnpm", ["install", "--frozen-lockfile", "--offline"], inCopy);
    return `${raised.length} package(s)${made ? "; none was pending, so one was made" : ""}`;
  });
  await steps.need("build through turbo", async () => {
    await run("turbo", ["run", "build", "--output-logs=errors-only"], inCopy);
  });

  await using registry = await steps.need("start a registry on loopback", async () => {
    // As npm is configured here, with its variables: what is not ours comes from where everything here comes from.
    const upstream = await run("npm", ["config", "get", "registry"], { cwd: ROOT, env: process.env, signal });
    return await ThrowawayRegistry.start({ dir: join(folder, "registry"), scope: SCOPE, upstream: upstream.trim() });
  });
  const npmEnv = { npm_config_userconfig: registry.npmrc, npm_config_cache: join(folder, "npm-cache") };
  const packages = publishedPackages(copy);
  await steps.need("publish with changesets", async () => {
    await run("changeset", ["publish"], { ...inCopy, env: { ...inCopy.env, ...npmEnv } });
    return `${packages.length} packages`;
  });
  const published = await steps.need("fetch what was published", async () => {
    const all = await Promise.all(packages.map(({ name }) => fetchPackage(registry.url, name, signal)));
    packages.forEach(({ name, version }, at) => {
      const { version: found } = (all[at] as PublishedPackage).manifest;
      if (found !== version) throw new Error(`${name} is ${version} in the tree and ${found} in the registry`);
    });
    return all;
  });

  const byName = new Map(published.map((one) => [one.manifest.name, one]));
  for (const one of published) {
    await steps.check(`${one.manifest.name}: packed files, publint, types`, async () => {
      const problems = [
        ...packedFileProblems(one, byName),
        ...(await publintProblems(one)),
        ...(await typesProblems(one)),
      ];
      if (problems.length > 0) throw new Error(problems.join("\n"));
      return `${one.files.size} files`;
    });
  }
  const nodeTypes: string = JSON.parse(readFileSync(join(copy, "tooling", "package.json"), "utf8")).dependencies[
    "@types/node"
  ];
  for (const [at, one] of published.entries()) {
    const { name } = one.manifest;
    await steps.check(`${name}: its README in an empty folder`, () =>
      tryReadme(name, one.files.get("README.md") ?? "", {
        dir: join(folder, "outside", String(at)),
        env: { ...outside.env, ...npmEnv },
        signal,
        nodeTypes,
        tsc: join(copy, "tooling", "node_modules", ".bin", "tsc"),
      }),
    );
  }
  await steps.check("weigh the packages", async () => `bytes\n${sizeTable(await Promise.all(published.map(sizeOf)))}`);
}

/** What commands run with: this Node first, and nothing that a package manager above us has set for its own children. */
function environment(...first: string[]): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm|pnpm)_|^(?:NODE_OPTIONS|NODE_PATH|INIT_CWD)$/i.test(name),
  );
  return {
    ...Object.fromEntries(kept),
    PATH: [...first, dirname(process.execPath), process.env.PATH].join(delimiter),
    CI: "1",
    NO_COLOR: "1",
    TURBO_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
  };
}
