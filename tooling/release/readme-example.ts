/**
 * The example in a README: the first block of ```js. It has to run as it stands, so what it prints is written beside the
 * line that prints it, as `// prints: text`, once for each line of output; `// prints:` alone is an empty line.
 */

export interface ReadmeExample {
  readonly source: string;
  /** Every line of its output in order; none when the example says nothing about it. */
  readonly prints: readonly string[];
}

/** The first example of a README, or undefined when it has none. */
export function readmeExample(markdown: string): ReadmeExample | undefined {
  const source = /^```js\n([\s\S]*?)^```$/m.exec(markdown)?.[1];
  if (source === undefined) return undefined;
  return { source, prints: [...source.matchAll(/\/\/ prints:(?: (.*))?$/gm)].map(([, text]) => text ?? "") };
}

/** What is wrong with an example's output, or undefined when it is as the example says. */
export function outputProblem({ prints }: ReadmeExample, stdout: string): string | undefined {
  if (prints.length === 0) return undefined;
  const printed = stdout.endsWith("\n") ? stdout.slice(0, -1) : stdout;
  return printed === prints.join("\n") ? undefined : `it prints\n${printed}\ninstead of\n${prints.join("\n")}`;
}

/** The packages that a README says to install: what stands behind its first `npm i`. */
export function installedPackages(markdown: string): string[] {
  const line = /\bnpm (?:i|install) ([^`\n]+)/.exec(markdown)?.[1] ?? "";
  return line.split(/\s+/).filter((word) => word !== "" && !word.startsWith("-"));
}

/** `import … from "x"` and `export … from "x"`, `import "x"`, `import("x")`. */
const IMPORTS = /^(?:import|export)\b[^"';]*\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

/** The packages that a source imports, without what Node itself has. */
export function importedPackages(source: string): string[] {
  const names = [...source.matchAll(IMPORTS)]
    .map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic) as string)
    .filter((name) => !/^(?:node:|\.|\/)/.test(name))
    .map((name) => name.split("/", name.startsWith("@") ? 2 : 1).join("/"));
  return [...new Set(names)];
}
