/** Runs `esc` with the pinned Node, after whatever a fresh clone needs. Arguments are passed on; so are signals. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { environment, nodeBinary, prepare, root } from "./workspace.mjs";

await prepare();
const child = spawn(nodeBinary(), [join(root, "apps", "server", "dist", "cli.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...environment, INIT_CWD: process.env.INIT_CWD ?? process.cwd() },
});
// A terminal's Ctrl-C reaches the server by itself as well; the server takes signals that close together for one.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => child.kill(signal === "SIGHUP" ? "SIGTERM" : signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
