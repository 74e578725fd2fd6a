/** What a machine looks like to a plan: CPUs, which of them are one core, which share a cache, which memory is near. */

/** A CPU as Linux numbers it: one hardware thread. */
export interface Cpu {
  readonly cpu: number;
  readonly node: number;
  /** The socket. */
  readonly package: number;
  /** All online hardware threads of its core, itself among them, ascending. */
  readonly siblings: readonly number[];
}

export interface NumaNode {
  readonly node: number;
  /** Online ones; none for a node that is memory alone. */
  readonly cpus: readonly number[];
  /** 0 for a node without memory; undefined where nothing says. */
  readonly memoryBytes: number | undefined;
  /** To each node in the order of `Topology.nodes`: 10 to itself, 20 is twice as far. */
  readonly distances: readonly number[];
}

/** A cache of level 2 or 3. */
export interface SharedCache {
  readonly level: 2 | 3;
  readonly bytes: number | undefined;
  readonly cpus: readonly number[];
}

export interface Topology {
  /** Online ones, by number. */
  readonly cpus: readonly Cpu[];
  readonly offline: readonly number[];
  /** Online CPUs that this process may run on: its affinity and its cgroup's cpuset. */
  readonly allowed: readonly number[];
  /** CPU time that the cgroup pays for, in cores (1.5); undefined without a limit. */
  readonly quotaCores: number | undefined;
  readonly nodes: readonly NumaNode[];
  readonly caches: readonly SharedCache[];
  /** What could not be read or made no sense, and what was taken instead. */
  readonly notes: readonly string[];
}

/** A core, as far as this process may run on it. */
export interface Core {
  /** Its first hardware thread, allowed or not: what cores are told apart by. */
  readonly id: number;
  readonly node: number;
  readonly package: number;
  /** Its allowed hardware threads, ascending; at least one. */
  readonly cpus: readonly number[];
}

/** The cores on which the process may run, ascending. */
export function allowedCores({ allowed, cpus }: Topology): Core[] {
  const may = new Set(allowed);
  const cores = new Map<number, Core>();
  for (const { node, package: socket, siblings, cpu } of cpus) {
    const id = siblings[0] ?? cpu;
    const usable = siblings.filter((sibling) => may.has(sibling));
    if (usable.length > 0 && !cores.has(id)) cores.set(id, { id, node, package: socket, cpus: usable });
  }
  return [...cores.values()].sort((a, b) => a.id - b.id);
}

/** The lowest level of cache that two CPUs share, 2 or 3; undefined when they share none. */
export function sharedCacheLevel({ caches }: Topology, one: number, other: number): 2 | 3 | undefined {
  const levels = caches.filter(({ cpus }) => cpus.includes(one) && cpus.includes(other)).map(({ level }) => level);
  return levels.includes(2) ? 2 : levels[0];
}

/** How far one node's memory is from another's cores; 255 when a node is unknown. */
export function nodeDistance({ nodes }: Topology, from: number, to: number): number {
  const index = nodes.findIndex(({ node }) => node === to);
  return nodes.find(({ node }) => node === from)?.distances[index] ?? 255;
}
