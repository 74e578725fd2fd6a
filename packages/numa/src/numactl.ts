/**
 * Processes under `numactl`: memory policies are a process's from its start on, and no other process can set them later.
 */
import { execFile } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { formatCpuList } from "./cpu-list.ts";

export type MemoryPolicy =
  /** From this node as long as it has some. */
  | { readonly kind: "preferred"; readonly node: number }
  /** From these alone: the process is killed when they have no more. */
  | { readonly kind: "bind"; readonly nodes: readonly number[] }
  /** Page by page in turn. */
  | { readonly kind: "interleave"; readonly nodes: readonly number[] }
  /** From the node of the CPU that touches it first. What Linux does by default. */
  | { readonly kind: "local" };

export interface NumactlOptions {
  readonly cpus?: readonly number[];
  readonly memory?: MemoryPolicy;
}

/** The options of `numactl` for these CPUs and this policy; none for neither. */
export function numactlArguments({ cpus, memory }: NumactlOptions): string[] {
  return [
    ...(cpus === undefined || cpus.length === 0 ? [] : [`--physcpubind=${formatCpuList(cpus)}`]),
    ...(memory === undefined ? [] : [memoryArgument(memory)]),
  ];
}

function memoryArgument(memory: MemoryPolicy): string {
  switch (memory.kind) {
    case "preferred":
      return `--preferred=${memory.node}`;
    case "bind":
      return `--membind=${formatCpuList(memory.nodes)}`;
    case "interleave":
      return `--interleave=${formatCpuList(memory.nodes)}`;
    case "local":
      return "--localalloc";
  }
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

export interface UnderNumactl extends Command {
  /** Whether the command is one of `numactl`. */
  readonly placed: boolean;
  /** Why not, and what to do about it. */
  readonly problem?: string;
}

/**
 * A command that runs another one under `numactl`. Whether that works here is tried first with `true`, since containers
 * often forbid it; if it doesn't, the command comes back as it was, with the reason. Never rejects.
 * @param numactl default: looked for in PATH.
 */
export async function underNumactl(
  { command, args }: Command,
  options: NumactlOptions,
  numactl = "numactl",
): Promise<UnderNumactl> {
  const given = numactlArguments(options);
  if (given.length === 0) return { command, args, placed: false };
  const problem = await tried(numactl, [...given, "--", "true"]);
  if (problem !== undefined) return { command, args, placed: false, problem };
  return { command: numactl, args: [...given, "--", command, ...args], placed: true };
}

const TRY_MS = 2_000;

function tried(numactl: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: "C" };
    execFile(numactl, args, { timeout: TRY_MS, killSignal: "SIGKILL", env }, (error, _, stderr) => {
      if (error === null) resolve(undefined);
      else if (error.code === "ENOENT") {
        resolve(`there is no ${numactl}; install it (Debian: numactl) to have memory placed`);
      } else if (error.killed === true) resolve(`${numactl} did not end within ${TRY_MS} ms`);
      else resolve(`${numactl} ${args.slice(0, -2).join(" ")} failed: ${firstLine(stderr) || error.message}`);
    });
  });
}

function firstLine(text: string): string {
  return (
    text
      .split("\n")
      .find((line) => line.trim() !== "")
      ?.trim() ?? ""
  );
}

/** A line is some hundred bytes. */
const LINE_BYTES = 4_096;

/**
 * The policy that this process's memory was started with, in the kernel's words: `default`, `prefer:1`, `bind:0-1`,
 * `interleave:0-1`; undefined where the kernel doesn't say. Any thread.
 */
export function currentMemoryPolicy(): string | undefined {
  try {
    const file = openSync("/proc/self/numa_maps", "r");
    try {
      // The first line is enough, and all of them cost a walk over the page tables.
      const bytes = Buffer.alloc(LINE_BYTES);
      const length = readSync(file, bytes, 0, LINE_BYTES, 0);
      return /^[0-9a-f]+ (\S+)/.exec(bytes.toString("utf8", 0, length))?.[1];
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
