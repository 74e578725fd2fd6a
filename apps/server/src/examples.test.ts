import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
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

test.each([
  ["arena", "42\n"],
  ["queues", "1 record(s), 48 bytes, sequence 1\n"],
  ["metrics", "# HELP esc_frames_total Frames.\n# TYPE esc_frames_total counter\nesc_frames_total 3\n\n"],
  ["dispatcher", "CRITICAL\nundefined\n"],
])("the example in the README of %s runs as it stands", async (name, expected) => {
  const readme = readFileSync(join(ROOT, "packages", name, "README.md"), "utf8");
  const source = /```js\n([\s\S]*?)```/.exec(readme)?.[1] as string;
  // Beside this package, so that the example's imports are found as a user's would be.
  const parent = join(dirname(fileURLToPath(import.meta.url)), "..", "reports");
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, "readme-"));
  try {
    writeFileSync(join(dir, "example.mjs"), source);
    expect(await run(process.execPath, ["example.mjs"], dir)).toEqual({ code: 0, output: expected });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
