import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { affinityOf, formatCpuList, type PinResult, topologyOf } from "@esc/numa";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ThreadPlacement, workerRequests } from "./placement.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { esc, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

let dir: string;

beforeEach(() => {
  dir = temporaryDirectory();
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const NUMA = { enable: true, dispatcher_node: -1, realtime_proc_node: -1, transactional_proc_node: -1 } as const;
const AUTO = {
  ESC_NUMA_ENABLE: "true",
  ESC_NUMA_DISPATCHER_NODE: "auto",
  ESC_NUMA_REALTIME_PROC_NODE: "auto",
  ESC_NUMA_TRANSACTIONAL_PROC_NODE: "auto",
};
const THREADS = ["ingest", "log", "lane.realtime", "lane.transactional", "lane.batch", "main"];

describe("the configuration's numa keys", () => {
  test("are for the lane they name, the dispatcher's for ingest and all that has none", () => {
    const requests = workerRequests({
      ...NUMA,
      dispatcher_node: 1,
      realtime_proc_node: 2,
      transactional_proc_node: "auto",
    });

    expect(Object.fromEntries(requests.map(({ name, node }) => [name, node]))).toEqual({
      ...{ ingest: 1, log: 1, "lane.realtime": 2, "lane.transactional": "auto", "lane.batch": 1, main: 1 },
    });
    expect(requests.filter(({ spins }) => !spins).map(({ name }) => name)).toEqual(["main"]);
  });

  test("make the order of several ingest workers that of their names", () => {
    const requests = workerRequests(
      { ...NUMA, dispatcher_node: "auto" },
      { ingest: ["ingest.0", "ingest.1"], shards: 1 },
    );

    expect(requests.slice(0, 3).map(({ name, near }) => [name, near])).toEqual([
      ["ingest.0", undefined],
      ["ingest.1", undefined],
      ["log", "ingest.0"],
    ]);
  });

  test("are for each of a lane's shards", () => {
    const requests = workerRequests({ ...NUMA, realtime_proc_node: 2 }, { ingest: ["ingest"], shards: 2 });
    const lanes = requests.filter(({ name }) => name.startsWith("lane.realtime"));

    expect(lanes.map(({ name, node, near }) => [name, node, near])).toEqual([
      ["lane.realtime.0", 2, "ingest"],
      ["lane.realtime.1", 2, "ingest"],
    ]);
    expect(requests.map(({ name }) => name)).toContain("lane.batch.1");
  });
});

describe("a server with numa.enable", () => {
  /** What the kernel says of a thread of another process. */
  const kernelSays = (server: ServerProcess, tid: number) => {
    const status = readFileSync(`/proc/${server.child.pid}/task/${tid}/status`, "utf8");
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1];
  };

  test("has every thread where its plan says, by the kernel's word and in its stats", async () => {
    await using server = await ServerProcess.start({ env: AUTO });
    const { placement } = await server.stats();

    expect(Object.keys(placement?.workers ?? {}).sort()).toEqual([...THREADS].sort());
    for (const { affinity, cpus, tid, verified } of Object.values(placement?.workers ?? {})) {
      expect({ affinity, verified }).toEqual({ affinity: cpus, verified: true });
      expect(kernelSays(server, tid as number)).toBe(cpus);
    }
    const pinned = THREADS.filter((name) => name !== "main").map((name) => placement?.workers[name]?.cpus ?? "");
    expect(pinned.every((cpus) => /^\d+$/.test(cpus))).toBe(true);
  });

  test("leaves threads alone whose node is -1", async () => {
    await using server = await ServerProcess.start({
      env: { ESC_NUMA_ENABLE: "true", ESC_NUMA_REALTIME_PROC_NODE: "auto" },
    });
    const { workers = {} } = (await server.stats()).placement ?? {};

    expect(workers["lane.realtime"]?.verified).toBe(true);
    expect(Object.entries(workers).filter(([, { cpus }]) => cpus === "any")).toHaveLength(5);
    expect(kernelSays(server, server.child.pid as number)).toBe(formatCpuList(affinityOf(process.pid) ?? []));
  });

  test("pins a lane's thread again that was started for one that died", async () => {
    const folder = new HandlerFolder(
      dir,
      `export default { topics: "die", handle() { process.exit(7); } };`,
      "processing: { retry: { attempts: 1 } }\n",
    );
    await using server = await ServerProcess.start({ args: folder.args, env: AUTO });
    const before = (await server.stats()).placement?.workers["lane.transactional"];
    const socket = await connect(server.tcpPort);
    await writeAll(socket, plainFrame(2, "die", "now"));
    await finish(socket);
    const lane = (stats: Awaited<ReturnType<ServerProcess["stats"]>>) => stats.placement?.workers["lane.transactional"];
    const after = lane(await server.statsWhen((stats) => lane(stats)?.tid !== before?.tid && stats.deadLettered === 1));

    expect(after?.tid).not.toBe(before?.tid);
    expect(after).toMatchObject({ cpus: before?.cpus, affinity: before?.cpus, verified: true });
    expect(kernelSays(server, after?.tid as number)).toBe(before?.cpus);
  });

  test("starts without taskset, says once what to install, and works", async () => {
    let output = "";
    const onSpawn = (child: ChildProcess) => {
      child.stdout?.on("data", (chunk) => {
        output += chunk;
      });
    };
    await using server = await ServerProcess.start({ env: { ...AUTO, PATH: dir }, onSpawn });
    const { placement } = await server.stats();

    expect(output.match(/there is no taskset; install it/g)).toHaveLength(1);
    // The main thread is where it should be without being pinned, on a machine with few cores.
    for (const name of THREADS.filter((each) => each !== "main")) {
      expect(placement?.workers[name]).toMatchObject({
        verified: false,
        problem: expect.stringContaining("no taskset"),
      });
    }
    const socket = await connect(server.tcpPort);
    await writeAll(socket, plainFrame(2, "order.a", "x"));
    await finish(socket);
    expect((await server.statsWhen(({ processed }) => processed === 1)).processed).toBe(1);
  });

  test("starts when the node of its configuration doesn't exist, and says so", async () => {
    await using server = await ServerProcess.start({ env: { ...AUTO, ESC_NUMA_REALTIME_PROC_NODE: "1000" } });
    const { placement } = await server.stats();

    expect(placement?.workers["lane.realtime"]).toEqual({ cpus: "any", verified: false });
    expect(placement?.warnings).toContainEqual(
      expect.stringMatching(/^lane.realtime is not placed: there is no node 1000/),
    );
    expect(placement?.workers.ingest?.verified).toBe(true);
  });

  test("has no placement in its stats without", async () => {
    await using server = await ServerProcess.start();

    expect((await server.stats()).placement).toBeUndefined();
  });
});

describe("threads on a machine with two nodes", () => {
  const topology = topologyOf({ nodes: [{ cpus: "0-3" }, { cpus: "4-7" }] });
  const silent = pino({ level: "silent" });
  const pinned: [tid: number, cpus: readonly number[]][] = [];
  const pin = async (tid: number, wanted: readonly number[]): Promise<PinResult> => {
    pinned.push([tid, wanted]);
    return { tid, wanted, affinity: wanted, pinned: true };
  };
  const thread = (name: string, tid: number) => ({ name, ready: Promise.resolve({ tid }) });

  beforeEach(() => {
    pinned.length = 0;
  });

  test("go where the plan says as they become ready, the main one last", async () => {
    const placement = new ThreadPlacement({ ...NUMA, dispatcher_node: 1 }, { ingest: ["ingest"], shards: 1 }, silent, {
      topology,
      pin,
    });
    placement.follow(thread("log", 11));
    placement.follow(thread("ingest", 10));
    placement.follow(thread("lane.realtime", 12));
    placement.follow({ name: "lane.batch", ready: Promise.reject(new Error("could not start")) });
    await placement.complete();

    expect(pinned).toEqual([
      [11, [5]],
      [10, [4]],
      [process.pid, [7]],
    ]);
    expect(placement.stats.workers.ingest).toEqual({ node: 1, cpus: "4", tid: 10, affinity: "4", verified: true });
    expect(placement.stats.memory.planned).toBe("--preferred=1");
  });

  test("that are left alone and start after the main thread's placing get all CPUs back, which they would inherit from it", async () => {
    const placement = new ThreadPlacement({ ...NUMA, dispatcher_node: 1 }, { ingest: ["ingest"], shards: 1 }, silent, {
      topology,
      pin,
    });
    await placement.complete();
    pinned.length = 0;
    placement.follow(thread("lane.realtime", 13));
    await expect.poll(() => pinned).toEqual([[13, [0, 1, 2, 3, 4, 5, 6, 7]]]);
  });

  test.each([
    ["true", "start the server as: true --preferred=1 -- esc start"],
    ["no-such-numactl", "there is no no-such-numactl; install it"],
    ["false", "false --preferred=1 failed"],
  ])(
    "have their memory on the planned node only if started under numactl, which is said: %s",
    async (numactl, text) => {
      const lines: string[] = [];
      const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
      const parts = { topology, pin, memoryPolicy: "default", numactl };
      await new ThreadPlacement(
        { ...NUMA, dispatcher_node: 1 },
        { ingest: ["ingest"], shards: 1 },
        logger,
        parts,
      ).complete();
      const placed = { ...parts, memoryPolicy: "prefer:1" };

      expect(lines.filter((line) => line.includes("memory comes from"))).toEqual([expect.stringContaining(text)]);
      lines.length = 0;
      await new ThreadPlacement(
        { ...NUMA, dispatcher_node: 1 },
        { ingest: ["ingest"], shards: 1 },
        logger,
        placed,
      ).complete();
      expect(lines.filter((line) => line.includes("memory comes from"))).toEqual([]);
    },
  );

  test("give the main thread its CPUs back at the end", async () => {
    const placement = new ThreadPlacement({ ...NUMA, dispatcher_node: 0 }, { ingest: ["ingest"], shards: 1 }, silent, {
      topology,
      pin,
    });
    await placement.complete();
    await placement.release();

    expect(pinned.at(-1)).toEqual([process.pid, [0, 1, 2, 3, 4, 5, 6, 7]]);
  });
});

describe("esc numa plan", () => {
  /** Two nodes of two cores, two hardware threads each. */
  function recorded(): string {
    const files: Record<string, string> = {
      "cpu/online": "0-7",
      "node/online": "0-1",
      "node/node0/cpulist": "0-1,4-5",
      "node/node1/cpulist": "2-3,6-7",
      "node/node0/distance": "10 21",
      "node/node1/distance": "21 10",
      ...Object.fromEntries(
        Array.from({ length: 8 }, (_, cpu) => [
          `cpu/cpu${cpu}/topology/thread_siblings_list`,
          `${cpu % 4},${(cpu % 4) + 4}`,
        ]),
      ),
    };
    for (const [path, text] of Object.entries(files)) {
      const file = join(dir, "sys/devices/system", path);
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, `${text}\n`);
    }
    return dir;
  }

  test("prints the plan for a recorded machine as a table", async () => {
    const nodes = "dispatcher_node: auto, realtime_proc_node: auto, transactional_proc_node: auto";
    writeFileSync(join(dir, "esc.yaml"), `ingestion: { workers: 1 }\nnuma: { enable: true, ${nodes} }\n`);
    const { code, stdout } = await esc("numa", "plan", "--root", recorded(), "--config", join(dir, "esc.yaml"));

    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.split(/\s{2,}/))).toEqual(
      expect.arrayContaining([
        ["ingest", "0", "0", "4"],
        ["log", "0", "1", "5", "ingest"],
        ["lane.realtime", "1", "2", "6"],
        ["lane.transactional", "1", "3", "7", "lane.realtime; shares with lane.batch"],
        ["memory: start under numactl --preferred=0"],
      ]),
    );
  });

  test("has as many ingest threads as the server would have on that machine", async () => {
    const { stdout } = await esc("numa", "plan", "--root", recorded(), "--json");
    const { seats, unplaced } = JSON.parse(stdout).plan as Record<string, { worker: string }[]>;
    const names = [...(seats ?? []), ...(unplaced ?? [])].map(({ worker }) => worker);
    expect(names.filter((name) => name.startsWith("ingest"))).toEqual(["ingest.0", "ingest.1"]);
  });

  test("plans by a configuration, as JSON", async () => {
    writeFileSync(join(dir, "esc.yaml"), "ingestion: { workers: 1 }\nnuma: { enable: true, dispatcher_node: 1 }\n");
    const { stdout } = await esc("numa", "plan", "--root", recorded(), "--config", join(dir, "esc.yaml"), "--json");
    const { enabled, plan, topology } = JSON.parse(stdout);

    expect(enabled).toBe(true);
    expect(topology.nodes).toHaveLength(2);
    expect(plan.seats[0]).toMatchObject({ worker: "ingest", node: 1, cpus: [2], keptFree: [6] });
    expect(plan.unplaced.map(({ worker }: { worker: string }) => worker)).toEqual([
      "lane.realtime",
      "lane.transactional",
    ]);
  });

  test("of this machine names every thread", async () => {
    const { code, stdout } = await esc("numa", "plan");

    expect(code).toBe(0);
    for (const name of THREADS) expect(stdout).toMatch(new RegExp(`^${name} `, "m"));
  });

  test.each([
    [["numa", "show"], 'there is only "plan"'],
    [["numa", "plan", "--root", "/no/such/folder"], "there is no such folder"],
  ])("is a usage error: esc %j", async (args, text) => {
    const { code, stderr } = await esc(...args);

    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
  });
});
