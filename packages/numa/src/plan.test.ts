import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allowedCores, planPlacement, planTable, topologyOf, topologyTable, type WorkerRequest } from "./index.ts";
import { anyMachine, MACHINES } from "./machines.fixture.ts";

/** A server's workers, as it asks for them. */
function pipeline(
  node: number | "auto" = "auto",
  nodes: Readonly<Record<string, number | "auto">> = {},
): WorkerRequest[] {
  const worker = (name: string, near?: string): WorkerRequest => ({
    ...{ name, node: nodes[name] ?? node, spins: name !== "main" },
    ...(near !== undefined && { near }),
  });
  const lanes = ["transactional", "realtime", "batch"].map((lane) => worker(`lane.${lane}`, "ingest"));
  return [worker("ingest"), worker("log", "ingest"), ...lanes, worker("main")];
}

function cpusOf(machine: keyof typeof MACHINES, requests: readonly WorkerRequest[]) {
  const { seats } = planPlacement(topologyOf(MACHINES[machine]), requests);
  return Object.fromEntries(seats.map(({ worker, cpus }) => [worker, cpus.join()]));
}

describe("a plan", () => {
  test("gives every worker a core on one node while there are enough, and leaves their siblings free", () => {
    const topology = topologyOf({
      nodes: [{ cpus: "0-7,16-23" }, { cpus: "8-15,24-31" }],
      siblings: Array.from({ length: 16 }, (_, core) => `${core},${core + 16}`),
    });
    const plan = planPlacement(topology, pipeline());

    expect(plan.seats.map(({ worker, cpus, node }) => [worker, cpus, node])).toEqual([
      ["ingest", [0], 0],
      ["log", [1], 0],
      ["lane.transactional", [2], 0],
      ["lane.realtime", [3], 0],
      ["lane.batch", [4], 0],
      ["main", [5], 0],
    ]);
    expect(plan.keptFree).toEqual([16, 17, 18, 19, 20]);
    expect(plan.warnings).toEqual([]);
  });

  test("goes on to the nearest node when the first has no core left, and says so", () => {
    const machine = "sub-NUMA clustering: two sockets, four nodes";

    expect(cpusOf(machine, pipeline("auto", { ingest: 3 }))).toEqual({
      ...{ ingest: "12", log: "13", "lane.transactional": "14", "lane.realtime": "15", "lane.batch": "8", main: "9" },
    });
    expect(planPlacement(topologyOf(MACHINES[machine]), pipeline("auto", { ingest: 3 })).warnings).toEqual([
      "lane.batch is on node 2: node 3 has no core left",
      "main is on node 2: node 3 has no core left",
    ]);
  });

  test("keeps neighbours at one cache of level 3, the one with the most room", () => {
    const machine = "chiplets: one node, a cache of level 3 for every four cores";
    const four = pipeline().slice(0, 4);

    expect(cpusOf(machine, four)).toEqual({ ingest: "0", log: "1", "lane.transactional": "2", "lane.realtime": "3" });
    const crowded = topologyOf({ ...MACHINES[machine], allowed: "2-7,9-11" });
    expect(planPlacement(crowded, four).seats.map(({ cpus }) => cpus)).toEqual([[4], [5], [6], [7]]);
  });

  test("puts a worker beside the one it reads from, and says which cache they share", () => {
    const topology = topologyOf({ nodes: [{ cpus: "0-5" }], l2: ["0,3", "1,4", "2,5"], l3: ["0-5"] });
    const requests: WorkerRequest[] = [
      { name: "a", node: "auto", spins: true },
      { name: "b", node: "auto", spins: true },
      { name: "c", node: "auto", spins: true, near: "a" },
      { name: "d", node: "auto", spins: true, near: "c" },
    ];
    const { seats } = planPlacement(topology, requests);

    expect(seats.map(({ cpus }) => cpus)).toEqual([[0], [3], [1], [4]]);
    expect(seats[2]?.beside).toEqual({ worker: "a", cache: 3 });
    expect(seats[3]?.beside).toEqual({ worker: "c", cache: 2 });
    expect(seats[1]?.beside).toEqual({ worker: "a", cache: 2 });
  });

  test("keeps to the nodes that are named", () => {
    expect(cpusOf("two sockets with SMT", pipeline(0, { "lane.realtime": 1, "lane.batch": -1 }))).toEqual({
      ...{ ingest: "0", log: "1", "lane.transactional": "2", "lane.realtime": "4", main: "3" },
    });
  });

  test("leaves a worker alone whose node is -1, without a warning", () => {
    const plan = planPlacement(topologyOf(MACHINES["two sockets with SMT"]), pipeline(-1));

    expect(plan).toMatchObject({ seats: [], keptFree: [], memory: undefined, warnings: [] });
    expect(plan.unplaced.map(({ worker }) => worker)).toEqual(pipeline().map(({ name }) => name));
  });

  test.each([
    [7, {}, "there is no node 7; this machine has 0-2"],
    [2, {}, "node 2 has memory alone, no CPU that is online"],
    [1, { allowed: "0-3" }, "this process may not run on node 1 (CPUs 4-7); see its cpuset and affinity"],
  ])("leaves a worker alone that can't go to node %i, and says why", (node, more, why) => {
    const topology = topologyOf({ ...MACHINES["a node that is memory alone, and one without memory"], ...more });
    const plan = planPlacement(topology, [{ name: "log", node, spins: true }]);

    expect(plan.unplaced).toEqual([{ worker: "log", reason: why }]);
    expect(plan.warnings).toEqual([`log is not placed: ${why}`]);
  });

  test("shares the cores that there are, the first worker's last, and says who shares", () => {
    const plan = planPlacement(topologyOf(MACHINES["one node, two cores"]), pipeline());

    expect(Object.fromEntries(plan.seats.map(({ worker, cpus }) => [worker, cpus]))).toEqual({
      ingest: [0],
      log: [1],
      "lane.transactional": [1],
      "lane.realtime": [0],
      "lane.batch": [1],
      main: [0, 1],
    });
    expect(plan.warnings).toEqual([
      "6 workers share 2 cores: CPU 0 has ingest, lane.realtime; CPU 1 has log, lane.transactional, lane.batch; main has none",
    ]);
  });

  test("uses no more cores than the cgroup pays for, rounded up, and says that it is too little", () => {
    const plan = planPlacement(topologyOf(MACHINES["a container with one and a half of eight cores"]), pipeline());

    expect(new Set(plan.seats.flatMap(({ cpus }) => cpus))).toEqual(new Set([0, 1]));
    expect(plan.warnings).toContainEqual(expect.stringMatching(/pays for 1.5 cores, and 5 workers spin.*Raise.*to 5$/));
  });

  test("begins on a node with memory, and prefers the memory next to the first worker", () => {
    const topology = topologyOf(MACHINES["a node that is memory alone, and one without memory"]);

    expect(planPlacement(topology, pipeline().slice(0, 2))).toMatchObject({
      seats: [{ node: 1 }, { node: 1 }],
      memory: { kind: "preferred", node: 1 },
    });
    expect(planPlacement(topology, pipeline(0).slice(0, 2)).memory).toEqual({ kind: "preferred", node: 2 });
  });

  test("has no memory policy where there is nothing to choose", () => {
    expect(planPlacement(topologyOf(MACHINES["one node, two cores"]), pipeline()).memory).toBeUndefined();
  });

  test("lets workers that don't spin share a core's hardware threads", () => {
    const requests = ["a", "b", "c"].map((name) => ({ name, node: "auto" as const, spins: false }));

    expect(cpusOf("two sockets with SMT", requests)).toEqual({ a: "0", b: "8", c: "1" });
  });

  test("refuses two workers of one name", () => {
    const worker = { name: "log", node: "auto" as const, spins: true };
    const plan = () => planPlacement(topologyOf(MACHINES["offline cores"]), [worker, worker]);

    expect(plan).toThrow(expect.objectContaining({ code: "ESC_NUMA_WORKERS" }));
  });
});

describe("of any machine and any workers", () => {
  const workers = fc
    .array(
      fc.record({
        node: fc.oneof(fc.constant("auto" as const), fc.integer({ min: -1, max: 4 })),
        spins: fc.boolean(),
        near: fc.option(fc.nat(11), { nil: undefined }),
      }),
      { maxLength: 12 },
    )
    .map((all): WorkerRequest[] =>
      all.map(({ node, spins, near }, index) => ({
        ...{ name: `w${index}`, node, spins },
        ...(near !== undefined && { near: `w${near}` }),
      })),
    );
  const planned = (check: (context: ReturnType<typeof contextOf>) => void) =>
    fc.assert(
      fc.property(anyMachine, workers, (machine, requests) => check(contextOf(machine, requests))),
      { numRuns: 1_000 },
    );
  const contextOf = (machine: Parameters<typeof topologyOf>[0], requests: readonly WorkerRequest[]) => {
    const topology = topologyOf(machine);
    const plan = planPlacement(topology, requests);
    const spins = (worker: string) => requests.find(({ name }) => name === worker)?.spins === true;
    return { topology, plan, requests, spins };
  };

  test("each worker is placed once, or named as not placed", () => {
    planned(({ plan, requests }) => {
      const named = [...plan.seats, ...plan.unplaced].map(({ worker }) => worker);
      expect(named.sort()).toEqual(requests.map(({ name }) => name).sort());
    });
  });

  test("only allowed CPUs are used, on the node that was asked for", () => {
    planned(({ plan, requests, topology }) => {
      for (const { worker, node, cpus } of plan.seats) {
        const asked = requests.find(({ name }) => name === worker)?.node;
        expect(asked === "auto" || asked === node).toBe(true);
        expect(topology.allowed).toEqual(expect.arrayContaining([...cpus]));
        expect(topology.nodes.find((each) => each.node === node)?.cpus).toEqual(expect.arrayContaining([...cpus]));
      }
    });
  });

  test("nobody is on the sibling of a worker that spins", () => {
    planned(({ plan, spins, topology }) => {
      const used = new Set(plan.seats.flatMap(({ cpus }) => cpus));
      for (const { worker, cpus, keptFree } of plan.seats) {
        if (!spins(worker)) continue;
        const siblings = topology.cpus.find(({ cpu }) => cpu === cpus[0])?.siblings ?? [];
        const others = siblings.filter((cpu) => cpu !== cpus[0] && topology.allowed.includes(cpu));
        expect(keptFree).toEqual(others);
        expect(others.filter((cpu) => used.has(cpu))).toEqual([]);
      }
    });
  });

  test("no CPU is used twice unless the cores are too few for who may be on them, and then the plan says so", () => {
    planned(({ plan, requests, topology }) => {
      const counts = Map.groupBy(
        plan.seats.flatMap(({ cpus, worker }) => cpus.map((cpu) => ({ cpu, worker }))),
        ({ cpu }) => cpu,
      );
      const twice = [...counts.values()].some((seats) => seats.length > 1);
      expect(plan.warnings.some((warning) => / workers share \d+ cores?: /.test(warning))).toBe(
        twice ||
          plan.seats.some(({ cpus }) => cpus.length > 1) ||
          plan.seats.some((seat) => seat.sharedWith.length > 0),
      );
      if (!twice) return;
      const cores = allowedCores(topology);
      const limit = Math.min(cores.length, Math.ceil(topology.quotaCores ?? Number.POSITIVE_INFINITY));
      const fewOnANode = topology.nodes.some(({ node }) => {
        const asking = plan.seats.filter((seat) => seat.node === node).length;
        return asking > cores.filter((core) => core.node === node).length;
      });
      expect(plan.seats.length > limit || fewOnANode).toBe(true);
      expect(requests.length).toBeGreaterThan(1);
    });
  });

  test("the quota's cores are not exceeded, except where workers name more nodes than it has cores", () => {
    planned(({ plan, topology, requests }) => {
      const limit = Math.max(1, Math.ceil(topology.quotaCores ?? Number.POSITIVE_INFINITY));
      const single = plan.seats.filter(({ cpus }) => cpus.length === 1).flatMap(({ cpus }) => cpus);
      const cores = allowedCores(topology).filter(({ cpus }) => cpus.some((cpu) => single.includes(cpu)));
      const named = new Set(requests.map(({ node }) => node)).size;
      expect(cores.length).toBeLessThanOrEqual(Math.max(limit, 0) + named);
    });
  });

  test("the same question has the same answer", () => {
    planned(({ plan, requests, topology }) => {
      expect(planPlacement(topology, requests)).toEqual(plan);
    });
  });
});

describe("as a table", () => {
  test("a plan names worker, node, CPU, what is kept free and who is beside", () => {
    const topology = topologyOf(MACHINES["two sockets with SMT"]);

    expect(planTable(planPlacement(topology, pipeline("auto", { "lane.realtime": 1, "lane.batch": -1 })))).toBe(
      [
        "worker              node  CPU  kept free  beside",
        "ingest              1     4    12",
        "log                 1     5    13         ingest (L3)",
        "lane.transactional  1     6    14         ingest (L3)",
        "lane.realtime       1     7    15         ingest (L3)",
        "main                0     0",
        "lane.batch          -     any             not placed: its node is -1",
        "",
        "memory: start under numactl --preferred=1",
        "warning: main is on node 0: node 1 has no core left",
        "",
      ].join("\n"),
    );
  });

  test("a machine has a line for each node", () => {
    const topology = topologyOf({ ...MACHINES["offline cores"], quotaCores: 2.5 });

    expect(topologyTable(topology)).toBe(
      [
        "node  CPUs     cores  allowed  memory    L3 shared by  distances",
        "0     0-2,4-5  3      0-2,4-5  16.0 GiB                10",
        "offline: 3,6-7",
        "quota: 2.5 cores",
        "",
      ].join("\n"),
    );
  });
});
