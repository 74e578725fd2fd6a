/** Machines that plans are tried on. */
import fc from "fast-check";
import { formatCpuList, type MachineDescription } from "./index.ts";

const GIB = 2 ** 30;

export const MACHINES = {
  "one node, two cores": { nodes: [{ cpus: "0-1", memoryBytes: 16 * GIB }], l3: ["0-1"] },
  "two sockets with SMT": {
    nodes: [
      { cpus: "0-3,8-11", memoryBytes: 64 * GIB },
      { cpus: "4-7,12-15", memoryBytes: 64 * GIB },
    ],
    siblings: ["0,8", "1,9", "2,10", "3,11", "4,12", "5,13", "6,14", "7,15"],
    l2: ["0,8", "1,9", "2,10", "3,11", "4,12", "5,13", "6,14", "7,15"],
    l3: ["0-3,8-11", "4-7,12-15"],
    distances: [
      [10, 21],
      [21, 10],
    ],
  },
  "sub-NUMA clustering: two sockets, four nodes": {
    nodes: [
      { cpus: "0-3", memoryBytes: 32 * GIB, package: 0 },
      { cpus: "4-7", memoryBytes: 32 * GIB, package: 0 },
      { cpus: "8-11", memoryBytes: 32 * GIB, package: 1 },
      { cpus: "12-15", memoryBytes: 32 * GIB, package: 1 },
    ],
    l3: ["0-7", "8-15"],
    distances: [
      [10, 12, 21, 21],
      [12, 10, 21, 21],
      [21, 21, 10, 12],
      [21, 21, 12, 10],
    ],
  },
  "chiplets: one node, a cache of level 3 for every four cores": {
    nodes: [{ cpus: "0-11", memoryBytes: 64 * GIB }],
    l3: ["0-3", "4-7", "8-11"],
  },
  "offline cores": {
    nodes: [{ cpus: "0-7", memoryBytes: 16 * GIB }],
    siblings: ["0-1", "2-3", "4-5", "6-7"],
    offline: "3,6-7",
  },
  "a node that is memory alone, and one without memory": {
    nodes: [
      { cpus: "0-3", memoryBytes: 0 },
      { cpus: "4-7", memoryBytes: 32 * GIB },
      { cpus: "", memoryBytes: 256 * GIB },
    ],
    distances: [
      [10, 20, 17],
      [20, 10, 28],
      [17, 28, 10],
    ],
  },
  "a container with one and a half of eight cores": {
    nodes: [{ cpus: "0-7", memoryBytes: 16 * GIB }],
    l3: ["0-7"],
    quotaCores: 1.5,
  },
} satisfies Readonly<Record<string, MachineDescription>>;

/** Any machine: up to 4 nodes of up to 8 cores with 1 to 3 hardware threads, some offline, some forbidden. */
export const anyMachine: fc.Arbitrary<MachineDescription> = fc
  .record({
    nodes: fc.array(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
    memory: fc.array(fc.constantFrom(undefined, 0, 16 * GIB), { minLength: 4, maxLength: 4 }),
    offline: fc.array(fc.nat(95), { maxLength: 12 }),
    forbidden: fc.array(fc.nat(95), { maxLength: 30 }),
    distances: fc.array(fc.integer({ min: 11, max: 40 }), { minLength: 16, maxLength: 16 }),
    quotaCores: fc.option(
      fc.integer({ min: 1, max: 40 }).map((quarter) => quarter / 4),
      { nil: undefined },
    ),
    l3: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ nodes, memory, offline, forbidden, distances, quotaCores, l3 }) => {
    let next = 0;
    const cores = nodes.map((sizes) => sizes.map((size) => Array.from({ length: size }, () => next++)));
    const all = cores.flat(2);
    // CPU 0 can't be taken offline, and a process may run somewhere.
    const off = offline.filter((cpu) => cpu !== all[0] && all.includes(cpu));
    const online = all.filter((cpu) => !off.includes(cpu));
    const may = online.filter((cpu) => !forbidden.includes(cpu));
    const groups = cores.flatMap((of) =>
      Array.from({ length: Math.ceil(of.length / l3) }, (_, group) => of.slice(group * l3, (group + 1) * l3).flat()),
    );
    return {
      nodes: cores.map((of, node) => {
        const memoryBytes = memory[node];
        return { cpus: formatCpuList(of.flat()), ...(memoryBytes !== undefined && { memoryBytes }) };
      }),
      siblings: cores
        .flat()
        .filter((core) => core.length > 1)
        .map(formatCpuList),
      l3: groups.map(formatCpuList),
      distances: nodes.map((_, from) =>
        nodes.map((__, to) => (from === to ? 10 : (distances[from * 4 + to] as number))),
      ),
      offline: formatCpuList(off),
      allowed: formatCpuList(may.length > 0 ? may : online),
      ...(quotaCores !== undefined && { quotaCores }),
    };
  })
  .filter(({ nodes }) => nodes.some(({ cpus }) => cpus !== ""));
