/** `esc numa plan`: which thread would run where, on this machine or on one whose `sys` and `proc` were copied. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { planPlacement, planTable, readTopology, topologyTable } from "@esc/numa";
import type { CAC } from "cac";
import { loadConfig } from "../config/load-config.ts";
import type { Config } from "../config/schema.ts";
import { ingestNames } from "../ingest-threads.ts";
import { ingestWorkers } from "../ingest-workers.ts";
import { workerRequests } from "../placement.ts";
import { shardCount } from "../shards.ts";
import { asWritten } from "./as-written.ts";
import { UsageError } from "./usage-error.ts";

/** Without a configuration: what the planner makes of the machine. */
const AUTO: Config["numa"] = {
  enable: true,
  dispatcher_node: "auto",
  realtime_proc_node: "auto",
  transactional_proc_node: "auto",
};

export function registerNuma(cli: CAC): void {
  cli
    .command("numa <action>", "Show which thread would run on which core: esc numa plan")
    .option("--config <file>", "Plan by this configuration's numa keys (default: auto for all)")
    .option("--root <dir>", "Plan for the machine whose sys and proc lie in this folder (default: this machine)")
    .option("--json", "One JSON object on standard output: topology and plan")
    .example("esc numa plan")
    .example("esc numa plan --config config/esc.yaml --json")
    .action((action: string, options: { json?: boolean }) => {
      if (action !== "plan") throw new UsageError(`esc numa ${action}: there is only "plan".`);
      const cwd = process.env.INIT_CWD ?? process.cwd();
      const [file, dir] = [asWritten(cli.rawArgs, "config"), asWritten(cli.rawArgs, "root")];
      if (file === "") throw new UsageError("--config takes a file.");
      if (dir === "") throw new UsageError("--root takes a folder.");
      const root = dir === undefined ? "/" : resolve(cwd, dir);
      if (!existsSync(root)) throw new UsageError(`--root ${dir}: there is no such folder.`);
      const config = file === undefined ? undefined : loadConfig({ file, env: process.env, cwd }).config;
      const numa = config?.numa ?? AUTO;
      const topology = readTopology({ root });
      const workers = ingestWorkers(config?.ingestion.workers ?? "auto", topology.allowed.length);
      const shards = config === undefined ? 1 : shardCount(config, topology.allowed.length);
      const plan = planPlacement(topology, workerRequests(numa, { ingest: ingestNames(workers), shards }));
      const off = numa.enable ? "" : "note: numa.enable is false, so the server places no threads\n";
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ enabled: numa.enable, topology, plan })}\n`
          : `${topologyTable(topology)}\n${planTable(plan)}${off}`,
      );
    });
}
