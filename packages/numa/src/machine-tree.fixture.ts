/** `sys` and `proc` of a described machine, as a kernel shows them: in a folder, or in memory where there are many. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type FileReader, formatCpuList, type MachineDescription, topologyOf } from "./index.ts";

export type Files = Readonly<Record<string, string>>;

/** A folder that is gone at the end of its scope. */
export class MachineTree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "esc-numa-"));

  /** @param more files beside or instead of those of the machine. */
  constructor(machine?: MachineDescription, more: Files = {}) {
    for (const [path, text] of Object.entries({ ...(machine && machineFiles(machine)), ...more }))
      this.write(path, text);
  }

  write(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true });
  }

  /** A folder where a file should be: reading it fails even for root. */
  spoil(path: string): void {
    this.remove(path);
    mkdirSync(join(this.root, path));
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export const CPU = "sys/devices/system/cpu";
export const NODE = "sys/devices/system/node";

export function machineFiles(machine: MachineDescription): Record<string, string> {
  const { allowed, caches, cpus, nodes, offline, quotaCores } = topologyOf(machine);
  const files: Record<string, string> = {};
  const online = cpus.map(({ cpu }) => cpu);
  const put = (path: string, text: string | number) => {
    files[path] = `${text}\n`;
  };
  put(`${CPU}/online`, formatCpuList(online));
  put(`${CPU}/present`, formatCpuList([...online, ...offline]));
  put(`${NODE}/online`, formatCpuList(nodes.map(({ node }) => node)));
  for (const { cpu, package: socket, siblings } of cpus) {
    put(`${CPU}/cpu${cpu}/topology/thread_siblings_list`, formatCpuList(siblings));
    put(`${CPU}/cpu${cpu}/topology/physical_package_id`, socket);
    const levels = [
      { level: 1, type: "Data", bytes: 49_152, cpus: siblings },
      { level: 1, type: "Instruction", bytes: 32_768, cpus: siblings },
      ...caches.filter((cache) => cache.cpus.includes(cpu)).map((cache) => ({ ...cache, type: "Unified" })),
    ];
    for (const [index, cache] of levels.entries()) {
      const folder = `${CPU}/cpu${cpu}/cache/index${index}`;
      put(`${folder}/level`, cache.level);
      put(`${folder}/type`, cache.type);
      put(`${folder}/shared_cpu_list`, formatCpuList(cache.cpus));
      if (cache.bytes !== undefined) put(`${folder}/size`, `${cache.bytes / 1_024}K`);
    }
  }
  for (const { node, cpus: of, distances, memoryBytes } of nodes) {
    put(`${NODE}/node${node}/cpulist`, formatCpuList(of));
    put(`${NODE}/node${node}/distance`, distances.join(" "));
    if (memoryBytes !== undefined)
      put(`${NODE}/node${node}/meminfo`, `Node ${node} MemTotal: ${memoryBytes / 1_024} kB`);
  }
  put("proc/self/status", `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${formatCpuList(allowed)}`);
  if (quotaCores !== undefined) Object.assign(files, cgroup2({ "cpu.max": `${quotaCores * 100_000} 100000` }));
  return files;
}

/** A container with cgroups of version 2, which sees its own group as `/`. */
export function cgroup2(group: Files): Record<string, string> {
  return {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate\n",
    ...Object.fromEntries(Object.entries(group).map(([name, text]) => [`sys/fs/cgroup/${name}`, `${text}\n`])),
  };
}

/** These files, with no disk behind them. Roots are `/`. */
export function inMemory(files: Files): FileReader {
  const missing = (path: string): never => {
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
  };
  const folders = new Map<string, Set<string>>();
  for (const path of Object.keys(files)) {
    const parts = path.split("/");
    for (const depth of parts.keys()) {
      const folder = `/${parts.slice(0, depth).join("/")}`;
      const entries = folders.get(folder) ?? new Set();
      folders.set(folder, entries.add(parts[depth] as string));
    }
  }
  return {
    read: (path) => files[path.slice(1)] ?? missing(path),
    list: (path) => [...(folders.get(path) ?? missing(path))],
  };
}
