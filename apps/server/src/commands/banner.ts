/** What `esc start` shows on a terminal once it is ready: where it listens, and two commands to try. */
import type { Config } from "../config/schema.ts";
import type { Addresses } from "../server.ts";

/** Hosts that mean every address of the machine, and one of these that a client can connect to. */
const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
/** Where `esc send` connects without `--host`. */
const DEFAULT_HOST = "127.0.0.1";

export function banner(config: Config, { tcp, udp, http }: Addresses): string {
  const lines = [
    "",
    `  ${config.app_name} is ready (pid ${process.pid})`,
    "",
    `    TCP   ${tcp ?? "off"}`,
    `    UDP   ${udp ?? "off"}`,
    `    HTTP  ${http === undefined ? "off" : `http://${http}   /healthz /readyz /metrics /api/v1/stats`}`,
    `    data  ${config.storage.path}`,
    "",
  ];
  if (tcp !== undefined) {
    const { host } = config.ingestion.tcp;
    const reachable = WILDCARDS[host] ?? host;
    const where = reachable === DEFAULT_HOST ? "" : ` --host ${reachable}`;
    const port = tcp.slice(tcp.lastIndexOf(":") + 1);
    lines.push(
      "  Send a first event and read it back:",
      "",
      `    npm run -s esc -- send${where} --port ${port} --topic hello.world --ack`,
      `    npm run -s esc -- log cat ${config.storage.path}`,
      "",
    );
  }
  return `${lines.join("\n")}\n`;
}
