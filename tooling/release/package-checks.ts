/** What others' linters say of a published tarball: publint of its `package.json`, are-the-types-wrong of its types. */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { filterProblems, problemKindInfo } from "@arethetypeswrong/core/problems";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import type { PublishedPackage } from "./published-package.ts";

/** publint's messages, its suggestions too. */
export async function publintProblems({ tarball }: PublishedPackage): Promise<string[]> {
  const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

/**
 * What is wrong with the types for whoever imports the package: from ESM in Node, and through a bundler. These packages
 * are ESM alone; `require`, and resolution from before `exports`, aren't looked at.
 */
export async function typesProblems({ tarball }: PublishedPackage): Promise<string[]> {
  const analysis = await checkPackage(createPackageFromTarballData(tarball));
  if (analysis.types === false) return ["types: the package has none"];
  const problems = (["node16-esm", "bundler"] as const).flatMap((resolutionKind) =>
    filterProblems(analysis, { resolutionKind }),
  );
  const texts = problems.map((problem) => {
    const { title, shortDescription } = problemKindInfo[problem.kind];
    const entrypoint = "entrypoint" in problem ? ` (${problem.entrypoint})` : "";
    return `types: ${title}${entrypoint}: ${shortDescription}`;
  });
  return [...new Set(texts)];
}
