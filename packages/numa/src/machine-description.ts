/** A machine in a few lines, for planning one that isn't here. Lists are Linux's: `0-3,8`. */
import { EscError } from "@esc/events";
import { parseCpuList } from "./cpu-list.ts";
import type { Topology } from "./topology.ts";

export interface MachineDescription {
  /** By number from 0; `cpus: ""` is memory alone. */
  readonly nodes: readonly { readonly cpus: string; readonly memoryBytes?: number; readonly package?: number }[];
  /** CPUs that are one core (SMT), a list each. Unnamed ones are cores of their own. */
  readonly siblings?: readonly string[];
  /** CPUs that share a cache of level 2, of level 3; a list each. Unnamed ones share none. */
  readonly l2?: readonly string[];
  readonly l3?: readonly string[];
  /** A row for each node; 10 to itself and 20 to others unless given. */
  readonly distances?: readonly (readonly number[])[];
  readonly offline?: string;
  /** All that are online unless given. */
  readonly allowed?: string;
  readonly quotaCores?: number;
}

/**
 * The topology of a described machine. Pure.
 * @throws EscError `ESC_NUMA_DESCRIPTION` for a list that is none.
 * @example
 * topologyOf({ nodes: [{ cpus: "0-3" }, { cpus: "4-7" }], l3: ["0-3", "4-7"] });
 */
export function topologyOf(description: MachineDescription): Topology {
  const { nodes, siblings = [], l2 = [], l3 = [], distances } = description;
  const offline = list(description.offline ?? "");
  const online = (text: string) => list(text).filter((cpu) => !offline.includes(cpu));
  const cores = siblings.map(online);
  const cpus = nodes
    .flatMap(({ cpus: text, package: socket }, node) =>
      online(text).map((cpu) => ({
        ...{ cpu, node, package: socket ?? node },
        siblings: cores.find((core) => core.includes(cpu)) ?? [cpu],
      })),
    )
    .sort((a, b) => a.cpu - b.cpu);
  const caches = (level: 2 | 3, texts: readonly string[]) =>
    texts.map((text) => ({ level, bytes: undefined, cpus: online(text) })).filter(({ cpus: of }) => of.length > 0);
  return {
    cpus,
    offline,
    allowed: description.allowed === undefined ? cpus.map(({ cpu }) => cpu) : online(description.allowed),
    quotaCores: description.quotaCores,
    nodes: nodes.map(({ cpus: text, memoryBytes }, node) => ({
      ...{ node, cpus: online(text), memoryBytes },
      distances: distances?.[node] ?? nodes.map((_, other) => (other === node ? 10 : 20)),
    })),
    caches: [...caches(2, l2), ...caches(3, l3)],
    notes: [],
  };
}

function list(text: string): readonly number[] {
  const numbers = parseCpuList(text);
  if (numbers !== undefined) return numbers;
  throw new EscError("ESC_NUMA_DESCRIPTION", `"${text}" is no list of CPUs. Write it like 0-3,8.`);
}
