/**
 * Which worker goes on which core. Pure: a topology and requests in, a plan out.
 *
 * Workers that spin get a core each, whole: what runs on the other hardware thread of a core takes part of its pipelines,
 * and a spinning loop is the worst neighbour of all, so siblings are kept free. Workers that hand data to each other
 * go where a cache is shared, else on the same node. Where there are fewer cores than workers, or the cgroup pays for
 * fewer, they share, and the plan says so.
 */
import { EscError } from "@esc/events";
import { formatCpuList } from "./cpu-list.ts";
import type { MemoryPolicy } from "./numactl.ts";
import { Seating } from "./seating.ts";
import { nodeDistance, type Topology } from "./topology.ts";

export interface WorkerRequest {
  /** Unique. */
  readonly name: string;
  /** A node's number; -1: leave it alone; `auto`: the plan chooses, near to the others. */
  readonly node: number | "auto";
  /** Whether it spins, or is so busy that it counts as spinning. */
  readonly spins: boolean;
  /** The worker whose data it reads. */
  readonly near?: string;
}

export interface Seat {
  readonly worker: string;
  readonly node: number;
  /** One CPU; several for a worker that doesn't spin and found no core left: it moves among those. */
  readonly cpus: readonly number[];
  /** Hardware threads of its core that nobody may be put on. */
  readonly keptFree: readonly number[];
  /** Other workers on the same CPU. */
  readonly sharedWith: readonly string[];
  /** The worker that it was put beside, and the level of the cache they share, if any. */
  readonly beside?: { readonly worker: string; readonly cache: 2 | 3 | undefined };
}

export interface PlacementPlan {
  /** In the order of the requests. */
  readonly seats: readonly Seat[];
  readonly unplaced: readonly { readonly worker: string; readonly reason: string }[];
  /** All CPUs that are kept free. */
  readonly keptFree: readonly number[];
  /** Where memory should come from; undefined where there is no choice. */
  readonly memory: MemoryPolicy | undefined;
  readonly warnings: readonly string[];
}

/**
 * Plans where workers go. Pure, deterministic; time grows with workers times cores.
 * @param requests in the order of their importance: the first choose first, and share last.
 * @throws EscError `ESC_NUMA_WORKERS` for two workers of one name.
 */
export function planPlacement(topology: Topology, requests: readonly WorkerRequest[]): PlacementPlan {
  const names = requests.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new EscError("ESC_NUMA_WORKERS", `Two workers are called "${twice}". Give each a name of its own.`);
  }
  const unplaced: { worker: string; reason: string }[] = [];
  const warnings: string[] = [];
  const wanted = requests.filter(({ name, node }) => {
    const reason = reasonAgainst(topology, node);
    if (reason === undefined) return true;
    unplaced.push({ worker: name, reason });
    if (node !== -1) warnings.push(`${name} is not placed: ${reason}`);
    return false;
  });
  const seating = new Seating(topology, coreLimit(topology), homeNode(topology, wanted));
  for (const request of wanted.filter(({ spins }) => spins)) seating.seatSpinning(request);
  for (const request of wanted.filter(({ spins }) => !spins)) seating.seatQuiet(request);
  const seats = seating.seats(names);
  warnings.push(...seating.warnings, ...quotaWarning(topology, wanted));
  return {
    ...{ seats, unplaced },
    keptFree: [...new Set(seats.flatMap(({ keptFree }) => keptFree))].sort((a, b) => a - b),
    memory: memoryOf(topology, seats),
    warnings,
  };
}

function reasonAgainst({ allowed, nodes }: Topology, wanted: number | "auto"): string | undefined {
  if (wanted === "auto") return undefined;
  if (wanted === -1) return "its node is -1";
  const node = nodes.find((each) => each.node === wanted);
  if (node === undefined) {
    return `there is no node ${wanted}; this machine has ${formatCpuList(nodes.map((each) => each.node))}`;
  }
  if (node.cpus.length === 0) return `node ${wanted} has memory alone, no CPU that is online`;
  if (!node.cpus.some((cpu) => allowed.includes(cpu))) {
    return `this process may not run on node ${wanted} (CPUs ${formatCpuList(node.cpus)}); see its cpuset and affinity`;
  }
  return undefined;
}

/** No more cores than the quota pays for, rounded up: on more, all would be held up at once when it is spent. */
function coreLimit({ quotaCores }: Topology): number {
  return quotaCores === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(quotaCores));
}

/** Where `auto` begins: beside the first worker that names a node; else on the node with the most CPUs of those with memory. */
function homeNode({ allowed, nodes }: Topology, wanted: readonly WorkerRequest[]): number {
  const named = wanted.map(({ node }) => node).find((node) => node !== "auto");
  if (named !== undefined) return named;
  const usable = (cpus: readonly number[]) => cpus.filter((cpu) => allowed.includes(cpu)).length;
  const [best] = nodes
    .filter(({ cpus }) => usable(cpus) > 0)
    .sort(
      (a, b) =>
        Number(a.memoryBytes === 0) - Number(b.memoryBytes === 0) || usable(b.cpus) - usable(a.cpus) || a.node - b.node,
    );
  return best?.node ?? 0;
}

/**
 * The first worker's node, or the one with memory that is nearest to it: what it writes is what the others read. Preferred
 * and not bound, so that a node without memory left is no out-of-memory kill.
 */
function memoryOf(topology: Topology, seats: readonly Seat[]): MemoryPolicy | undefined {
  const [first] = seats;
  const holding = topology.nodes.filter(({ memoryBytes }) => memoryBytes !== 0);
  if (first === undefined || holding.length < 2) return undefined;
  const distance = (node: number) => nodeDistance(topology, first.node, node);
  const [nearest] = holding.sort((a, b) => distance(a.node) - distance(b.node) || a.node - b.node);
  return nearest && { kind: "preferred", node: nearest.node };
}

function quotaWarning({ quotaCores }: Topology, wanted: readonly WorkerRequest[]): string[] {
  const spinning = wanted.filter(({ spins }) => spins).length;
  if (quotaCores === undefined || quotaCores >= spinning) return [];
  return [
    `the cgroup pays for ${Number(quotaCores.toFixed(2))} cores, and ${spinning} workers spin: all are held up whenever it is spent. Raise the quota to ${spinning}`,
  ];
}
