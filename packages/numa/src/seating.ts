/** The state of a plan in the making: which cores are taken, and by whom. */
import type { Seat, WorkerRequest } from "./plan.ts";
import { allowedCores, type Core, nodeDistance, sharedCacheLevel, type Topology } from "./topology.ts";

interface Taken {
  readonly worker: string;
  readonly core: Core;
  readonly cpu: number;
  readonly spins: boolean;
}

export class Seating {
  readonly warnings: string[] = [];
  readonly #topology: Topology;
  readonly #cores: readonly Core[];
  readonly #limit: number;
  readonly #home: number;
  readonly #taken: Taken[] = [];
  /** By worker: who it was put beside. */
  readonly #beside = new Map<string, Taken>();
  readonly #floating: { readonly worker: string; readonly node: number; readonly cpus: readonly number[] }[] = [];

  /**
   * @param limit cores to use at most.
   * @param home where `auto` begins.
   */
  constructor(topology: Topology, limit: number, home: number) {
    this.#topology = topology;
    this.#cores = allowedCores(topology);
    this.#limit = limit;
    this.#home = home;
  }

  /** A whole core, beside who it reads from; where none is left, the CPU of others. */
  seatSpinning(request: WorkerRequest): void {
    const nodes = this.#nodesFor(request);
    const core = this.#bestFree(request, nodes) ?? this.#leastShared(nodes);
    // Everything is taken up to the quota, and nothing of it on the node that was asked for: the node counts for more.
    const chosen = core ?? this.#cores.find(({ node }) => nodes.includes(node));
    if (chosen === undefined) return;
    this.#take(request, chosen, chosen.cpus[0] as number);
  }

  /** A hardware thread beside others that don't spin, or a core; else it moves among the CPUs that are in use. */
  seatQuiet(request: WorkerRequest): void {
    const nodes = this.#nodesFor(request);
    const place = this.#freeThread(nodes) ?? this.#wholeCore(request, nodes);
    if (place !== undefined) {
      this.#take(request, place.core, place.cpu);
      return;
    }
    const node = nodes.find((each) => this.#taken.some((taken) => taken.core.node === each)) ?? (nodes[0] as number);
    const used = this.#taken.filter((taken) => taken.core.node === node).map(({ cpu }) => cpu);
    const all = this.#cores.filter((each) => each.node === node).flatMap(({ cpus }) => cpus);
    const cpus = used.length > 0 ? [...new Set(used)].sort((a, b) => a - b) : all;
    this.#floating.push({ worker: request.name, node, cpus });
  }

  /** In the order of these names. Adds the warning about cores that are shared. */
  seats(names: readonly string[]): Seat[] {
    this.#warnOfSharing();
    return names.flatMap((name): Seat[] => {
      const taken = this.#taken.find(({ worker }) => worker === name);
      if (taken !== undefined) return [this.#seatOf(taken)];
      const floating = this.#floating.find(({ worker }) => worker === name);
      return floating === undefined ? [] : [{ ...floating, keptFree: [], sharedWith: this.#on(floating.cpus, name) }];
    });
  }

  #seatOf({ worker, core, cpu, spins }: Taken): Seat {
    const beside = this.#beside.get(worker);
    return {
      ...{ worker, node: core.node, cpus: [cpu] },
      keptFree: spins ? core.cpus.filter((other) => other !== cpu) : [],
      sharedWith: this.#on([cpu], worker),
      ...(beside !== undefined && {
        beside: { worker: beside.worker, cache: sharedCacheLevel(this.#topology, cpu, beside.cpu) },
      }),
    };
  }

  #take({ name, near, node, spins }: WorkerRequest, core: Core, cpu: number): void {
    if (node === "auto" && core.node !== this.#home) {
      this.warnings.push(`${name} is on node ${core.node}: node ${this.#home} has no core left`);
    }
    const beside = this.#anchor(near, core.node);
    if (beside !== undefined && beside.core !== core) this.#beside.set(name, beside);
    this.#taken.push({ worker: name, core, cpu, spins });
  }

  /** The nodes to look at, the best one first. */
  #nodesFor({ node }: WorkerRequest): readonly number[] {
    if (node !== "auto") return [node];
    const nodes = [...new Set(this.#cores.map((core) => core.node))];
    const distance = (to: number) => (to === this.#home ? 0 : nodeDistance(this.#topology, this.#home, to));
    return nodes.sort((a, b) => distance(a) - distance(b) || a - b);
  }

  /** A hardware thread of a core on which nobody spins. */
  #freeThread(nodes: readonly number[]): { readonly core: Core; readonly cpu: number } | undefined {
    for (const { core } of this.#taken) {
      if (!nodes.includes(core.node) || this.#spinsOn(core)) continue;
      const cpu = core.cpus.find((each) => !this.#taken.some((taken) => taken.cpu === each));
      if (cpu !== undefined) return { core, cpu };
    }
    return undefined;
  }

  #wholeCore(
    request: WorkerRequest,
    nodes: readonly number[],
  ): { readonly core: Core; readonly cpu: number } | undefined {
    const core = this.#bestFree(request, nodes);
    return core && { core, cpu: core.cpus[0] as number };
  }

  #bestFree({ near }: WorkerRequest, nodes: readonly number[]): Core | undefined {
    const used = new Set(this.#taken.map(({ core }) => core));
    if (used.size >= this.#limit) return undefined;
    const free = this.#cores.filter((core) => !used.has(core));
    const node = nodes.find((each) => free.some((core) => core.node === each));
    const here = free.filter((core) => core.node === node);
    const anchor = node === undefined ? undefined : this.#anchor(near, node);
    const rank = (core: Core) => (anchor === undefined ? this.#crowd(core, here) : this.#farness(core, anchor));
    return here.map((core) => ({ core, rank: rank(core) })).sort((a, b) => a.rank - b.rank || a.core.id - b.core.id)[0]
      ?.core;
  }

  /** Who to be beside on a node: the worker named, else whoever came last. */
  #anchor(near: string | undefined, node: number): Taken | undefined {
    const here = this.#taken.filter(({ core }) => core.node === node);
    return here.find(({ worker }) => worker === near) ?? here.at(-1);
  }

  #farness(core: Core, anchor: Taken): number {
    const level = sharedCacheLevel(this.#topology, core.cpus[0] as number, anchor.cpu);
    return level ?? (core.package === anchor.core.package ? 4 : 5);
  }

  /** For the first on a node: less is a larger group around a cache of level 3, so that the others find room beside it. */
  #crowd(core: Core, free: readonly Core[]): number {
    const cpu = core.cpus[0] as number;
    const group = this.#topology.caches.find(({ level, cpus }) => level === 3 && cpus.includes(cpu));
    return -free.filter(({ cpus }) => group?.cpus.includes(cpus[0] as number) ?? false).length;
  }

  /** The taken core with the fewest workers; of equal ones that of the least important worker. */
  #leastShared(nodes: readonly number[]): Core | undefined {
    const cores = [...new Set(this.#taken.map(({ core }) => core))].filter(({ node }) => nodes.includes(node));
    const workers = (core: Core) => this.#taken.filter((taken) => taken.core === core).length;
    return cores.reverse().sort((a, b) => workers(a) - workers(b))[0];
  }

  #spinsOn(core: Core): boolean {
    return this.#taken.some((taken) => taken.core === core && taken.spins);
  }

  #on(cpus: readonly number[], but: string): string[] {
    return this.#taken.filter(({ cpu, worker }) => worker !== but && cpus.includes(cpu)).map(({ worker }) => worker);
  }

  #warnOfSharing(): void {
    const byCpu = Map.groupBy(this.#taken, ({ cpu }) => cpu);
    const shared = [...byCpu].filter(([, taken]) => taken.length > 1);
    const homeless = this.#floating.map(({ worker }) => worker);
    if (shared.length === 0 && homeless.length === 0) return;
    const told = shared.map(([cpu, taken]) => `CPU ${cpu} has ${taken.map(({ worker }) => worker).join(", ")}`);
    if (homeless.length > 0) told.push(`${homeless.join(", ")} ${homeless.length === 1 ? "has" : "have"} none`);
    const cores = new Set(this.#taken.map(({ core }) => core)).size;
    const workers = this.#taken.length + homeless.length;
    this.warnings.push(`${workers} workers share ${cores} core${cores === 1 ? "" : "s"}: ${told.join("; ")}`);
  }
}
