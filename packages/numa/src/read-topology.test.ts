import { availableParallelism } from "node:os";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { affinityOf, readTopology, topologyOf } from "./index.ts";
import { CPU, cgroup2, inMemory, MachineTree, machineFiles, NODE } from "./machine-tree.fixture.ts";
import { anyMachine, MACHINES } from "./machines.fixture.ts";

describe("a machine's files give its topology", () => {
  test.each(Object.entries(MACHINES))("%s", (_, machine) => {
    using tree = new MachineTree(machine);

    expect(readTopology({ root: tree.root })).toEqual(topologyOf(machine));
  });

  test("whatever the machine", () => {
    fc.assert(
      fc.property(anyMachine, (machine) => {
        const { caches, ...read } = readTopology({ reader: inMemory(machineFiles(machine)) });
        const { caches: described, ...rest } = topologyOf(machine);

        expect(read).toEqual(rest);
        expect(new Set(caches.map(({ cpus }) => cpus.join()))).toEqual(
          new Set(described.map(({ cpus }) => cpus.join())),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("of this machine: what the kernel lets us run on is allowed, and every CPU is in a node", () => {
    const topology = readTopology();

    expect(topology.allowed).toEqual(affinityOf(process.pid));
    expect(topology.allowed).toHaveLength(availableParallelism());
    expect(topology.nodes.flatMap(({ cpus }) => cpus).sort((a, b) => a - b)).toEqual(
      topology.cpus.map(({ cpu }) => cpu),
    );
  });

  test("sizes of caches, with their unit", () => {
    using tree = new MachineTree(MACHINES["one node, two cores"], { [`${CPU}/cpu0/cache/index2/size`]: "32M\n" });

    expect(readTopology({ root: tree.root }).caches).toEqual([{ level: 3, bytes: 33_554_432, cpus: [0, 1] }]);
  });
});

describe("what is missing, forbidden or garbage is noted, and never an error", () => {
  test("an empty folder is one CPU on one node", () => {
    using tree = new MachineTree();
    const topology = readTopology({ root: tree.root });

    expect(topology).toMatchObject({ allowed: [0], nodes: [{ node: 0, cpus: [0] }], quotaCores: undefined });
    expect(topology.notes).toEqual([expect.stringContaining("names no CPUs; taking 1")]);
  });

  test("without files the number of CPUs is what it is told", () => {
    expect(readTopology({ root: "/nowhere", fallbackCpus: 3 }).allowed).toEqual([0, 1, 2]);
  });

  test("a kernel without NUMA has one node with every CPU", () => {
    using tree = new MachineTree(MACHINES["two sockets with SMT"]);
    tree.remove(NODE);

    expect(readTopology({ root: tree.root }).nodes).toMatchObject([{ node: 0, distances: [10] }]);
    expect(readTopology({ root: tree.root }).nodes[0]?.cpus).toHaveLength(16);
  });

  test("without the lists of online CPUs and nodes the folders count", () => {
    using tree = new MachineTree(MACHINES["sub-NUMA clustering: two sockets, four nodes"]);
    tree.remove(`${CPU}/online`);
    tree.remove(`${NODE}/online`);
    tree.write(`${CPU}/cpu15/online`, "0\n");

    const { cpus, offline, nodes } = readTopology({ root: tree.root });
    expect(cpus).toHaveLength(15);
    expect(offline).toEqual([15]);
    expect(nodes.map(({ cpus: of }) => of.length)).toEqual([4, 4, 4, 3]);
  });

  test("garbage in each file in turn", () => {
    const files = machineFiles(MACHINES["two sockets with SMT"]);
    const expected = readTopology({ reader: inMemory(files) });
    for (const path of [
      `${CPU}/online`,
      `${CPU}/present`,
      `${CPU}/cpu1/topology/thread_siblings_list`,
      `${CPU}/cpu1/topology/physical_package_id`,
      `${CPU}/cpu1/cache/index2/shared_cpu_list`,
      `${NODE}/online`,
      `${NODE}/node1/cpulist`,
      `${NODE}/node1/distance`,
      `${NODE}/node1/meminfo`,
    ]) {
      const read = readTopology({ reader: inMemory({ ...files, [path]: "\u0000garbage 99999999999\n" }) });

      expect(read.cpus.map(({ cpu }) => cpu)).toEqual(expected.cpus.map(({ cpu }) => cpu));
      expect(read.nodes.map(({ node }) => node)).toEqual([0, 1]);
      expect(read.notes).toContainEqual(expect.stringContaining(`/${path} makes no sense`));
    }
  });

  test("any bytes in any file still give a machine where every allowed CPU is online and in a node", () => {
    const files = { ...machineFiles(MACHINES["offline cores"]), ...cgroup2({ "cpu.max": "max 100000" }) };
    const paths = [`${CPU}/online`, `${CPU}/cpu0/topology/thread_siblings_list`, `${NODE}/online`, "proc/self/status"];
    const more = ["proc/self/cgroup", "proc/self/mountinfo", "sys/fs/cgroup/cpu.max", `${NODE}/node0/cpulist`];
    fc.assert(
      fc.property(fc.constantFrom(...paths, ...more), fc.string({ unit: "binary" }), (path, text) => {
        const { allowed, cpus, nodes } = readTopology({ reader: inMemory({ ...files, [path]: text }) });

        expect(allowed.length).toBeGreaterThan(0);
        expect(cpus.map(({ cpu }) => cpu)).toEqual(expect.arrayContaining([...allowed]));
        expect(nodes.flatMap(({ cpus: of }) => of)).toEqual(expect.arrayContaining([...allowed]));
      }),
      { numRuns: 500 },
    );
  });

  test("a file that may not be read", () => {
    const forbidden = (): never => {
      throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    };
    const topology = readTopology({ fallbackCpus: 2, reader: { read: forbidden, list: forbidden } });

    expect(topology.allowed).toEqual([0, 1]);
    expect(topology.notes).toContain("/sys/devices/system/cpu/online can't be read (EACCES)");
    expect(topology.notes.length).toBeLessThanOrEqual(20);
  });

  test("a folder where a file should be", () => {
    using tree = new MachineTree(MACHINES["one node, two cores"]);
    tree.spoil(`${NODE}/node0/distance`);

    const topology = readTopology({ root: tree.root });
    expect(topology.nodes[0]?.distances).toEqual([10]);
    expect(topology.notes).toEqual([`/${NODE}/node0/distance can't be read (EISDIR)`]);
  });

  test("CPUs that no node has are taken for the first one's", () => {
    using tree = new MachineTree(MACHINES["two sockets with SMT"], { [`${NODE}/node1/cpulist`]: "4-7\n" });

    const { nodes, notes } = readTopology({ root: tree.root });
    expect(nodes[0]?.cpus).toEqual([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(notes).toEqual(["CPUs 12-15 are in no node; taken for node 0's"]);
  });

  test("an affinity that names no CPU that is online allows all", () => {
    using tree = new MachineTree(MACHINES["one node, two cores"], {
      "proc/self/status": "Cpus_allowed_list:\t77\n",
    });

    expect(readTopology({ root: tree.root })).toMatchObject({
      allowed: [0, 1],
      notes: [expect.stringContaining("no CPU that is online")],
    });
  });
});
