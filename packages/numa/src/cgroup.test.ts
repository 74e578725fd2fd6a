import { describe, expect, test } from "vitest";
import { readTopology } from "./index.ts";
import { cgroup2, type Files, inMemory, machineFiles } from "./machine-tree.fixture.ts";

const EIGHT = { nodes: [{ cpus: "0-7" }] };

function limits(files: Files) {
  const reader = inMemory({ ...machineFiles(EIGHT), ...files });
  const { allowed, quotaCores, notes } = readTopology({ reader });
  return { allowed, quotaCores, notes };
}

describe("a cgroup of version 2", () => {
  test("gives its cpuset and its quota", () => {
    expect(limits(cgroup2({ "cpu.max": "150000 100000", "cpuset.cpus.effective": "2-5" }))).toEqual({
      ...{ allowed: [2, 3, 4, 5], quotaCores: 1.5, notes: [] },
    });
  });

  test("has no quota with max, and any period", () => {
    expect(limits(cgroup2({ "cpu.max": "max 100000" })).quotaCores).toBeUndefined();
    expect(limits(cgroup2({ "cpu.max": "125000 50000" })).quotaCores).toBe(2.5);
  });

  test("is held to the least quota on its way up, and has the nearest cpuset", () => {
    const files = {
      "proc/self/cgroup": "0::/pods/pod1/main\n",
      "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
      "sys/fs/cgroup/pods/pod1/main/cpu.max": "max 100000\n",
      "sys/fs/cgroup/pods/pod1/cpu.max": "300000 100000\n",
      "sys/fs/cgroup/pods/cpu.max": "200000 100000\n",
      "sys/fs/cgroup/pods/pod1/main/cpuset.cpus.effective": "\n",
      "sys/fs/cgroup/pods/pod1/cpuset.cpus.effective": "0-2\n",
      "sys/fs/cgroup/pods/cpuset.cpus.effective": "0-6\n",
    };

    expect(limits(files)).toMatchObject({ allowed: [0, 1, 2], quotaCores: 2 });
  });

  test("outside its namespace sees nothing but the mount", () => {
    expect(limits({ ...cgroup2({ "cpu.max": "100000 100000" }), "proc/self/cgroup": "0::/../..\n" }).quotaCores).toBe(
      1,
    );
  });

  test("that makes no sense has no quota, and says so", () => {
    const { quotaCores, notes } = limits(cgroup2({ "cpu.max": "lots" }));

    expect(quotaCores).toBeUndefined();
    expect(notes).toEqual(['/sys/fs/cgroup/cpu.max makes no sense: "lots"']);
  });

  test("is found in its usual place without a table of mounts", () => {
    const { "proc/self/mountinfo": _, ...files } = cgroup2({ "cpu.max": "300000 100000" });

    expect(limits(files).quotaCores).toBe(3);
  });
});

describe("cgroups of version 1", () => {
  const mounts = (root: string) =>
    [
      `31 23 0:28 ${root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct`,
      `34 23 0:31 ${root} /sys/fs/cgroup/my\\040sets rw shared:9 - cgroup cgroup rw,cpuset`,
      "41 23 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ].join("\n");
  const groups = "4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n0::/\n";

  test("give quota and cpuset, each from its own hierarchy", () => {
    const files = {
      ...{ "proc/self/cgroup": groups, "proc/self/mountinfo": mounts("/") },
      "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "150000\n",
      "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/my sets/docker/abc/cpuset.cpus": "4-5\n",
    };

    expect(limits(files)).toEqual({ allowed: [4, 5], quotaCores: 1.5, notes: [] });
  });

  test("in a container, whose mounts begin at its own group", () => {
    const files = {
      ...{ "proc/self/cgroup": groups, "proc/self/mountinfo": mounts("/docker/abc") },
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/my sets/cpuset.effective_cpus": "1\n",
    };

    expect(limits(files)).toEqual({ allowed: [1], quotaCores: 0.5, notes: [] });
  });

  test("have no quota with -1", () => {
    const files = {
      ...{ "proc/self/cgroup": groups, "proc/self/mountinfo": mounts("/") },
      "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
    };

    expect(limits(files)).toMatchObject({ quotaCores: undefined, allowed: [0, 1, 2, 3, 4, 5, 6, 7] });
  });
});
