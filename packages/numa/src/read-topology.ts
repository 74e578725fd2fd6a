/** Reads a machine's topology from `/sys/devices/system` and `/proc/self`; what they don't say comes from `node:os`. */
import { availableParallelism } from "node:os";
import { readCgroup } from "./cgroup.ts";
import { formatCpuList, parseCpuList } from "./cpu-list.ts";
import { type FileReader, SystemFiles } from "./system-files.ts";
import type { Cpu, NumaNode, SharedCache, Topology } from "./topology.ts";

export interface ReadTopologyOptions {
  /** Where `sys` and `proc` lie. Default `/`: this machine. */
  readonly root?: string;
  /** CPUs to take for granted when no file names any. Default: what `node:os` says, 1 with a `root`. */
  readonly fallbackCpus?: number;
  readonly reader?: FileReader;
}

const CPU = "/sys/devices/system/cpu";
const NODE = "/sys/devices/system/node";
/** Caches of a CPU: data and instructions of level 1, then 2 and 3, and some to spare. */
const MOST_CACHES = 16;

/**
 * The topology of this machine, or of one whose `sys` and `proc` were copied to a folder. Never throws: what is missing,
 * forbidden or garbage is in `notes`, with every CPU a core of its own on one node in the end. Any thread; reads some six
 * files a CPU, synchronously (about a millisecond for 2 CPUs).
 */
export function readTopology(options: ReadTopologyOptions = {}): Topology {
  const { root = "/", reader, fallbackCpus = root === "/" ? availableParallelism() : 1 } = options;
  const files = new SystemFiles(root, reader);
  const online = onlineCpus(files, fallbackCpus);
  const present = files.parsed(`${CPU}/present`, parseCpuList) ?? online;
  const nodes = readNodes(files, online);
  const nodeOf = (cpu: number) => nodes.find(({ cpus }) => cpus.includes(cpu))?.node ?? (nodes[0]?.node as number);
  const quota = readCgroup(files);
  return {
    cpus: online.map((cpu) => readCpu(files, cpu, nodeOf(cpu), online)),
    offline: present.filter((cpu) => !online.includes(cpu)),
    allowed: allowedOf(files, online, quota.cpus),
    quotaCores: quota.quotaCores,
    nodes,
    caches: readCaches(files, online),
    notes: files.notes,
  };
}

function onlineCpus(files: SystemFiles, fallback: number): readonly number[] {
  const said = files.parsed(`${CPU}/online`, parseCpuList);
  if (said !== undefined && said.length > 0) return said;
  const listed = files.numbered(CPU, "cpu").filter((cpu) => files.text(`${CPU}/cpu${cpu}/online`) !== "0");
  if (listed.length > 0) return listed;
  files.note(`${CPU} names no CPUs; taking ${fallback}, each a core of its own`);
  return Array.from({ length: fallback }, (_, cpu) => cpu);
}

function readCpu(files: SystemFiles, cpu: number, node: number, online: readonly number[]): Cpu {
  const folder = `${CPU}/cpu${cpu}/topology`;
  const listed =
    files.parsed(`${folder}/thread_siblings_list`, parseCpuList) ??
    files.parsed(`${folder}/core_cpus_list`, parseCpuList) ??
    [];
  const siblings = listed.filter((sibling) => online.includes(sibling));
  const socket = files.parsed(`${folder}/physical_package_id`, (text) =>
    /^-?\d{1,6}$/.test(text) ? Number(text) : undefined,
  );
  return {
    ...{ cpu, node },
    // -1 is said where the firmware says nothing.
    package: socket !== undefined && socket >= 0 ? socket : 0,
    siblings: siblings.includes(cpu) ? siblings : [cpu],
  };
}

function readNodes(files: SystemFiles, online: readonly number[]): readonly NumaNode[] {
  const said = files.parsed(`${NODE}/online`, parseCpuList);
  const numbers = said !== undefined && said.length > 0 ? said : files.numbered(NODE, "node");
  const taken = new Set<number>();
  const read = numbers.map((node) => {
    const listed = files.parsed(`${NODE}/node${node}/cpulist`, parseCpuList) ?? [];
    const cpus = listed.filter((cpu) => online.includes(cpu) && !taken.has(cpu));
    for (const cpu of cpus) taken.add(cpu);
    return { node, cpus, memoryBytes: memoryOf(files, node), distances: distancesOf(files, node, numbers) };
  });
  const stray = online.filter((cpu) => !taken.has(cpu));
  const [first, ...others] = read;
  if (first === undefined) return [{ node: 0, cpus: online, memoryBytes: undefined, distances: [10] }];
  if (stray.length === 0) return read;
  files.note(`CPUs ${formatCpuList(stray)} are in no node; taken for node ${first.node}'s`);
  return [{ ...first, cpus: [...first.cpus, ...stray].sort((a, b) => a - b) }, ...others];
}

function memoryOf(files: SystemFiles, node: number): number | undefined {
  return files.parsed(`${NODE}/node${node}/meminfo`, (text) => {
    const match = /MemTotal:\s*(\d+) kB/.exec(text);
    return match === null ? undefined : Number(match[1]) * 1_024;
  });
}

function distancesOf(files: SystemFiles, node: number, numbers: readonly number[]): readonly number[] {
  const read = files.parsed(`${NODE}/node${node}/distance`, (text) => {
    const row = text.split(/\s+/).map(Number);
    return row.length === numbers.length && row.every((value) => Number.isInteger(value) && value > 0)
      ? row
      : undefined;
  });
  return read ?? numbers.map((other) => (other === node ? 10 : 20));
}

function readCaches(files: SystemFiles, online: readonly number[]): readonly SharedCache[] {
  const caches = new Map<string, SharedCache>();
  for (const cpu of online) {
    const folder = `${CPU}/cpu${cpu}/cache`;
    for (const index of files.numbered(folder, "index").slice(0, MOST_CACHES)) {
      const level = Number(files.text(`${folder}/index${index}/level`));
      if (level !== 2 && level !== 3) continue;
      if (files.text(`${folder}/index${index}/type`) === "Instruction") continue;
      const shared = files.parsed(`${folder}/index${index}/shared_cpu_list`, parseCpuList) ?? [];
      const cpus = shared.filter((other) => online.includes(other));
      const key = `${level}:${formatCpuList(cpus)}`;
      if (!cpus.includes(cpu) || caches.has(key)) continue;
      caches.set(key, { level, bytes: sizeOf(files.text(`${folder}/index${index}/size`)), cpus });
    }
  }
  return [...caches.values()].sort((a, b) => a.level - b.level || (a.cpus[0] as number) - (b.cpus[0] as number));
}

/** `1024K`, `32M`. */
function sizeOf(text: string | undefined): number | undefined {
  const match = /^(\d+)([KMG]?)$/.exec(text ?? "");
  const unit = { "": 1, K: 1_024, M: 1_048_576, G: 1_073_741_824 }[match?.[2] ?? ""] as number;
  return match === null ? undefined : Number(match[1]) * unit;
}

function allowedOf(
  files: SystemFiles,
  online: readonly number[],
  cpuset: readonly number[] | undefined,
): readonly number[] {
  const status = files.text("/proc/self/status") ?? "";
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1];
  const affinity = list === undefined ? undefined : parseCpuList(list);
  const allowed = online.filter((cpu) => (affinity?.includes(cpu) ?? true) && (cpuset?.includes(cpu) ?? true));
  if (allowed.length > 0) return allowed;
  files.note("the affinity and the cpuset name no CPU that is online; taking all that are");
  return online;
}
