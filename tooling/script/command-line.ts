/**
 * The command line of a script of this repository: its options, `--help`, and a sentence where something is wrong. Every
 * script under `torture/` and `bench/` reads its options here.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";

export interface ScriptOption {
  readonly type: "string" | "boolean";
  /** One that is a whole number takes nothing else. */
  readonly default?: string | boolean;
  /** For a person; an option without isn't shown. */
  readonly help?: string;
}

export interface ScriptCommandLine<Options extends Readonly<Record<string, ScriptOption>>> {
  /** What the script does, in a sentence. */
  readonly about: string;
  readonly options: Options;
  /** What the one operand is, as in `node cases.ts DIR`: without it the script ends with 2. It takes none unless given. */
  readonly operand?: string;
  /** `process.argv` from its third on, unless given. */
  readonly args?: readonly string[];
  /** What ends the script with a text; the process's own unless given. */
  readonly end?: (text: string, code: number) => never;
}

/** Values by option. What has a default is always there. */
export type ScriptValues<Options extends Readonly<Record<string, ScriptOption>>> = {
  readonly [Name in keyof Options]: Options[Name] extends { readonly type: "boolean" }
    ? boolean
    : Options[Name] extends { readonly default: string }
      ? string
      : string | undefined;
};

/** Reads the options. Ends the process for `--help` (exit code 0), and for what can't be understood (2). */
export function commandLine<const Options extends Readonly<Record<string, ScriptOption>>>({
  about,
  options,
  operand,
  args = process.argv.slice(2),
  end = endProcess,
}: ScriptCommandLine<Options>): ScriptValues<Options> & { readonly operand: string } {
  const help = usage(about, options, operand);
  let values: Record<string, unknown>;
  let positionals: readonly string[];
  try {
    ({ values, positionals } = parseArgs({
      // `pnpm run x -- --rounds 1` passes its own `--` on.
      args: args[0] === "--" ? args.slice(1) : [...args],
      options: { ...withoutHelp(options), help: { type: "boolean", short: "h" } },
      allowNegative: true,
      allowPositionals: operand !== undefined,
    }));
  } catch (error) {
    return end(`${(error as Error).message}\n\n${help}`, 2);
  }
  if (values.help === true) return end(help, 0);
  if (operand !== undefined && positionals.length !== 1) return end(`Name one ${operand}.\n\n${help}`, 2);
  for (const [name, option] of Object.entries(options)) {
    const value = values[name];
    if (value !== undefined && isNumber(option.default) && !isNumber(value)) {
      return end(`--${name} takes a whole number, not "${value}".\n\n${help}`, 2);
    }
  }
  return { ...(values as ScriptValues<Options>), operand: positionals[0] ?? "" };
}

function isNumber(value: unknown): boolean {
  return typeof value === "string" && /^\d+$/.test(value);
}

type ParsedOption = { type: "string"; default?: string } | { type: "boolean"; default?: boolean };

function withoutHelp(options: Readonly<Record<string, ScriptOption>>): Record<string, ParsedOption> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { type, default: value }]) => [
      name,
      { type, ...(value !== undefined && { default: value }) } as ParsedOption,
    ]),
  );
}

function usage(about: string, options: Readonly<Record<string, ScriptOption>>, operand?: string): string {
  const shown = Object.entries(options).filter(([, { help }]) => help !== undefined);
  const lines = shown.map(([name, { type, default: value, help }]) => {
    const flag = type === "boolean" ? (value === true ? `--no-${name}` : `--${name}`) : `--${name} <value>`;
    const fallback = type === "string" && value !== undefined ? ` (default: ${value})` : "";
    return `  ${flag.padEnd(22)} ${help}${fallback}`;
  });
  const script = basename(process.argv[1] ?? "script");
  const operands = operand === undefined ? "" : `${operand} `;
  return [
    about,
    "",
    `Usage: node ${script} ${operands}[options]`,
    "",
    ...lines,
    `  ${"--help".padEnd(22)} This text`,
  ].join("\n");
}

function endProcess(text: string, code: number): never {
  (code === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  process.exit(code);
}
