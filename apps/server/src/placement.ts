/**
 * Where the server's threads run: a plan by the configuration's `numa` keys, each thread pinned when it says that it is
 * ready, and what the kernel says came of it. Nothing here ever keeps a server from starting.
 */
import { LANE_NAMES } from "@esc/events";
import {
  currentMemoryPolicy,
  currentTid,
  formatCpuList,
  numactlArguments,
  type PinResult,
  type PlacementPlan,
  pinThread,
  planPlacement,
  readTopology,
  type Topology,
  underNumactl,
  type WorkerRequest,
} from "@esc/numa";
import type { Logger } from "pino";
import type { Config } from "./config/schema.ts";
import { shardNames } from "./shards.ts";

/** One thread's place, as planned and as found. */
export interface WorkerPlacement {
  /** Undefined for one that is left alone. */
  readonly node?: number;
  /** Planned CPUs, as a list (`0-3,8`); "any" for one that is left alone. */
  readonly cpus: string;
  readonly tid?: number;
  /** What the kernel says, as a list; once it was pinned, or that was tried. */
  readonly affinity?: string;
  /** The kernel says what was planned. */
  readonly verified: boolean;
  readonly problem?: string;
}

export interface PlacementStats {
  readonly workers: Readonly<Record<string, WorkerPlacement>>;
  /** CPUs that nobody was put on, for the sake of who spins beside. */
  readonly keptFree: string;
  /** Options of numactl that the plan wants, and the policy that the kernel says; "" for none. */
  readonly memory: { readonly planned: string; readonly found: string };
  readonly warnings: readonly string[];
}

/** A thread that will say its id. */
export interface PlacedThread {
  readonly name: string;
  readonly ready: Promise<{ readonly tid?: number | undefined }>;
}

/** What threads there are beside the log's and main. */
export interface PlacedThreads {
  readonly ingest: readonly string[];
  /** Of each lane. */
  readonly shards: number;
}

/** For tests: another machine, other tools. */
export interface PlacementParts {
  readonly topology?: Topology;
  readonly pin?: (tid: number, cpus: readonly number[]) => Promise<PinResult>;
  readonly memoryPolicy?: string;
  readonly numactl?: string;
}

const MAIN = "main";

/**
 * The server's threads as a plan takes them, the most important one first. `dispatcher_node` is for ingest, which dispatches,
 * and for all that has no key of its own.
 */
export function workerRequests(
  numa: Config["numa"],
  { ingest, shards }: PlacedThreads = { ingest: ["ingest"], shards: 1 },
): WorkerRequest[] {
  const { dispatcher_node: dispatcher, realtime_proc_node: realtime, transactional_proc_node: transactional } = numa;
  const nodes: Readonly<Record<string, number | "auto">> = { realtime, transactional };
  const near = ingest[0] as string;
  return [
    ...ingest.map((name) => ({ name, node: dispatcher, spins: true })),
    { name: "log", node: dispatcher, spins: true, near },
    ...LANE_NAMES.flatMap((lane) =>
      shardNames(lane, shards).map((name) => ({
        ...{ name: `lane.${name}`, node: nodes[lane] ?? dispatcher, spins: true, near },
      })),
    ),
    { name: MAIN, node: dispatcher, spins: false },
  ];
}

export class ThreadPlacement {
  readonly plan: PlacementPlan;
  readonly #logger: Logger;
  readonly #allowed: readonly number[];
  readonly #pin: NonNullable<PlacementParts["pin"]>;
  readonly #results = new Map<string, PinResult>();
  readonly #pending = new Set<Promise<void>>();
  readonly #memoryFound: string;
  readonly #numactl: string;
  #complete = false;
  #released = false;

  constructor(numa: Config["numa"], threads: PlacedThreads, logger: Logger, parts: PlacementParts = {}) {
    const { topology = readTopology(), pin = pinThread } = parts;
    this.#memoryFound = parts.memoryPolicy ?? currentMemoryPolicy() ?? "";
    this.#numactl = parts.numactl ?? "numactl";
    this.plan = planPlacement(topology, workerRequests(numa, threads));
    this.#logger = logger;
    this.#allowed = topology.allowed;
    this.#pin = pin;
    for (const note of topology.notes) logger.warn(`numa: ${note}`);
    for (const warning of this.plan.warnings) logger.warn(`numa: ${warning}`);
  }

  /** Pins a thread once it is ready; also one that was started for one that died. */
  follow({ name, ready }: PlacedThread): void {
    const placed = ready.then(
      ({ tid }) => this.#place(name, tid),
      // Who started it is told.
      () => undefined,
    );
    this.#pending.add(placed);
    void placed.then(() => this.#pending.delete(placed));
  }

  /** Places the calling thread as the main one, waits for all, and says what came of it. Last, as new threads inherit its place. */
  async complete(): Promise<void> {
    await Promise.all(this.#pending);
    await this.#place(MAIN, currentTid());
    this.#complete = true;
    const { workers } = this.stats;
    const verified = Object.entries(workers).filter(([, worker]) => worker.verified);
    this.#logger.info(
      { cpus: Object.fromEntries(verified.map(([name, { affinity }]) => [name, affinity])) },
      `numa: ${verified.length} of ${Object.keys(workers).length} threads are placed`,
    );
    const failed = [...this.#results].filter(([, { pinned }]) => !pinned);
    for (const [problem, of] of Map.groupBy(failed, ([, result]) => result.problem ?? "")) {
      this.#logger.warn(`numa: not placed: ${of.map(([name]) => name).join(", ")}; ${problem}`);
    }
    await this.#checkMemory();
  }

  /** Gives the main thread back the CPUs that it had; the others have ended. */
  async release(): Promise<void> {
    this.#released = true;
    const main = this.#results.get(MAIN);
    if (main?.pinned !== true || main.wanted.length === this.#allowed.length) return;
    await this.#pin(main.tid, this.#allowed);
  }

  get stats(): PlacementStats {
    const { keptFree, memory, seats, unplaced, warnings } = this.plan;
    const workers: Record<string, WorkerPlacement> = {};
    for (const { worker, node, cpus } of seats) {
      workers[worker] = { node, cpus: formatCpuList(cpus), ...this.#found(worker) };
    }
    for (const { worker } of unplaced) workers[worker] = { cpus: "any", verified: false };
    const planned = memory === undefined ? "" : numactlArguments({ memory }).join(" ");
    return { workers, keptFree: formatCpuList(keptFree), memory: { planned, found: this.#memoryFound }, warnings };
  }

  /** A memory policy is a process's from its start on: all there is to do now is to say how to start it. */
  async #checkMemory(): Promise<void> {
    const { memory } = this.plan;
    // Who started it under a policy of their own knows why; and a kernel without NUMA says none.
    if (memory === undefined || this.#memoryFound !== "default") return;
    const start = { command: "esc", args: ["start", "…"] };
    const { args, command, problem } = await underNumactl(start, { memory }, this.#numactl);
    const advice = problem ?? `start the server as: ${[command, ...args].join(" ")}`;
    this.#logger.warn(`numa: memory comes from wherever it is touched first, not as planned; ${advice}`);
  }

  #found(worker: string): Pick<WorkerPlacement, "tid" | "affinity" | "verified" | "problem"> {
    const result = this.#results.get(worker);
    if (result === undefined) return { verified: false };
    const { affinity, pinned, problem, tid } = result;
    return {
      ...{ tid, verified: pinned },
      ...(affinity !== undefined && { affinity: formatCpuList(affinity) }),
      ...(problem !== undefined && { problem }),
    };
  }

  async #place(worker: string, tid: number | undefined): Promise<void> {
    // A start that was abandoned may still be on its way here.
    if (this.#released) return;
    const seat = this.plan.seats.find((each) => each.worker === worker);
    if (seat === undefined) {
      // A thread begins with the affinity of who made it: one that is left alone must not stay where main is.
      if (this.#complete && this.#results.get(MAIN)?.pinned === true && tid !== undefined) {
        await this.#pin(tid, this.#allowed);
      }
      return;
    }
    const result = tid === undefined ? threadless(seat.cpus) : await this.#pin(tid, seat.cpus);
    this.#results.set(worker, result);
    if (this.#complete && !result.pinned) this.#logger.warn(`numa: not placed: ${worker}; ${result.problem}`);
  }
}

/** Of a thread that could not say its id. */
function threadless(wanted: readonly number[]): PinResult {
  const problem = "there is no /proc/thread-self: threads are placed on Linux alone";
  return { tid: 0, wanted, affinity: undefined, pinned: false, problem };
}
