/** Runs a script of this repository with the pinned Node, after whatever a fresh clone needs. */
import { spawn } from "node:child_process";
import { environment, nodeBinary, prepare } from "./workspace.mjs";

await prepare();
const child = spawn(nodeBinary(), process.argv.slice(2), { stdio: "inherit", env: environment });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
