/** CPU and NUMA topology, a plan for where workers go, and pinning through `taskset` and `numactl`. */
export { formatCpuList, parseCpuList } from "./cpu-list.ts";
export { type MachineDescription, topologyOf } from "./machine-description.ts";
export {
  type Command,
  currentMemoryPolicy,
  type MemoryPolicy,
  type NumactlOptions,
  numactlArguments,
  type UnderNumactl,
  underNumactl,
} from "./numactl.ts";
export { type PinOptions, type PinResult, pinThread } from "./pin.ts";
export { type PlacementPlan, planPlacement, type Seat, type WorkerRequest } from "./plan.ts";
export { planTable, topologyTable } from "./plan-table.ts";
export { type ReadTopologyOptions, readTopology } from "./read-topology.ts";
export type { FileReader } from "./system-files.ts";
export { affinityOf, currentTid, type Thread, threads, threadsNamed } from "./threads.ts";
export {
  allowedCores,
  type Core,
  type Cpu,
  type NumaNode,
  nodeDistance,
  type SharedCache,
  sharedCacheLevel,
  type Topology,
} from "./topology.ts";
