/**
 * What the control group allows: a cpuset, and a quota of CPU time. Both generations of cgroups are looked at, because
 * machines run both at once. A quota holds for everything below it, so the least on the way up counts.
 */
import { parseCpuList } from "./cpu-list.ts";
import type { SystemFiles } from "./system-files.ts";

export interface CgroupLimits {
  readonly cpus: readonly number[] | undefined;
  /** In cores: 1.5 is one and a half. */
  readonly quotaCores: number | undefined;
}

interface Mount {
  /** The group that stands at the mount point: not `/` where a container sees its own part alone. */
  readonly root: string;
  readonly point: string;
  readonly version: 1 | 2;
  /** Version 1: whose hierarchy it is. */
  readonly controllers: readonly string[];
}

/** Groups lie a few deep; a path of more is cut. */
const MOST_DEPTH = 64;

export function readCgroup(files: SystemFiles): CgroupLimits {
  const mounts = mountsOf(files.text("/proc/self/mountinfo") ?? "");
  const quotas: number[] = [];
  let cpus: readonly number[] | undefined;
  for (const { controllers, path } of groupsOf(files.text("/proc/self/cgroup") ?? "")) {
    const mount = mounts.find(({ version, controllers: of }) =>
      controllers.length === 0 ? version === 2 : version === 1 && of.some((name) => controllers.includes(name)),
    );
    // Where mountinfo can't be read the usual place is tried.
    const folders = foldersOf(mount ?? { root: "/", point: "/sys/fs/cgroup", version: 2, controllers: [] }, path);
    if (controllers.length === 0 || controllers.includes("cpu")) {
      quotas.push(...folders.flatMap((folder) => quotaOf(files, folder) ?? []));
    }
    if (controllers.length === 0 || controllers.includes("cpuset")) cpus ??= cpusetOf(files, folders);
  }
  return { cpus, quotaCores: quotas.length === 0 ? undefined : Math.min(...quotas) };
}

/** `/proc/self/cgroup`: `4:cpu,cpuacct:/a/b`, and `0::/a/b` for version 2. */
function groupsOf(text: string): { readonly controllers: readonly string[]; readonly path: string }[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const controllers = (match[1] as string).split(",").filter((name) => name !== "");
    return [{ controllers, path: match[2] as string }];
  });
}

/** `/proc/self/mountinfo`: `31 23 0:28 ROOT POINT rw,… [tags] - cgroup SOURCE rw,cpu,cpuacct`. */
function mountsOf(text: string): Mount[] {
  return text.split("\n").flatMap((line): Mount[] => {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , root, point] = left.split(" ");
    const [type, , options = ""] = right.split(" ");
    if (root === undefined || point === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
    const version = type === "cgroup2" ? 2 : 1;
    return [{ root: unescaped(root), point: unescaped(point), version, controllers: options.trim().split(",") }];
  });
}

/** Mount tables write blanks and the like in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The group's folder and those above it, up to the mount point. */
function foldersOf({ root, point }: Mount, path: string): string[] {
  const below = root === "/" ? path : path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : "";
  // A process outside its cgroup namespace has a path of "/..": there is nothing of it to be seen.
  const parts = below.split("/").filter((part) => part !== "");
  const visible = parts.includes("..") ? [] : parts.slice(0, MOST_DEPTH);
  return [...visible.keys(), visible.length].map((depth) => [point, ...visible.slice(0, depth)].join("/")).reverse();
}

function quotaOf(files: SystemFiles, folder: string): number | undefined {
  const second = files.parsed(`${folder}/cpu.max`, (text) => {
    const match = /^(max|\d+)(?: (\d+))?$/.exec(text);
    if (match === null) return undefined;
    return match[1] === "max" ? Number.POSITIVE_INFINITY : Number(match[1]) / Number(match[2] ?? 100_000);
  });
  const whole = (text: string) => (/^-?\d+$/.test(text) ? Number(text) : undefined);
  const quotaUs = second === undefined ? files.parsed(`${folder}/cpu.cfs_quota_us`, whole) : undefined;
  const periodUs = quotaUs === undefined ? undefined : files.parsed(`${folder}/cpu.cfs_period_us`, whole);
  const first = quotaUs === undefined || quotaUs <= 0 ? undefined : quotaUs / (periodUs ?? 100_000);
  const cores = second ?? first;
  return cores !== undefined && Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

/** The nearest group's that says one; one that says none has its parent's. */
function cpusetOf(files: SystemFiles, folders: readonly string[]): readonly number[] | undefined {
  for (const folder of folders) {
    for (const name of ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"]) {
      const cpus = files.parsed(`${folder}/${name}`, parseCpuList);
      if (cpus !== undefined && cpus.length > 0) return cpus;
    }
  }
  return undefined;
}
