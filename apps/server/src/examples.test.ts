import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ReadmeExample, readmeExample } from "@esc/tooling/readme-example";
import { expect, test } from "vitest";
import { connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess } from "./testing/server-process.fixture.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const python = spawnSync("python3", ["--version"]).status === 0;

async function run(
  file: string,
  args: readonly string[],
  cwd = ROOT,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}

test.runIf(python)("the Python example over TCP: every event acknowledged and accounted for", async () => {
  await using server = await ServerProcess.start();
  const { code, output } = await run("python3", [
    ...["examples/python/send_tcp.py", "--port", String(server.tcpPort)],
    ...["--count", "2000", "--ack"],
  ]);
  expect([code, output]).toEqual([0, expect.any(String)]);
  const stats = await server.statsWhen((s) => accountedFor(s) === 2_000);
  expect(stats).toMatchObject({ accepted: 2_000, stored: 2_000 });
});

test.runIf(python)("the Python example over UDP: what arrives is counted", async () => {
  await using server = await ServerProcess.start();
  const { code } = await run("python3", [
    "examples/python/send_udp.py",
    "--port",
    String(server.udpPort),
    "--count",
    "100",
  ]);
  expect(code).toBe(0);
  const stats = await server.statsWhen((s) => s.accepted > 0 && accountedFor(s) === s.accepted);
  expect(stats.accepted).toBeGreaterThan(0);
});

test("the handler example handles the orders beside it", async () => {
  await using server = await ServerProcess.start({ env: { ESC_HANDLERS: join(ROOT, "examples/handlers/orders.js") } });
  const file = join(ROOT, "examples/handlers/orders.ndjson");
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "").length;
  const sent = await esc("send", "--port", String(server.tcpPort), "--topic", "order.created", "--file", file, "--ack");
  expect(sent.code).toBe(0);
  const stats = await server.statsWhen((s) => accountedFor(s) === lines);
  expect(stats.accepted).toBe(lines);
  expect(stats.processed).toBeGreaterThan(0);
});

test("the example of a batch handler handles what it can and counts what there is", async () => {
  await using server = await ServerProcess.start({ env: { ESC_HANDLERS: join(ROOT, "examples/handlers/totals.js") } });
  const socket = await connect(server.tcpPort);
  const payloads = ["abcd", "efghij", "ab"];
  await writeAll(socket, Buffer.concat(payloads.map((payload) => plainFrame(0, "order.created", payload))));
  await finish(socket);
  const stats = await server.statsWhen((s) => accountedFor(s) === 3);
  expect(stats).toMatchObject({ processed: 2, deadLettered: 1 });
  expect(stats.builtIns.events).toMatchObject({ kind: "count", matched: 3, counted: 3 });
  expect(stats.builtIns["first-numbers"]).toMatchObject({ counted: 2, tooShort: 1 });
});

const packages = readdirSync(join(ROOT, "packages")).filter((name) =>
  existsSync(join(ROOT, "packages", name, "package.json")),
);

test.each(packages)("the example in the README of %s runs as it stands and prints what it says", async (name) => {
  const example = readmeExample(readFileSync(join(ROOT, "packages", name, "README.md"), "utf8")) as ReadmeExample;
  expect(example.prints).not.toEqual([]);
  // Inside the package, so that its own name and its dependencies are found as after an install.
  const parent = join(ROOT, "packages", name, "reports");
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, "readme-"));
  try {
    writeFileSync(join(dir, "example.mjs"), example.source);
    const { code, output } = await run(process.execPath, ["example.mjs"], dir);
    expect([code, output]).toEqual([0, `${example.prints.join("\n")}\n`]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
