/** A plan for people. */
import { formatCpuList } from "./cpu-list.ts";
import { numactlArguments } from "./numactl.ts";
import type { PlacementPlan, Seat } from "./plan.ts";
import type { Topology } from "./topology.ts";

/** The plan as a table, with what is to be known about it below; ends with a line feed. */
export function planTable({ seats, unplaced, memory, warnings }: PlacementPlan): string {
  const rows = [
    ["worker", "node", "CPU", "kept free", "beside"],
    ...seats.map((seat) => [
      ...[seat.worker, String(seat.node), formatCpuList(seat.cpus), formatCpuList(seat.keptFree), besideText(seat)],
    ]),
    ...unplaced.map(({ worker, reason }) => [worker, "-", "any", "", `not placed: ${reason}`]),
  ];
  const below = [
    ...(memory === undefined ? [] : [`memory: start under numactl ${numactlArguments({ memory }).join(" ")}`]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return `${[...aligned(rows), ...(below.length > 0 ? ["", ...below] : [])].join("\n")}\n`;
}

/** What of a machine a plan looks at, in a line for each node; ends with a line feed. */
export function topologyTable({ cpus, nodes, allowed, offline, caches, quotaCores, notes }: Topology): string {
  const cores = (of: readonly number[]) =>
    new Set(cpus.filter(({ cpu }) => of.includes(cpu)).map(({ siblings }) => siblings[0])).size;
  const groups = (level: number, of: readonly number[]) =>
    caches
      .filter((cache) => cache.level === level && cache.cpus.some((cpu) => of.includes(cpu)))
      .map((cache) => formatCpuList(cache.cpus))
      .join(" | ");
  const rows = [
    ["node", "CPUs", "cores", "allowed", "memory", "L3 shared by", "distances"],
    ...nodes.map(({ node, cpus: of, memoryBytes, distances }) => [
      ...[String(node), formatCpuList(of), String(cores(of)), formatCpuList(of.filter((cpu) => allowed.includes(cpu)))],
      memoryBytes === undefined ? "?" : `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`,
      ...[groups(3, of), distances.join(" ")],
    ]),
  ];
  const below = [
    ...(offline.length > 0 ? [`offline: ${formatCpuList(offline)}`] : []),
    ...(quotaCores === undefined ? [] : [`quota: ${Number(quotaCores.toFixed(2))} cores`]),
    ...notes.map((note) => `note: ${note}`),
  ];
  return `${[...aligned(rows), ...below].join("\n")}\n`;
}

function besideText({ beside, sharedWith, cpus }: Seat): string {
  const parts = [
    ...(beside === undefined ? [] : [`${beside.worker}${beside.cache === undefined ? "" : ` (L${beside.cache})`}`]),
    ...(sharedWith.length > 0 ? [`${cpus.length > 1 ? "moves among" : "shares with"} ${sharedWith.join(", ")}`] : []),
  ];
  return parts.join("; ");
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join("  ")
      .trimEnd(),
  );
}
