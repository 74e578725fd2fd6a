/** Where a running server's HTTP is, written into its data directory: how `esc dlq` finds it. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = "http-address";

export function announceHttp(dataDir: string, address: string): void {
  writeFileSync(join(dataDir, FILE), `${address}\n`, { mode: 0o640 });
}

export function withdrawHttp(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** The address of the server that has the directory; undefined when it says none. One that was killed leaves its own behind. */
export function httpAddress(dataDir: string): string | undefined {
  try {
    const address = readFileSync(join(dataDir, FILE), "utf8").trim();
    // A server that listens everywhere is reached here, too.
    return address.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^:::/, "[::1]:");
  } catch {
    return undefined;
  }
}
